"""``ensprune compare``: pruned ensembles beside full and retrained ones, on the user's table."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .command import add_trust
from .errors import BadInput, one_line
from .prune import add_rows, add_scoring, size

SUMMARY = "compare pruned ensembles with full ones and with training fewer members"

_FAMILIES = ("Bagging", "RandomForest", "AdaBoost", "GradientBoosting", "XGBoost", "Stacking")
_TASKS = ("classification", "regression")


def add_arguments(parser: Any) -> None:
    parser.add_argument(
        "ensembles",
        metavar="MODEL_OR_FAMILY",
        nargs="*",
        help=f"{', '.join(_FAMILIES)} (default: these six), or model files, whose parameters count: "
        "all ensembles are fitted afresh on a part of the rows and scored on the rest",
    )
    add_trust(parser)
    add_rows(parser)
    parser.add_argument(
        "--size",
        type=size,
        help="what to keep: 20 or 10%% (default: a tenth of averages, a fifth of AdaBoost, a third "
        "of the other boosted ones, half of stacking)",
    )
    add_scoring(parser)
    parser.add_argument(
        "--task", choices=_TASKS, help="what to predict (default: told by the target)"
    )
    parser.add_argument(
        "--rows", type=int, default=2000, help="training rows at most, of three quarters (2000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the split and the draws (0)")
    parser.add_argument("--n-jobs", type=int, default=1, help="comparisons at the same time (1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--verbose", "-v", action="store_true", help="say how far it is")


def run(options: Any) -> None:
    from joblib import Parallel, delayed

    from ..comparison import compare, table

    _check(options)
    steps = [
        delayed(compare)(task, family, options.size or family.share, options.seed)
        for task, family in _steps(options)
    ]
    comparisons = []
    try:
        for done in Parallel(n_jobs=options.n_jobs, return_as="generator")(steps):
            comparisons.append(done)
            if options.verbose:
                print(f"[{len(comparisons)}/{len(steps)}] {done.ensemble}", file=sys.stderr)
    except (TypeError, ValueError) as error:
        raise BadInput(one_line(error)) from error
    if options.json:
        print(json.dumps([asdict(row) for row in comparisons], indent=2))
    else:
        print(table(comparisons))


def _check(options: Any) -> None:
    if isinstance(options.size, str):
        raise BadInput(f"--size {options.size}: give a number of members such as 20, or 10%")
    if options.rows < 8:
        raise BadInput(f"--rows {options.rows}: give 8 at least")
    if not 0 <= options.seed < 2**32:
        raise BadInput(f"--seed {options.seed}: give a number from 0 to {2**32 - 1}")
    if options.sample_weight is not None:
        raise BadInput("--sample-weight goes with ensprune prune only")


def _steps(options: Any) -> list[tuple[Any, Any]]:
    """A task and a family for each line of the table."""
    from ..comparison import families, family_of
    from .features import text_columns
    from .models import read_model
    from .tables import labelled, read_table, without_target

    known = {name.lower(): name for name in _FAMILIES}
    given = options.ensembles or list(_FAMILIES)
    strange = [one for one in given if one.lower() not in known and not Path(one).suffix]
    if strange:
        raise BadInput(f"{strange[0]!r} is no family; give {', '.join(_FAMILIES)} or a model file")
    steps = []
    own: Any = None
    for one in given:
        if one.lower() in known:
            if own is None:
                table = read_table(options.data, options.target, options.sep, (), options.drop)
                X, y = without_target(table, options.data, options.target, options.task)
                own = _task(X, y, options, encode=True)
            classifies = own.y_train.dtype.kind in "iu"
            steps.append((own, families(classifies, options.seed)[known[one.lower()]]))
            continue
        path = Path(one)
        model = read_model(path, trust_pickle=options.trust_pickle, trusted=options.trust)
        _check_keeps_parameters(path)
        try:
            family = family_of(model, path.stem, options.seed)
        except TypeError as error:
            raise BadInput(f"{path}: {error}") from error
        text = text_columns(model)
        table = read_table(options.data, options.target, options.sep, text, options.drop)
        rows = labelled(table, options.data, model, options.target)
        steps.append((_task(rows.X, rows.y, options, encode=False), family))
    return steps


def _check_keeps_parameters(path: Path) -> None:
    from .models import format_of

    if format_of(path) == "xgboost":
        raise BadInput(
            f"{path}: XGBoost's own format does not keep the parameters that the model was trained "
            "with; give the model as .skops, or compare the family XGBoost"
        )


def _task(X: Any, y: Any, options: Any, encode: bool) -> Any:
    """Rows split; for the built-in families, columns and labels as numbers."""
    from sklearn.utils import _safe_indexing

    from ..comparison import Task, row_groups, split

    groups = row_groups(X)
    train, test = split(groups, min(options.rows, 3 * len(y) // 4), options.seed)
    X_train, X_test = _safe_indexing(X, train), _safe_indexing(X, test)
    y_train, y_test = y[train], y[test]
    if encode:
        X_train, X_test = _encoded(X_train, X_test)
    scoring = options.scoring or ("r2" if y.dtype.kind == "f" else "accuracy")
    metric = scoring.replace("_", " ")
    return Task(
        options.data.name.partition(".")[0],
        scoring,
        metric,
        X_train=X_train,
        y_train=y_train,
        X_test=X_test,
        y_test=y_test,
        groups=groups[train],
    )


def _encoded(X_train: Any, X_test: Any) -> tuple[Any, Any]:
    """Categories one-hot, gaps filled with the median: no ensemble takes all tables as they are."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    from .tables import not_numeric

    text = not_numeric(X_train)
    numbers = [name for name in X_train.columns if name not in text]
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=20, sparse_output=False
    )
    columns = make_column_transformer(
        (one_hot, text), (SimpleImputer(strategy="median", keep_empty_features=True), numbers)
    )
    return columns.fit(X_train).transform(X_train), columns.transform(X_test)
