"""Four small real tables that travel with the package; nothing is downloaded.

What the columns mean, where the tables come from and under which licence is said in the
``datasets/README.md`` of the source, whose sections are the ``DESCR`` of the loaders.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.utils import Bunch

__all__ = ["load_concrete", "load_flights", "load_hpc", "load_lending_club"]

_PACKAGE = "ensprune._datasets"

# Levels whose alphabetical order would not be their own.
_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
_EMPLOYMENT = ["emp_lt_1", *(f"emp_{years}" for years in range(1, 10)), "emp_ge_10", "emp_unk"]


def load_flights(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the flights table: which departures from New York in 2013 were late (classification).

    6,000 rows, 15 columns, of them 3 categorical, 2,661 values missing. The target says whether a
    flight left more than 15 minutes late: ``"late"`` (24 %) or ``"ontime"``.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Give pandas objects: ``data`` with the ``category`` dtype in categorical columns and
        ``target`` as a Series. Otherwise ``data`` is a float array in which a category is its
        position among the sorted levels (0, 1, ...), and a missing value is NaN either way.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        ``data`` of shape (6000, 15), ``target`` of shape (6000,) with strings, ``frame`` (data and
        target in one DataFrame; None unless ``as_frame``), ``feature_names``, ``target_names``
        (the classes, sorted), ``categories`` (levels of each categorical column, in the order of
        their codes), ``DESCR``, ``filename``, ``data_module``.
    (data, target) : tuple
        If ``return_X_y``.

    Examples
    --------
    >>> from ensprune.datasets import load_flights
    >>> X, y = load_flights(return_X_y=True)
    >>> X.shape, sorted(set(y.tolist()))
    ((6000, 15), ['late', 'ontime'])
    """
    return _load("flights.csv.gz", return_X_y, as_frame)


def load_concrete(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the concrete table: compressive strength of concrete in MPa (regression).

    1,030 rows, 8 numeric columns, nothing missing. 25 rows are copies of others, and more have
    the same mixture: split so that copies stay together.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Give pandas objects instead of float arrays.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        As :func:`load_flights`: ``data`` of shape (1030, 8), ``target`` of shape (1030,), float;
        ``target_names`` is the name of the target column.
    (data, target) : tuple
        If ``return_X_y``.

    Examples
    --------
    >>> from ensprune.datasets import load_concrete
    >>> load_concrete().feature_names[:3]
    ['cement', 'blast_furnace_slag', 'fly_ash']
    """
    return _load("concrete.csv.gz", return_X_y, as_frame)


def load_hpc(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the hpc_data table: how long jobs ran on a computing cluster (classification).

    4,331 rows, 7 columns, of them 2 categorical, nothing missing. Four classes: ``"VF"`` (very
    fast, 51 %), ``"F"`` (fast), ``"M"`` (moderate) and ``"L"`` (long, 6 %).

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Give pandas objects, as :func:`load_flights`. Otherwise categories are ordinal codes:
        levels sorted, days of the week from Monday (0) to Sunday (6).

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        As :func:`load_flights`: ``data`` of shape (4331, 7), ``target`` of shape (4331,).
    (data, target) : tuple
        If ``return_X_y``.

    Examples
    --------
    >>> from ensprune.datasets import load_hpc
    >>> load_hpc(as_frame=True).data["day"].cat.categories[0]
    'Mon'
    """
    return _load("hpc_data.csv.gz", return_X_y, as_frame)


def load_lending_club(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load the lending_club table: which loans went bad (classification, 5 % positives).

    9,857 rows, 22 columns, of them 5 categorical, nothing missing. The target is ``"bad"`` (5 %)
    or ``"good"``: judge by ROC AUC or average precision, not by accuracy.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Give pandas objects, as :func:`load_flights`. Otherwise categories are ordinal codes:
        levels sorted (loan grades A1 to G5), years of employment by length, unknown last.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        As :func:`load_flights`: ``data`` of shape (9857, 22), ``target`` of shape (9857,).
    (data, target) : tuple
        If ``return_X_y``.

    Examples
    --------
    >>> from ensprune.datasets import load_lending_club
    >>> load_lending_club().target_names
    ['bad', 'good']
    """
    return _load("lending_club.csv.gz", return_X_y, as_frame)


_LEVELS: Mapping[str, Mapping[str, list[str]]] = {
    "hpc_data.csv.gz": {"day": _DAYS},
    "lending_club.csv.gz": {"emp_length": _EMPLOYMENT},
}


def _load(filename: str, return_X_y: bool, as_frame: bool) -> Any:
    with (
        packaged(filename).open("rb") as packed,
        gzip.open(packed, "rt", encoding="utf-8") as lines,
    ):
        frame = pd.read_csv(lines)
    target_name = frame.columns[-1]
    categorical = [
        name for name in frame.columns[:-1] if not pd.api.types.is_numeric_dtype(frame[name])
    ]
    known = _LEVELS.get(filename, {})
    levels = {name: known.get(name) or sorted(frame[name].unique()) for name in categorical}
    frame = frame.astype({name: pd.CategoricalDtype(levels[name]) for name in categorical})

    data: Any = frame.drop(columns=target_name)
    target: Any = frame[target_name]
    classifies = not pd.api.types.is_numeric_dtype(target)
    target_names = sorted(target.unique().tolist()) if classifies else [target_name]
    if not as_frame:
        codes = {name: data[name].cat.codes for name in categorical}
        data = data.assign(**codes).to_numpy(dtype="float64")
        # A plain unicode array: scikit-learn 1.6 does not know pandas' string dtype.
        target = target.to_numpy(dtype=str if classifies else "float64")
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame if as_frame else None,
        feature_names=[str(name) for name in frame.columns[:-1]],
        target_names=target_names,
        categories=levels,
        DESCR=_description(filename),
        filename=filename,
        data_module=_PACKAGE,
    )


def packaged(name: str) -> Traversable:
    """A file of the tables' folder: in the installed package, else in the checkout."""
    try:
        installed = resources.files(_PACKAGE) / name
        if installed.is_file():
            return installed
    except ModuleNotFoundError:
        pass  # not installed: a checkout keeps the folder next to the package
    return Path(__file__).resolve().parent.parent / "datasets" / name


def _description(filename: str) -> str:
    """The file's section of the README."""
    sections = packaged("README.md").read_text(encoding="utf-8").split("\n## ")
    return next(section for section in sections if section.startswith(filename)).strip()
