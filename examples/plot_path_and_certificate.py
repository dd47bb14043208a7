"""
==================================================
How small may a forest be, and who vouches for it?
==================================================

A forest of 200 trees predicts how long jobs run on a computing cluster. This example prunes it as far
as accuracy allows, looks at the path of the search, and asks for evidence on rows that had no part in
it.
"""

from matplotlib import pyplot as plt
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from ensprune import EnsemblePruner
from ensprune.datasets import load_hpc
from ensprune.inspection import (
    KappaErrorDisplay,
    MemberSimilarityDisplay,
    PruningPathDisplay,
)

X, y = load_hpc(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

# %%
# As small as two points of accuracy allow
# ----------------------------------------
# With ``confidence`` one half of the out-of-bag evidence chooses the trees, the other half certifies:
# sizes are tested from the full forest downwards until one is not certified to lose less than
# ``tolerance``.

pruner = EnsemblePruner(
    RandomForestClassifier(200, random_state=0),
    target_size="auto",
    tolerance=0.02,
    confidence=0.95,
    random_state=0,
)
pruner.fit(X_train, y_train)
print(pruner.certificate_)

# %%
# The path: every size that the search looked at. The green region is certified, the orange point is
# the smallest forest in it. ``x="cost"`` draws the same against the cost asked for.

PruningPathDisplay.from_estimator(pruner)

# %%
# Before and after
# ----------------
# ``report()`` measures sizes and prediction times; given test rows, it scores both forests on them, with
# 95 % intervals. In a notebook it shows itself as a table with the path; ``to_markdown()`` is a section
# for a model card and ``to_html()`` a page.

report = pruner.report(X_test, y_test)
print(report)

# %%
# Which trees were kept
# ---------------------
# Two trees agree on as many test rows as the colour says; triangles mark those that were kept.

MemberSimilarityDisplay.from_estimator(pruner, X_test)

# %%
# The kappa-error diagram has a point for each pair of trees: to the left they differ, at the bottom they
# are right.

KappaErrorDisplay.from_estimator(pruner, X_test, y_test)

# %%
# Selectors side by side
# ----------------------
# All of them prune the forest that is fitted already, judged out of bag on its own training rows.

searches = {
    selector: EnsemblePruner(
        RandomForestClassifier(200, random_state=0),
        target_size=20,
        selector=selector,
        random_state=0,
    ).fit(X_train, y_train)
    for selector in ("greedy", "ordering", "first")
}
PruningPathDisplay.from_estimators(searches)
plt.show()
