"""Makes ``pruned_by_0.1.0.pkl.gz``: pruned estimators as a release pickled them, with their answers.

Run once per release with the oldest libraries that it allows, not again when the code changes.
scikit-learn's own gradient boosting is left out: what its 1.6 pickles, its 1.9 cannot read.
"""

from __future__ import annotations

import gzip
import pickle
import sys

from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from ensprune import MLPPruner, prune


def main(path: str) -> None:
    X, y = make_classification(200, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)
    learners = [("bayes", GaussianNB()), ("tree", DecisionTreeClassifier(max_depth=2))]
    ensembles = [
        RandomForestClassifier(12, max_depth=4, random_state=0),
        AdaBoostClassifier(n_estimators=8, random_state=0),
        BaggingClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=8, random_state=0),
        VotingClassifier([*learners, ("line", LogisticRegression())], voting="soft"),
        XGBClassifier(n_estimators=8, max_depth=2, n_jobs=1),
    ]
    pruned = [prune(one.fit(X, y), X, y, target_size=2) for one in ensembles]
    network = MLPClassifier((6,), max_iter=300, random_state=0)
    pruned.append(MLPPruner(network, sparsity=0.5, random_state=0).fit(X, y).pruned_estimator_)
    saved = {type(one).__name__: (pickle.dumps(one, 4), one.predict_proba(X)) for one in pruned}
    with open(path, "wb") as file:
        file.write(gzip.compress(pickle.dumps((X, saved), 4), mtime=0))


if __name__ == "__main__":
    main(sys.argv[1])
