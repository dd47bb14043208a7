"""Rows from CSV or Parquet, in the form a fitted model wants them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.fixes import parse_version

from ..codes import classes_of
from .errors import BadInput, one_line, reason
from .features import feature_names, is_lightgbm, n_features, xgboost_categories

_CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_PARQUET = (".parquet", ".pq")
# Numbers to the last bit: a row must not fall to the other side of a split. Newer pandas does so.
_EXACT: dict[str, Any] = (
    {}
    if parse_version(pd.__version__) >= parse_version("3.1")
    else {"float_precision": "round_trip"}
)

_SHOWN = 5

# More whole numbers than this are values, not labels.
_MOST_CLASSES = 20


@dataclass(frozen=True)
class Labelled:
    """Rows, their labels or values, and their weights."""

    X: Any  # DataFrame, or array for a model that knows no names
    y: np.ndarray
    weight: np.ndarray | None


def read_table(
    path: Path,
    target: str,
    sep: str | None = None,
    text: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : Path
        CSV or TSV (gzipped or not), or Parquet.
    target : str
        This column is left as text where the file is text.
    sep : str, default=None
        Between the columns of a CSV; None is a comma, for TSV a tab.
    text : sequence of str, default=()
        More columns that are text even where they look like numbers.
    drop : sequence of str, default=()
        Columns to leave out.

    Raises
    ------
    BadInput
        If it cannot be read or has no such target, or no rows.
    """
    name = path.name.lower()
    if not name.endswith((*_CSV, *_PARQUET)):
        raise BadInput(f"{path}: give a table as {', '.join((*_CSV, *_PARQUET))}")
    try:
        if name.endswith(_PARQUET):
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(
                path,
                sep=sep or ("\t" if ".tsv" in name else ","),
                # A label may be called NA: marked, it is not taken for a missing value.
                converters={target: "={}".format},
                dtype={column: str for column in text if column != target},
                encoding="utf-8-sig",
                low_memory=False,
                **_EXACT,
            )
            if target in table.columns:
                table[target] = table[target].astype(object).str[1:]
    except OSError as error:
        raise BadInput(f"cannot read {path}: {reason(error)}") from error
    except ImportError as error:
        raise BadInput(
            f"cannot read {path}: Parquet needs pyarrow: pip install 'ensprune[cli]'"
        ) from error
    except Exception as error:  # parsers raise what the damage happens to cause
        raise BadInput(f"cannot read {path}: {one_line(error)}") from error
    strange = [column for column in drop if column not in table.columns]
    if strange:
        raise BadInput(f"{path} has no column {strange[0]!r} to drop")
    table = table.drop(columns=list(drop))
    if target not in table.columns:
        hint = ""
        if len(table.columns) == 1 and name.endswith(_CSV):
            hint = "; if its columns are not separated by commas, say by what with --sep"
        folded = {str(column).strip().lower(): column for column in table.columns}
        close = difflib.get_close_matches(target.strip().lower(), folded, n=1)
        if close:
            hint = f"; did you mean {folded[close[0]]!r}?"
        raise BadInput(
            f"{path} has no column {target!r}; it has {shortened(list(table.columns))}{hint}"
        )
    if len(table) == 0:
        raise BadInput(f"{path} has no rows")
    return table


def labelled(
    table: pd.DataFrame, path: Path, model: Any, target: str, weight: str | None = None
) -> Labelled:
    """Rows and labels as a fitted model wants them: its columns in its order, its labels.

    Parameters
    ----------
    table : DataFrame
        From :func:`read_table`.
    path : Path
        Of the table, for messages.
    model : fitted estimator or Booster
    target : str
    weight : str, default=None
        Column of row weights.

    Raises
    ------
    BadInput
        If columns are missing or are no numbers, or labels are not the model's.
    """
    X = _rows(table, path, model, target, weight)
    y = _labels(table[target], path, classes_of(model))
    return Labelled(X, y, _weights(table, path, weight))


def label_written(text: str, option: str, classes: np.ndarray | None) -> Any:
    """The label of a model that is written so.

    Parameters
    ----------
    text : str
    option : str
        Where it was given, for messages.
    classes : ndarray of shape (n_classes,) or None
        The model's labels.

    Raises
    ------
    BadInput
        If it is none of them.
    """
    if classes is None:
        raise BadInput(f"{option} {text}: the model predicts no labels")
    known = np.asarray(classes)
    as_text, named = _by_text(known)
    if as_text(text) not in named:
        raise BadInput(f"{option} {text}: the model knows {shortened(list(known))}")
    label = known[named[as_text(text)]]
    return label.item() if isinstance(label, np.generic) else label


def without_target(
    table: pd.DataFrame, path: Path, target: str, task: str | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """All other columns, and the target: labels numbered from 0, or values.

    Parameters
    ----------
    table : DataFrame
        From :func:`read_table`.
    path : Path
        Of the table, for messages.
    target : str
    task : {"classification", "regression"}, default=None
        None: numbers are values, unless they are whole and at most 20 different ones.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,), dtype int for labels and float64 for values

    Raises
    ------
    BadInput
        If the target has gaps, or is no number and ``task`` is regression; or if there is nothing
        to predict or to predict from.
    """
    X = table.drop(columns=target)
    if X.shape[1] == 0:
        raise BadInput(f"{path} has no column beside the target {target!r}")
    column = table[target]
    _check_complete(column, path, "")
    numbers = pd.to_numeric(column, errors="coerce") if column.dtype != bool else pd.Series()
    if task is None:
        is_value = len(numbers) > 0 and bool(numbers.notna().all())
        if is_value and (numbers == numbers.round()).all():
            is_value = numbers.nunique() > _MOST_CLASSES
        task = "regression" if is_value else "classification"
    if task == "regression":
        return X, _numbers(column, path)
    labels, y = np.unique(column.astype(str), return_inverse=True)
    if len(labels) < 2:
        raise BadInput(f"{path}: the target {target!r} is {labels[0]!r} in all rows")
    return X, y


def shortened(values: Sequence[Any]) -> str:
    """The first few values, as text."""
    shown = ", ".join(repr(v.item() if isinstance(v, np.generic) else v) for v in values[:_SHOWN])
    more = len(values) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


# --- columns -------------------------------------------------------------------------------------


def _rows(table: pd.DataFrame, path: Path, model: Any, target: str, weight: str | None) -> Any:
    names = feature_names(model)
    if names is not None:
        if target in names:
            raise BadInput(f"the target {target!r} is a column that the model predicts from")
        table = _as_lightgbm_spells(table, model)
        missing = [name for name in names if name not in table.columns]
        if missing:
            raise BadInput(
                f"{path} lacks columns that the model was fitted on: {shortened(missing)}"
            )
        return _with_categories(table[names].copy(), path, model)
    others = [name for name in table.columns if name not in (target, weight)]
    wanted = n_features(model)
    if wanted is not None and wanted != len(others):
        raise BadInput(
            f"{path} has {len(others)} columns beside the target {target!r}, but the model was "
            f"fitted on {wanted}; it knows no names to choose by"
        )
    no_numbers = not_numeric(table[others])
    if no_numbers:
        raise BadInput(
            f"{path} has columns that are no numbers: {shortened(no_numbers)}; the model was "
            "fitted on an array of numbers"
        )
    return table[others].to_numpy(dtype=np.float64)


def _as_lightgbm_spells(table: pd.DataFrame, model: Any) -> pd.DataFrame:
    """The same table; for LightGBM, which writes a blank in a name as an underscore, with that."""
    if not is_lightgbm(model):
        return table
    return table.rename(columns=lambda name: str(name).replace(" ", "_"))


def not_numeric(rows: pd.DataFrame) -> list[str]:
    """Names of the columns that hold something else than numbers."""
    return [
        str(name)
        for name in rows.columns
        if not pd.api.types.is_numeric_dtype(rows[name]) or rows[name].dtype.kind == "c"
    ]


def _with_categories(rows: pd.DataFrame, path: Path, model: Any) -> pd.DataFrame:
    """The same rows, with the categories of an XGBoost model numbered as it knows them."""
    for name, known in xgboost_categories(model).items():
        if isinstance(rows[name].dtype, pd.CategoricalDtype):
            continue
        if known is None:
            raise BadInput(
                f"{path}: the model does not say which categories {name!r} has; give Parquet with "
                "a categorical column, as in training"
            )
        values = rows[name].astype(object).where(rows[name].notna(), None)
        strange = sorted({str(v) for v in values if v is not None} - {str(v) for v in known})
        if strange:
            raise BadInput(
                f"{path}: {name!r} has values that the model was not fitted on: "
                f"{shortened(strange)}"
            )
        named = {str(v): v for v in known}
        coded = [None if v is None else named[str(v)] for v in values]
        rows[name] = pd.Categorical(coded, categories=pd.Index(known))
    return rows


# --- labels --------------------------------------------------------------------------------------


def _labels(column: pd.Series, path: Path, classes: np.ndarray | None) -> np.ndarray:
    """The target column as the model's own labels, or as numbers."""
    texts = classes is not None and np.asarray(classes).dtype.kind in "UOT"
    _check_complete(column, path, None if texts and "" in np.asarray(classes) else "")
    if classes is None:
        return _numbers(column, path)
    known = np.asarray(classes)
    as_text, named = _by_text(known)
    given = [as_text(label) for label in column]
    strange = sorted({label for label in given if label not in named})
    if strange:
        raise BadInput(
            f"{path}: the target {column.name!r} has labels that the model does not know: "
            f"{shortened(strange)}; it knows {shortened(list(known))}"
        )
    return known[[named[label] for label in given]]


def _by_text(known: np.ndarray) -> tuple[Callable[[Any], str], dict[str, int]]:
    """How labels are written, and where each stands among those of a model."""
    as_text: Callable[[Any], str] = _label_text
    if len({as_text(label) for label in known}) < len(known):
        as_text = str
    return as_text, {as_text(label): position for position, label in enumerate(known)}


def _check_complete(column: pd.Series, path: Path, empty: str | None) -> None:
    missing = column.isna()
    if empty is not None:
        missing |= column.astype(object) == empty
    if missing.any():
        raise BadInput(
            f"{path}: the target {column.name!r} is missing in {int(missing.sum())} of "
            f"{len(column)} rows, first in row {int(np.flatnonzero(missing)[0]) + 1}"
        )


def _label_text(label: Any) -> str:
    """A label as text, the same for 1, 1.0, "1" and "1.0", and for True and "true"."""
    text = str(label)
    if isinstance(label, bool | np.bool_) or text.lower() in ("true", "false"):
        return text.lower()
    try:
        number = float(text)
    except ValueError:
        return text
    # "007" is a code, not the number 7.
    return str(int(number)) if number.is_integer() and not re.match("[+-]?0[0-9]", text) else text


def _numbers(column: pd.Series, path: Path) -> np.ndarray:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise BadInput(
            f"{path}: {column.name!r} is {column.iloc[row]!r} in row {row + 1}, which is no number"
        )
    return numbers


def _weights(table: pd.DataFrame, path: Path, name: str | None) -> np.ndarray | None:
    if name is None:
        return None
    if name not in table.columns:
        raise BadInput(f"{path} has no column {name!r} for the weights")
    return _numbers(table[name], path)
