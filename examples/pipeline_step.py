"""
A step of a pipeline
====================

An :class:`~ensprune.EnsemblePruner` is a scikit-learn estimator: the last step of a pipeline, and
its size a parameter that a grid search tunes. The table has categories, so columns are encoded
first; the forest is judged out of bag, on the encoded training rows themselves.
"""

# %%
# Rows of a computing cluster, one quarter of them kept for the end.
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from ensprune import EnsemblePruner
from ensprune.datasets import load_hpc

X, y = load_hpc(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
categories = X.select_dtypes("category").columns

encode = make_column_transformer(
    (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), categories),
    remainder="passthrough",
)
forest = RandomForestClassifier(100, min_samples_leaf=3, random_state=0)
model = make_pipeline(encode, EnsemblePruner(forest, target_size=10, random_state=0))
model.fit(X_train, y_train)

# %%
# The pipeline predicts with ten trees. Next to them: all 100, and what is to be had without any
# pruning, a forest that was ten trees from the start.
pruner = model[-1]
fresh = RandomForestClassifier(10, min_samples_leaf=3, random_state=0)
rows_train, rows_test = encode.transform(X_train), encode.transform(X_test)
fresh.fit(rows_train, y_train)


def describe(name, estimator, rows):
    proba = estimator.predict_proba(rows)
    loss = log_loss(y_test, proba, labels=estimator.classes_)
    print(f"{name:<22} accuracy {estimator.score(rows, y_test):.3f}   log-loss {loss:.3f}")


describe("full, 100 trees", pruner.estimator_, rows_test)
describe("pruned, 10 trees", model, X_test)
describe("10 trees from scratch", fresh, rows_test)

# %%
# Where the size should be is a question for cross-validation. Each fold trains the forest and
# prunes it; ``refit`` gives back the whole pipeline.
search = GridSearchCV(
    model, {"ensemblepruner__target_size": [5, 10, 40]}, cv=3, scoring="neg_log_loss"
)
search.fit(X_train, y_train)
for params, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"{params['ensemblepruner__target_size']:>3} trees: log-loss {-score:.3f}")
describe(f"best: {search.best_estimator_[-1].n_members_} trees", search.best_estimator_, X_test)

# %%
# For deployment the pruner itself can go: what it made is an ordinary forest.
deployed = make_pipeline(encode, pruner.pruned_estimator_)
print(type(deployed[-1]).__name__, "of", len(deployed[-1].estimators_), "trees")
