"""Models and tables as a user has them: files."""

from types import SimpleNamespace

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from xgboost import XGBClassifier

from ensprune.cli.command import main
from ensprune.datasets import load_hpc


@pytest.fixture(scope="session")
def hpc():
    """Rows to fit and rows to prune on; ``class`` is text, ``number`` its number."""
    X, y = load_hpc(return_X_y=True, as_frame=True)
    rows = np.random.default_rng(0).permutation(len(X))[:900]
    table = X.iloc[rows].reset_index(drop=True)
    table["class"] = y.iloc[rows].astype(str).to_numpy()
    table["number"] = np.unique(table["class"], return_inverse=True)[1]
    columns = list(X.select_dtypes("number"))
    return SimpleNamespace(
        fit=table.iloc[:600], val=table.iloc[600:].reset_index(drop=True), columns=columns
    )


@pytest.fixture(scope="session")
def forest(hpc):
    return RandomForestClassifier(20, max_depth=6, random_state=0).fit(
        hpc.fit[hpc.columns], hpc.fit["class"]
    )


@pytest.fixture(scope="session")
def xgb(hpc):
    model = XGBClassifier(n_estimators=12, max_depth=3, enable_categorical=True, n_jobs=1)
    return model.fit(hpc.fit.drop(columns=["class", "number"]), hpc.fit["number"])


@pytest.fixture
def folder(tmp_path, monkeypatch, hpc, forest, xgb):
    """A working directory with a forest, an XGBoost model and a table."""
    monkeypatch.chdir(tmp_path)
    hpc.val.to_csv("val.csv", index=False)
    skops.io.dump(forest, "forest.skops")
    xgb.save_model("xgb.ubj")
    return tmp_path


@pytest.fixture
def ensprune(capsys):
    """The command, in this process: exit code, standard output and standard error."""

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return run


@pytest.fixture
def refused(ensprune):
    """The one line that the command complains with, exit code 2."""

    def run(*arguments):
        done = ensprune(*arguments)
        assert done.code == 2, done
        assert done.out == ""
        assert done.err.count("\n") == 1, done.err
        return done.err

    return run
