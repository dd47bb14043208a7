"""Does the certificate hold, and what does it cost in size?

A forest is trained once on a simulated population. Each draw takes fresh validation rows from
that population, prunes with ``target_size="auto"``, and looks at the true loss of the result: on
20,000 further rows. A certificate with confidence 0.9 may be wrong, that is the true loss may
exceed the tolerance, in a tenth of the draws; the point estimate (``confidence=None``) promises
nothing and is printed beside it. ``oob`` trains a forest of its own on the rows of each draw and
certifies on their out-of-bag predictions.

``--check`` exits with 1 if a certificate is wrong more often than 0.1, beyond what 200 draws tell
apart from 0.1 at the 1 % level.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from scipy import stats
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer

from ensprune import EnsemblePruner

CONFIDENCE = 0.9
TOLERANCES = {"accuracy": 0.02, "neg_log_loss": 0.02, "roc_auc": 0.01}
N_TRAIN, N_TRUTH, N_MEMBERS = 1000, 20_000, 60


def population() -> tuple[np.ndarray, np.ndarray]:
    return make_classification(
        N_TRAIN + N_TRUTH + 60_000,
        20,
        n_informative=8,
        n_redundant=4,
        n_clusters_per_class=4,
        flip_y=0.1,
        class_sep=0.7,
        random_state=0,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--rows", type=int, default=2000, help="validation rows of a draw")
    parser.add_argument("--metrics", nargs="+", default=list(TOLERANCES), choices=list(TOLERANCES))
    parser.add_argument("--modes", nargs="+", default=["point", "certified", "oob"])
    parser.add_argument("--check", action="store_true", help="exit with 1 if a certificate fails")
    options = parser.parse_args()

    X, y = population()
    truth = slice(N_TRAIN, N_TRAIN + N_TRUTH)
    reservoir = np.arange(N_TRAIN + N_TRUTH, len(y))
    forest = RandomForestClassifier(N_MEMBERS, min_samples_leaf=3, random_state=0)
    fitted = FrozenEstimator(forest.fit(X[:N_TRAIN], y[:N_TRAIN]))
    # The full forest's true score is the same in every draw, but with "oob".
    score_full = {
        metric: get_scorer(metric)(forest, X[truth], y[truth]) for metric in options.metrics
    }
    allowed = stats.binom.ppf(0.99, options.draws, 1 - CONFIDENCE) / options.draws
    print(
        f"{options.draws} draws of {options.rows:,} validation rows, {N_MEMBERS} trees, "
        f"confidence {CONFIDENCE}"
    )
    print(f"{'metric':14}{'tolerance':>10}  {'how':10}{'wrong':>7}{'kept':>6}{'cut':>6}{'loss':>9}")
    failed = False
    for metric in options.metrics:
        scorer = get_scorer(metric)
        tolerance = TOLERANCES[metric]
        for mode in options.modes:
            losses, sizes = [], []
            for draw in range(options.draws):
                rng = np.random.default_rng(draw)
                rows = rng.choice(reservoir, options.rows, replace=False)
                pruner = EnsemblePruner(
                    fitted if mode != "oob" else forest,
                    target_size="auto",
                    tolerance=tolerance,
                    scoring=metric,
                    confidence=None if mode == "point" else CONFIDENCE,
                    random_state=draw,
                ).fit(X[rows], y[rows])
                sizes.append(pruner.n_members_)
                full = score_full[metric]
                if mode == "oob":
                    full = scorer(pruner.estimator_, X[truth], y[truth])
                losses.append(full - scorer(pruner.pruned_estimator_, X[truth], y[truth]))
            wrong = float(np.mean(np.array(losses) > tolerance))
            cut = float(np.mean(np.array(sizes) < N_MEMBERS))
            print(
                f"{metric:14}{tolerance:10g}  {mode:10}{wrong:7.3f}{np.median(sizes):6.0f}"
                f"{cut:6.0%}{np.mean(losses):9.4f}",
                flush=True,
            )
            failed |= mode != "point" and wrong > allowed
    return int(options.check and failed)


if __name__ == "__main__":
    sys.exit(main())
