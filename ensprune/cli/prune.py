"""``ensprune prune``: cut a model file down, judged on a table of labelled rows."""

from __future__ import annotations

import argparse
import difflib
import pickle
import re
from inspect import signature
from pathlib import Path
from typing import Any

from .command import add_model
from .errors import BadInput, one_line

SUMMARY = "cut a fitted ensemble down, judged on labelled rows"

SELECTORS = ("greedy", "auto", "ilp", "ordering", "weights", "cluster", "first", "random")
_COSTS = ("members", "nodes", "bytes", "latency")
_REPORTS = {".html": "to_html", ".md": "to_markdown", ".txt": "__str__"}


def add_arguments(parser: Any) -> None:
    add_model(parser)
    add_rows(parser)
    parser.add_argument(
        "--size",
        type=size,
        default=0.1,
        help="what may be kept: 50 (members, or units of --cost), 10%% (of the full cost), auto "
        "(the fewest that keep the score within --tolerance), 1se (the fewest within a standard "
        "error of the best); default: 10%%",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        help="with --size auto: how much of the score may be lost (default: 0)",
    )
    parser.add_argument(
        "--confidence",
        type=float,
        help="such as 0.95: certify on one half of the rows that no more is lost",
    )
    parser.add_argument(
        "--selector", choices=SELECTORS, default="greedy", help="the search (default: greedy)"
    )
    add_scoring(parser)
    parser.add_argument(
        "--positive",
        metavar="LABEL",
        help="the positive class, for metrics that have one, such as f1 and average_precision",
    )
    parser.add_argument(
        "--cost", choices=_COSTS, default="members", help="what a member costs (default: members)"
    )
    parser.add_argument(
        "--validation",
        choices=("auto", "oob"),
        default="auto",
        help="auto: the rows are new to the model; oob: they are the rows it was fitted on, in "
        "the same order, and each is judged by the members that have not seen it (default: auto)",
    )
    parser.add_argument(
        "--refine", choices=("leaves", "weights"), help="what is fitted anew after the cut"
    )
    parser.add_argument(
        "--deep", action="store_true", help="prune inside the members too, where they are ensembles"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        required=True,
        help="the pruned model: .skops, .json or .ubj (XGBoost), .pkl, .joblib; replaced whole",
    )
    parser.add_argument(
        "--report", metavar="FILE", type=Path, help="a report, as .html, .md or .txt"
    )
    parser.add_argument("--n-jobs", type=int, help="threads; -1 is all processors (default: 1)")
    parser.add_argument("--random-state", metavar="SEED", type=int, default=0, help="default: 0")
    parser.add_argument(
        "--verbose", "-v", action="store_true", help="say what is being done, with progress bars"
    )


def add_rows(parser: Any) -> None:
    """The arguments of a command that reads a table."""
    parser.add_argument(
        "--data",
        metavar="FILE",
        type=Path,
        required=True,
        help="labelled rows: .csv, .csv.gz, .tsv, .tsv.gz or .parquet",
    )
    parser.add_argument("--target", metavar="COLUMN", required=True, help="the label or value")
    parser.add_argument("--sample-weight", metavar="COLUMN", help="weights of the rows")
    parser.add_argument(
        "--drop",
        metavar="COLUMN",
        action="append",
        default=[],
        help="a column to leave out, such as a row number; may be repeated",
    )
    parser.add_argument("--sep", help="between the columns of a CSV (default: a comma)")


def add_scoring(parser: Any) -> None:
    """The metric."""
    parser.add_argument(
        "--scoring",
        type=_scoring,
        help="the metric to keep, by scikit-learn's name (default: accuracy, for numbers r2)",
    )


def size(text: str) -> int | float | str:
    """``target_size`` from ``50``, ``10%``, ``0.1``, ``auto`` or ``1se``."""
    allowed = "give a number of members such as 50, a share such as 10%, auto or 1se"
    if text in ("auto", "1se"):
        return text
    try:
        if text.endswith("%"):
            share = float(text[:-1]) / 100
        elif text.isdecimal():
            count = int(text)
            if count > 0:
                return count
            raise ValueError
        else:
            share = float(text)
        if 0 < share <= 1:
            return share
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no size; {allowed}")


def _scoring(text: str) -> str:
    from sklearn.metrics import get_scorer_names

    names = get_scorer_names()
    if text in names:
        return text
    close = difflib.get_close_matches(text, names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "see sklearn.metrics"
    raise argparse.ArgumentTypeError(f"{text!r} is no scikit-learn metric; {hint}")


def run(options: Any) -> None:
    from sklearn.frozen import FrozenEstimator

    from ..pruner import EnsemblePruner
    from .description import opened
    from .features import text_columns
    from .files import check_target, write_all
    from .models import format_of, read_model, writer_of
    from .tables import labelled, read_table

    _check_outputs(options)
    format_of(options.out)
    for path in (options.out, options.report):
        if path is not None:
            check_target(path)
    model = read_model(options.model, trust_pickle=options.trust_pickle, trusted=options.trust)
    members = opened(model, options.model)
    writer_of(model, options.out)  # whether the format can hold it

    table = read_table(options.data, options.target, options.sep, text_columns(model), options.drop)
    rows = labelled(table, options.data, model, options.target, options.sample_weight)
    pruner = EnsemblePruner(
        FrozenEstimator(model),
        target_size=options.size,
        selector=options.selector,
        scoring=_scorer(options, model),
        tolerance=options.tolerance,
        confidence=options.confidence,
        validation=options.validation,
        cost=options.cost,
        refine=options.refine,
        deep=options.deep,
        n_jobs=options.n_jobs,
        random_state=options.random_state,
        verbose=int(options.verbose),
    )
    try:
        pruner.fit(rows.X, rows.y, sample_weight=rows.weight)
    except (TypeError, ValueError) as error:
        message = one_line(error).replace("target_size=", "--size ")
        message = re.sub(r"make_scorer\(\w+, pos_label=(.*), \.\.\.\)", r"--positive \1", message)
        raise BadInput(message + _about_text(rows.X, error)) from error

    writers = {options.out: writer_of(pruner.pruned_estimator_, options.out)}
    if options.report is not None:
        render = getattr(pruner.report(), _REPORTS[options.report.suffix.lower()])
        text = render()
        writers[options.report] = lambda path: path.write_text(text, encoding="utf-8")
    write_all(writers)
    print(_summary(pruner, members, options, len(rows.y)))


def _scorer(options: Any, model: Any) -> Any:
    """The metric, of the class that is called positive, if one is."""
    if options.positive is None:
        return options.scoring
    from sklearn.metrics import get_scorer, make_scorer

    from ..codes import classes_of
    from .tables import label_written

    if options.scoring is None:
        raise BadInput("--positive goes with --scoring: accuracy has no positive class")
    scorer = get_scorer(options.scoring)
    metric = scorer._score_func
    averaged = scorer._kwargs.get("average", "binary") != "binary"
    if averaged or "pos_label" not in signature(metric).parameters:
        raise BadInput(f"--positive: the metric {options.scoring} has no positive class")
    label = label_written(options.positive, "--positive", classes_of(model))
    return make_scorer(
        metric,
        response_method=scorer._response_method,
        greater_is_better=scorer._sign > 0,
        **scorer._kwargs | {"pos_label": label},
    )


def _check_outputs(options: Any) -> None:
    report = options.report
    if report is not None and report.suffix.lower() not in _REPORTS:
        raise BadInput(f"--report {report}: give {', '.join(_REPORTS)}")
    for option, path in (("--out", options.out), ("--report", report)):
        if path is not None and path.resolve() in (options.model.resolve(), options.data.resolve()):
            raise BadInput(f"{option} {path} would replace what is read; give another name")
    if report is not None and report.resolve() == options.out.resolve():
        raise BadInput("--report and --out are the same file")


def _about_text(X: Any, error: Exception) -> str:
    """Which columns are no numbers, where that is what the model choked on."""
    from .tables import not_numeric, shortened

    text = not_numeric(X) if hasattr(X, "columns") else []
    if not text or "could not convert string" not in str(error):
        return ""
    return f" (columns that are no numbers: {shortened(text)})"


def _summary(pruner: Any, members: Any, options: Any, n_rows: int) -> str:
    from ..comparison import byte_size
    from .description import family_in

    n_bytes = [len(pickle.dumps(e)) for e in (pruner.estimator_, pruner.pruned_estimator_)]
    lines = [
        f"kept {pruner.n_members_} of {len(pruner.support_)} members of {family_in(members)}: pickled "
        f"{byte_size(n_bytes[1])} instead of {byte_size(n_bytes[0])}"
    ]
    if options.cost != "members":
        unit = "seconds per 1,000 rows" if options.cost == "latency" else options.cost
        lines[0] += f", {pruner.cost_pruned_:.6g} of {pruner.cost_full_:.6g} {unit}"
    metric = options.scoring or ("r2" if members.combiner.classes is None else "accuracy")
    half = pruner.certificate_ is not None
    judges = "the half that certifies" if half else "the rows that chose"
    lines.append(
        f"{metric} {pruner.score_full_:.4f} before, {pruner.score_pruned_:.4f} after, on "
        f"{judges} ({options.data}, {n_rows:,} rows)"
    )
    if half:
        lines.append(str(pruner.certificate_))
    lines.append("wrote " + " and ".join(str(p) for p in (options.out, options.report) if p))
    return "\n".join(lines)
