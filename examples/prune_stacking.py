"""
Base learners of a stack
========================

Eight learners under a logistic regression: which of them does it need? Dropping one takes its
columns away from the final estimator, which is fitted anew on what is left.
"""

# %%
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from ensprune import EnsemblePruner
from ensprune.datasets import load_hpc

X, y = load_hpc(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)


def learners():
    return [
        ("forest", RandomForestClassifier(25, min_samples_leaf=2, random_state=0)),
        ("extra", ExtraTreesClassifier(25, min_samples_leaf=2, random_state=0)),
        ("boosting", GradientBoostingClassifier(n_estimators=20, random_state=0)),
        ("shallow", DecisionTreeClassifier(max_depth=4, random_state=0)),
        ("deep", DecisionTreeClassifier(min_samples_leaf=5, random_state=0)),
        ("neighbours", make_pipeline(StandardScaler(), KNeighborsClassifier(15))),
        ("line", make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))),
        ("bayes", GaussianNB()),
    ]


def stack(names=None):
    chosen = [pair for pair in learners() if names is None or pair[0] in names]
    return StackingClassifier(chosen, LogisticRegression(max_iter=1000), cv=3)


# %%
# A quarter of the training rows is held out before the stack is fitted, and judges it.
pruner = EnsemblePruner(stack(), target_size=3, scoring="neg_log_loss", random_state=0)
pruner.fit(X_train, y_train)
small = pruner.pruned_estimator_
kept = [name for name, _ in small.estimators]
print("kept:", ", ".join(kept))
print(pruner.path_.to_frame()[["size", "score", "score_se"]].round(4).to_string(index=False))

# %%
# On new rows. The last line is the competition: a stack of the kept learners, fitted on all
# training rows once it is known which they are. That costs a second fit, and is what to do if
# there is time for it.
models = {
    "all eight": pruner.estimator_,
    "pruned to three": small,
    "the three, refitted": stack(kept).fit(X_train, y_train),
}
for name, model in models.items():
    loss = log_loss(y_test, model.predict_proba(X_test), labels=model.classes_)
    print(f"{name:<20} log-loss {loss:.4f}   accuracy {model.score(X_test, y_test):.4f}")
