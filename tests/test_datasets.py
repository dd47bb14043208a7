"""The tables that travel with the package: shapes, dtypes, and that README and files agree."""

import hashlib
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ensprune import datasets, fashion_mnist

# loader -> rows, columns, categorical columns, missing values, classes (None: regression)
TABLES = {
    "load_flights": (6000, 15, 3, 2661, ["late", "ontime"]),
    "load_concrete": (1030, 8, 0, 0, None),
    "load_hpc": (4331, 7, 2, 0, ["F", "L", "M", "VF"]),
    "load_lending_club": (9857, 22, 5, 0, ["bad", "good"]),
}

tables = pytest.mark.parametrize("loader", TABLES)


def test_public_names_are_the_loaders():
    assert sorted(datasets.__all__) == sorted(TABLES)


@tables
def test_arrays(loader):
    rows, columns, _, missing, classes = TABLES[loader]
    bunch = getattr(datasets, loader)()
    assert bunch.data.shape == (rows, columns)
    assert bunch.data.dtype == np.float64
    assert int(np.isnan(bunch.data).sum()) == missing
    assert bunch.target.shape == (rows,)
    assert len(bunch.feature_names) == columns
    assert bunch.frame is None
    if classes is None:
        assert bunch.target.dtype == np.float64
    else:
        assert bunch.target.dtype.kind == "U"
        assert np.unique(bunch.target).tolist() == bunch.target_names == classes


@tables
def test_frames(loader):
    rows, columns, categorical, missing, _ = TABLES[loader]
    bunch = getattr(datasets, loader)(as_frame=True)
    assert isinstance(bunch.target, pd.Series)
    assert bunch.frame.shape == (rows, columns + 1)
    assert bunch.data.columns.tolist() == bunch.feature_names
    assert (bunch.data.dtypes == "category").sum() == categorical == len(bunch.categories)
    assert int(bunch.data.isna().sum().sum()) == missing
    assert not isinstance(bunch.target.dtype, pd.CategoricalDtype)


@tables
def test_codes_stand_for_categories(loader):
    arrays = getattr(datasets, loader)()
    frame = getattr(datasets, loader)(as_frame=True).data
    for position, name in enumerate(arrays.feature_names):
        column = arrays.data[:, position]
        if name in arrays.categories:
            levels = np.array(arrays.categories[name])
            assert levels[column.astype(int)].tolist() == frame[name].tolist()
        else:
            np.testing.assert_array_equal(column, frame[name].to_numpy(dtype=float))


@tables
@pytest.mark.parametrize("as_frame", [False, True])
def test_return_X_y(loader, as_frame):
    load = getattr(datasets, loader)
    X, y = load(return_X_y=True, as_frame=as_frame)
    bunch = load(as_frame=as_frame)
    assert type(X) is type(bunch.data)
    np.testing.assert_array_equal(np.asarray(y), np.asarray(bunch.target))


@tables
def test_readme_says_what_the_file_is(loader):
    rows, _, _, missing, _ = TABLES[loader]
    bunch = getattr(datasets, loader)()
    assert bunch.DESCR.startswith(bunch.filename)
    assert f"- loader: `{loader}`" in bunch.DESCR
    assert f"- rows: {rows}\n" in bunch.DESCR
    assert re.search(rf"- NaN: {missing}\b", bunch.DESCR)
    packed = Path(datasets.__file__).parent.parent / "datasets" / bunch.filename
    if not packed.exists():
        pytest.skip("the package is installed apart from its source")
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    assert f"- sha256: {digest}" in bunch.DESCR


def test_levels_keep_their_own_order():
    days = datasets.load_hpc().categories["day"]
    assert days == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    employment = datasets.load_lending_club().categories["emp_length"]
    assert employment[0] == "emp_lt_1"
    assert employment[-2:] == ["emp_ge_10", "emp_unk"]


def test_readme_knows_every_file():
    folder = Path(datasets.__file__).parent.parent / "datasets"
    if not folder.is_dir():
        pytest.skip("the package is installed apart from its source")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for path in folder.iterdir():
        if path.suffix in (".gz", ".npz"):
            assert f"## {path.name}\n" in readme
            assert f"- sha256: {hashlib.sha256(path.read_bytes()).hexdigest()}" in readme


def test_a_checkout_needs_no_installed_tables(monkeypatch):
    def missing(package):
        raise ModuleNotFoundError(package)

    monkeypatch.setattr(resources, "files", missing)
    assert datasets.load_concrete().data.shape == (1030, 8)
    assert fashion_mnist.load_fashion_mnist()[1].shape == (10_000,)
    monkeypatch.setattr(fashion_mnist, "FILE_NAME", "nowhere.npz")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz is neither installed"):
        fashion_mnist.load_fashion_mnist()
