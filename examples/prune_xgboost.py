"""
Rounds of XGBoost
=================

Any rounds of an XGBoost model can be kept, not only the first, with weights that go into their leaf
values. Whether that beats training fewer rounds at a higher learning rate is another question, and
the answer of this table is printed next to it. Prune boosting where training again is not possible,
and cut it moderately.
"""

# %%
# Compressive strength of concrete. Some mixtures were measured several times: rows of one mixture
# stay together.
import numpy as np
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GroupShuffleSplit
from xgboost import XGBRegressor

from ensprune import prune
from ensprune.datasets import load_concrete

X, y = load_concrete(return_X_y=True)
mixture = np.unique(X[:, :7], axis=0, return_inverse=True)[1].ravel()


def split(rows, share):
    splitter = GroupShuffleSplit(1, test_size=share, random_state=0)
    first, second = next(splitter.split(rows, groups=mixture[rows]))
    return rows[first], rows[second]


rest, test = split(np.arange(len(y)), 0.3)
train, val = split(rest, 0.3)


def boosted(n_estimators, learning_rate):
    return XGBRegressor(
        n_estimators=n_estimators,
        learning_rate=learning_rate,
        max_depth=4,
        n_jobs=1,
        random_state=0,
    )


def error(model, rows):
    return root_mean_squared_error(y[rows], model.predict(X[rows]))


full = boosted(120, 0.1).fit(X[train], y[train])
print(f"all 120 rounds: {error(full, test):.2f} MPa")

# %%
# Cut to 60 and 20 rounds, all chosen on the validation rows and judged on others: the first
# rounds of the same model; chosen rounds with weights; the same with leaf values fitted anew; and
# what is to be had by training again, on validation rows, too, at the best of four learning rates.
print(f"{'rounds':>6}{'first':>9}{'pruned':>9}{'refined':>9}{'retrained':>11}")
for size in (60, 20):
    first = prune(full, X[val], y[val], target_size=size, selector="first")
    small = prune(full, X[val], y[val], target_size=size)
    refined = prune(full, X[val], y[val], target_size=size, refine="leaves")
    rates = (0.1, 0.2, 0.3, 0.5)
    best = min(rates, key=lambda r: error(boosted(size, r).fit(X[train], y[train]), val))
    again = boosted(size, best).fit(X[rest], y[rest])
    errors = (error(model, test) for model in (first, small, refined, again))
    print(
        f"{size:>6}" + "".join(f"{e:>{w}.2f}" for e, w in zip(errors, (9, 9, 9, 11), strict=True))
    )

# %%
# What comes back is an ``XGBRegressor`` with a booster of its own: it is saved, loaded and
# explained like any other.
print(type(small).__name__, "with", small.get_booster().num_boosted_rounds(), "rounds")
