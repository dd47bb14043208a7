"""Reading and writing fitted models; the format is told by the suffix."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import joblib
import xgboost

from .errors import BadInput, one_line, reason
from .files import Writer
from .trust import check_content, trusted_types

_FORMATS = {
    ".skops": "skops",
    ".json": "xgboost",
    ".ubj": "xgboost",
    ".joblib": "pickle",
    ".pickle": "pickle",
    ".pkl": "pickle",
}
_SUFFIXES = ".skops, .json or .ubj (XGBoost), .pkl, .pickle or .joblib"


def format_of(path: Path) -> str:
    """``"skops"``, ``"xgboost"`` or ``"pickle"``.

    Raises
    ------
    BadInput
        If the suffix is none of a model.
    """
    known = _FORMATS.get(path.suffix.lower())
    if known is None:
        raise BadInput(f"{path}: the suffix says no model format; give {_SUFFIXES}")
    return known


def read_model(path: Path, *, trust_pickle: bool = False, trusted: Iterable[str] = ()) -> Any:
    """Read a fitted model.

    Parameters
    ----------
    path : Path
    trust_pickle : bool, default=False
        Whether to open pickles, which may run any code.
    trusted : iterable of str, default=()
        Types that a skops file may hold, beside those that hold numbers and settings only.

    Returns
    -------
    estimator or xgboost.Booster

    Raises
    ------
    BadInput
        If there is no such file, it cannot be read, or is not trusted.
    """
    kind = format_of(path)
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise BadInput(f"cannot read {path}: {reason(error)}") from error
    if kind == "skops":
        return _read_skops(path, {*trusted_types(), *trusted})
    if kind == "xgboost":
        return _read_xgboost(path)
    if not trust_pickle:
        raise BadInput(
            f"{path} is a pickle, and reading one can run any code; give --trust-pickle if you "
            "know who made it, or save the model with skops"
        )
    try:
        return joblib.load(path)
    except Exception as error:  # whatever the objects inside raise
        raise BadInput(f"cannot read {path}: {_named(error)}") from error


def _read_skops(path: Path, trusted: set[str]) -> Any:
    skops = _skops()
    try:
        # Names may be unknown to this version of skops; it wants to hear of those found only.
        content = path.read_bytes()
        if not content:
            raise BadInput(f"cannot read {path}: the file is empty")
        found = skops.get_untrusted_types(data=content)
        refused = [name for name in found if name not in trusted]
        if not refused:
            model = skops.loads(content, trusted=found)
    except BadInput:
        raise
    except zipfile.BadZipFile as error:
        raise BadInput(f"cannot read {path}: it is no skops file") from error
    except Exception as error:  # skops raises what the damaged part happens to cause
        raise BadInput(f"cannot read {path}: {_named(error)}") from error
    if refused:
        raise BadInput(
            f"{path} has types that are not trusted: {', '.join(refused)}; give --trust TYPE for "
            "each that you know to be harmless"
        )
    try:
        check_content(model)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path} is damaged: {_named(error)}") from error
    return model


def _read_xgboost(path: Path) -> Any:
    booster = xgboost.Booster()
    try:
        booster.load_model(path)
        made_by = json.loads(booster.attr("scikit_learn") or "{}").get("_estimator_type")
    except (xgboost.core.XGBoostError, ValueError, AttributeError) as error:
        raise BadInput(f"cannot read {path}: it is no XGBoost model in JSON or UBJ") from error
    wrappers = {"classifier": xgboost.XGBClassifier, "regressor": xgboost.XGBRegressor}
    if made_by not in wrappers:
        return booster
    model = wrappers[made_by]()
    model.load_model(path)
    return model


def writer_of(model: Any, path: Path) -> Writer:
    """What writes a model in the format that the suffix of ``path`` says.

    Raises
    ------
    BadInput
        If the format cannot hold this model.
    """
    kind = format_of(path)
    if kind == "xgboost":
        if not isinstance(model, xgboost.XGBModel | xgboost.Booster):
            raise BadInput(
                f"{path}: {path.suffix} holds XGBoost models only, this is a "
                f"{type(model).__name__}; give .skops"
            )
        return model.save_model
    if kind == "skops":
        skops = _skops()
        return lambda target: skops.dump(model, target, compression=zipfile.ZIP_DEFLATED)
    if path.suffix.lower() == ".joblib":
        return lambda target: joblib.dump(model, target)
    return lambda target: target.write_bytes(pickle.dumps(model, protocol=5))


def _skops() -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise BadInput("skops is not installed: pip install 'ensprune[cli]'") from error
    return skops.io


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)}"
