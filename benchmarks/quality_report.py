"""Tables and the critical-difference figure of what ``quality.py`` measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from quality_sets import BOOTSTRAP
from scipy.stats import friedmanchisquare

DEFAULT = "greedy"
BASELINE = "first K on all rows"
SIZE = 0.1
# In the figure: what is not a variant of something else in it.
SHOWN = (
    *("full", BASELINE, "random K", DEFAULT, "Caruana", "weights", "cluster"),
    *("ordering: individual", "ordering: reduce_error", "ordering: complementarity"),
    *("ordering: margin_distance", "ordering: error_ambiguity", "ordering: kappa"),
)


def losses(
    results: pd.DataFrame, task: str, ensembles: tuple[str, ...], size: float, column: str
) -> pd.DataFrame:
    """One row per (set, ensemble, seed), one column per selector; only those measured everywhere."""
    rows = results[
        (results["task"] == task)
        & results["ensemble"].isin(ensembles)
        & np.isclose(results["size"], size)
    ]
    table = rows.pivot_table(index=["set", "ensemble", "seed"], columns="selector", values=column)
    # What an interrupted run has not measured yet is left out, not guessed.
    table = table.loc[table.notna().mean(axis=1) > 0.5]
    table = table.loc[:, table.notna().mean() > 0.9]
    return table.dropna()


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Ranks on the mean over the seeds; 1 is best."""
    return table.groupby(level=["set", "ensemble"]).mean().rank(axis=1)


def summary(results: pd.DataFrame, task: str, ensembles: tuple[str, ...], size: float) -> str:
    """A line per selector: mean ranks, ratio to the baseline, wins against it, seconds."""
    loss = losses(results, task, ensembles, size, "loss")
    error = losses(results, task, ensembles, size, "error")
    if loss.empty:
        return f"{task}, {', '.join(ensembles)}: nothing measured"
    base = loss[BASELINE]
    without_full = [name for name in loss.columns if name != "full"]
    seconds = results[
        (results["task"] == task)
        & results["ensemble"].isin(ensembles)
        & np.isclose(results["size"], size)
    ]
    lines = pd.DataFrame(
        {
            "rank": ranks(loss[without_full]).mean(),
            "rank of error": ranks(error[without_full]).mean(),
            "loss ratio": np.exp(np.log(loss.rdiv(base, axis=0)).mean()),
            "beats first K": (loss.lt(base, axis=0) + 0.5 * loss.eq(base, axis=0)).mean(),
            "seconds": seconds.groupby("selector")["seconds"].median(),
        }
    ).loc[loss.columns]
    title = (
        f"{task}, {', '.join(ensembles)}, {size:.0%} of the members: mean ranks over "
        f"{len(ranks(loss))} (set, ensemble), losses over {len(loss)} (set, ensemble, seed)"
    )
    digits = {"rank": 1, "rank of error": 1, "loss ratio": 3, "beats first K": 2, "seconds": 2}
    return title + "\n" + lines.sort_values("rank").round(digits).to_string()


def reaches(results: pd.DataFrame) -> str:
    """Whether the default beats training fewer trees, and every selector of other libraries."""
    lines = []
    for ensemble in BOOTSTRAP:
        tables = [
            losses(results, task, (ensemble,), SIZE, "loss")
            for task in ("classification", "regression")
        ]
        tables = [table for table in tables if not table.empty]
        wins = sum(int((table[DEFAULT] < table[BASELINE]).sum()) for table in tables)
        pairs = sum(len(table) for table in tables)
        if pairs:
            lines.append(
                f"{ensemble}: {DEFAULT} has a smaller test loss than {BASELINE} on {wins} of "
                f"{pairs} (set, seed) pairs, {wins / pairs:.0%}"
            )
    for task in ("classification", "regression"):
        for ensembles in (*((name,) for name in BOOTSTRAP), BOOTSTRAP):
            table = losses(results, task, ensembles, SIZE, "loss")
            if table.empty:
                continue
            mean = ranks(table.drop(columns="full")).mean()
            peers = mean[mean.index.str.startswith("peer: ")]
            better = peers[peers < mean[DEFAULT]].round(1).to_dict()
            lines.append(
                f"{task}, {', '.join(ensembles)}: mean rank {mean[DEFAULT]:.1f}, best of other "
                f"libraries {peers.min():.1f} ({peers.idxmin()}); better than the default: "
                f"{better or 'none'}"
            )
    return "\n".join(lines)


def report(results: pd.DataFrame) -> str:
    """All tables."""
    parts = []
    for task in ("classification", "regression"):
        for ensembles in (("forest",), BOOTSTRAP, ("adaboost",), ("xgboost",)):
            parts.append(summary(results, task, ensembles, SIZE))
        for size in (0.05, 0.2):
            parts.append(summary(results, task, BOOTSTRAP, size))
    return "\n\n".join([*parts, reaches(results)])


def figure(results: pd.DataFrame, path: Path) -> None:
    """Critical-difference diagrams of classifiers and regressors that bootstrap."""
    import matplotlib.pyplot as plt
    import scikit_posthocs

    with plt.rc_context({"font.size": 9}):
        fig, axes = plt.subplots(2, 1, figsize=(10, 7.2), height_ratios=(1.5, 1))
        for ax, task in zip(axes, ("classification", "regression"), strict=True):
            table = losses(results, task, BOOTSTRAP, SIZE, "loss")
            shown = [name for name in table if name in SHOWN or name.startswith("peer: ")]
            ranked = ranks(table[shown])
            chance = friedmanchisquare(*(ranked[name] for name in shown)).pvalue
            differ = scikit_posthocs.posthoc_nemenyi_friedman(ranked.to_numpy())
            differ.index = differ.columns = pd.Index(shown)
            colours = {name: _colour(name) for name in shown}
            scikit_posthocs.critical_difference_diagram(
                ranked.mean(),
                differ,
                ax=ax,
                color_palette=colours,
                label_fmt_left="{label}  {rank:.1f}",
                label_fmt_right="{rank:.1f}  {label}",
                elbow_props={"linewidth": 0.9},
                crossbar_props={"color": "#9aa0a6", "linewidth": 1.6},
            )
            ax.set_title(
                f"{task}: mean rank of the test loss at {SIZE:.0%} of the members, "
                f"{len(ranked)} (set, ensemble)\nFriedman p = {chance:.1g}; bars join what the "
                "Nemenyi test does not tell apart",
                fontsize=9,
                loc="left",
            )
        fig.tight_layout(h_pad=2)
        fig.savefig(path, dpi=100)
        plt.close(fig)


def _colour(name: str) -> str:
    if name == DEFAULT:
        return "#1f5fa8"
    if name.startswith("peer: "):
        return "#c8553d"
    return "#5f6368" if name in ("full", BASELINE, "random K") else "#5fa8d3"
