"""
Rules that a search cannot hold: integer programming
====================================================

Some demands are not about the score. A class must not be missed more often than now; a model that
auditors know has to stay; of trees that are much alike a few are enough. Stated as an integer
program they hold together, and the solver says how far from the best the result can be.
"""

# %%
# Jobs on a computing cluster again; ``L``, the long ones, are six in a hundred and matter most.
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import recall_score
from sklearn.model_selection import train_test_split

from ensprune import EnsemblePruner
from ensprune.datasets import load_hpc
from ensprune.selectors import ILPSelector

X, y = load_hpc(return_X_y=True)
X_rest, X_test, y_rest, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
X_train, X_val, y_train, y_val = train_test_split(
    X_rest, y_rest, test_size=0.4, stratify=y_rest, random_state=0
)
forest = RandomForestClassifier(40, min_samples_leaf=2, random_state=0)


def pruned(selector):
    pruner = EnsemblePruner(forest, target_size=8, selector=selector, random_state=0)
    return pruner.fit(X_train, y_train, X_val=X_val, y_val=y_val)


def describe(name, pruner):
    kept = sorted(pruner.selected_.tolist())
    print(f"{name}: {'all' if len(kept) == 40 else kept}")
    for rows, labels, where in ((X_val, y_val, "validation"), (X_test, y_test, "test")):
        recall = recall_score(labels, pruner.predict(rows), labels=["L"], average=None)[0]
        accuracy = pruner.score(rows, labels)
        print(f"    {where:<10} accuracy {accuracy:.4f}   recall of long jobs {recall:.3f}")


# %%
# Without rules: the greedy search, and the program that proves how good eight trees can be at all.
describe("greedy", pruned("greedy"))
proved = pruned(ILPSelector(mip_gap=0.02, time_limit=20.0))
describe("proved", proved)
result = proved.selector_result_
print(f"{result.status}: Brier score {-result.objective_value:.5f}, none below {-result.bound:.5f}")

# %%
# With rules: trees 0 and 1 stay, at most three of the first twenty, and on the validation rows no
# fewer long jobs are found than by all forty trees.
everyone = EnsemblePruner(forest, target_size=1.0).fit(X_train, y_train, X_val=X_val, y_val=y_val)
describe("everyone", everyone)
found = recall_score(y_val, everyone.predict(X_val), labels=["L"], average=None)[0]
floor = float(np.floor(1000 * found) / 1000)
ruled = pruned(
    ILPSelector(
        must_keep=[0, 1],
        at_most=[(range(20), 3)],
        min_recall={"L": floor},
        mip_gap=0.02,
        time_limit=20.0,
    )
)
print(f"asked for a recall of {floor:.3f}")
describe("ruled", ruled)
kept = set(ruled.selected_.tolist())
print("0 and 1 kept:", {0, 1} <= kept, "  of the first twenty:", len(kept & set(range(20))))

# %%
# A floor holds on the rows it was asked for. On others it is an estimate like any score, as the
# test rows above show. Rules that contradict each other are refused by name:
try:
    pruned(ILPSelector(must_keep=range(12)))
except ValueError as error:
    print(error)
