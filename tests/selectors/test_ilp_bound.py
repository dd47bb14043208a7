"""Bounds without a solver: below every admissible set, close to the best, right when branching."""

import itertools
import time

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from ensprune.selectors.ilp.bound import quadratic_bound
from ensprune.selectors.ilp.branch import branch_and_bound
from ensprune.selectors.ilp.rules import Rules
from ensprune.selectors.ilp.sweep import bound_sizes

N = 9
MASKS = np.array(list(itertools.product((False, True), repeat=N)))


def random_gram(rng, definite):
    """Residual products; indefinite as pairwise out-of-bag estimates can be."""
    factor = rng.normal(size=(N, rng.integers(2, 12))) + rng.normal()
    gram = factor @ factor.T / factor.shape[1]
    if not definite:
        noise = rng.normal(size=(N, N))
        gram = gram + 0.5 * (noise + noise.T)
    return gram


def random_rules(rng):
    costs = rng.uniform(0.2, 3, N) if rng.random() < 0.5 else np.ones(N)
    keep, drop = rng.random((2, N)) < 0.12
    drop &= ~keep
    groups = [(rng.random(N) < 0.6, int(rng.integers(0, 4))) for _ in range(rng.integers(0, 3))]
    return Rules(costs, float(rng.uniform(0.3, 0.9) * costs.sum()), keep, drop, tuple(groups))


def admissible(rules, size):
    fits = np.array([rules.allow(mask) for mask in MASKS])
    return MASKS[fits & (MASKS.sum(axis=1) == size)]


def values_of(gram, masks):
    return np.einsum("ki,ij,kj->k", masks, gram, masks, optimize=True)


def soon():
    return time.perf_counter() + 5.0


@pytest.mark.parametrize("definite", [True, False])
@pytest.mark.parametrize("known", ["optimum", "worse", "nothing"])
def test_bound_is_below_every_admissible_set(definite, known):
    rng = np.random.default_rng([definite, len(known)])
    compared, settled = 0, np.zeros(2)
    for _ in range(60):
        gram, rules, size = random_gram(rng, definite), random_rules(rng), int(rng.integers(1, N))
        masks = admissible(rules, size)
        if not len(masks):
            continue
        values = values_of(gram, masks)
        best = values.min()
        incumbent = {"optimum": best, "worse": np.median(values), "nothing": np.inf}[known]
        bound = quadratic_bound(gram, size, rules, incumbent, soon(), 1e-6)
        assert bound.value <= best + 1e-12 * np.abs(gram).sum()
        good = masks[values <= incumbent]
        assert good[:, bound.keep].all()
        assert not good[:, bound.drop].any()
        compared += 1
        settled += (bound.keep & ~rules.keep).sum(), (bound.drop & ~rules.drop).sum()
    assert compared >= 25
    assert known == "nothing" or (settled > 0).all()


def test_bound_holds_wherever_the_time_ends():
    rng = np.random.default_rng(3)
    for _ in range(40):
        gram, rules = random_gram(rng, False), random_rules(rng)
        masks = admissible(rules, 3)
        if not len(masks):
            continue
        best = values_of(gram, masks).min()
        for seconds in (-1.0, 1e-5, 1e-3):
            end = time.perf_counter() + seconds
            value = quadratic_bound(gram, 3, rules, best, end, 0.0).value
            assert value <= best + 1e-12 * np.abs(gram).sum()


def test_curvature_is_positive_semidefinite():
    rng = np.random.default_rng(5)
    factor = rng.normal(size=(30, 8))
    gram = factor @ factor.T
    free = np.zeros(30, dtype=bool)
    rules = Rules(np.ones(30), 5.0, free, free.copy(), ())
    best = min(values_of_sets(gram, 5, rng, 200))
    curvature = quadratic_bound(gram, 5, rules, best, soon(), 1e-6).curvature
    assert curvature is not None
    assert np.linalg.eigvalsh(curvature).min() >= -1e-10 * np.abs(curvature).max()


def values_of_sets(gram, size, rng, count):
    sets = [rng.choice(len(gram), size, replace=False) for _ in range(count)]
    return [gram[np.ix_(s, s)].sum() for s in sets]


@pytest.mark.parametrize("definite", [True, False])
def test_branching_finds_and_proves_the_optimum(definite):
    rng = np.random.default_rng(7 + definite)
    compared = 0
    for _ in range(40):
        gram, rules, size = random_gram(rng, definite), random_rules(rng), int(rng.integers(2, N))
        masks = admissible(rules, size)
        if len(masks) < 5:
            continue
        values = values_of(gram, masks)
        incumbent = float(np.sort(values)[4])
        root = quadratic_bound(gram, size, rules, incumbent, time.perf_counter() - 1, 0.0)
        root.run(soon(), 0.0, 1)
        area = size**2
        proved, best = branch_and_bound({size: root}, incumbent / area, soon(), 0.0)
        value = proved[size] * area
        reached = incumbent
        if best is not None:
            assert rules.allow(best)
            assert best.sum() == size
            reached = float(gram[np.ix_(best, best)].sum())
        tiny = 1e-9 * np.abs(gram).sum()
        assert reached == pytest.approx(values.min(), abs=tiny)
        assert value >= reached - tiny
        compared += 1
    assert compared >= 10


@pytest.mark.parametrize("regression", [True, False])
def test_within_one_percent_of_a_forest_without_a_solver(regression):
    from ensprune.members import open_members
    from ensprune.objectives import Accuracy, SquaredError
    from ensprune.selectors import ILPSelector, Problem

    X, y = (load_diabetes if regression else load_breast_cancer)(return_X_y=True)
    kind = RandomForestRegressor if regression else RandomForestClassifier
    members = open_members(kind(60, min_samples_leaf=2, random_state=0).fit(X[:200], y[:200]))
    objective = SquaredError("mse") if regression else Accuracy()
    outputs = members.outputs(X[200:])
    problem = Problem(outputs, y[200:], members.combiner, objective, np.ones(60), 8.0)
    result = ILPSelector(mip_gap=0.01, time_limit=20).select(problem).result
    assert result.status == "optimal"
    assert result.n_rows == 0
    assert result.gap <= 0.01


@pytest.mark.parametrize("definite", [True, False])
@pytest.mark.parametrize("held", [2, 100])
def test_every_size_is_bounded_and_the_best_one_found(definite, held):
    # Relaxations that are forgotten begin anew.
    room = held * 72 * N**2
    rng = np.random.default_rng(17 + definite)
    compared = 0
    for _ in range(25):
        gram, rules = random_gram(rng, definite), random_rules(rng)
        fits = np.array([rules.allow(mask) for mask in MASKS])
        if fits.sum() < 20:
            continue
        masks = MASKS[fits]
        sizes = masks.sum(axis=1)
        values = values_of(gram, masks) / sizes**2
        incumbent = float(np.quantile(values, 0.2))
        tiny = 1e-9 * np.abs(gram).sum()
        asked = list(range(1, int(sizes.max()) + 1))
        near = int(rng.integers(1, N))
        roots = bound_sizes(gram, asked, rules, incumbent, near, soon(), 0.0, room)
        for size, root in roots.items():
            least = values[sizes == size].min(initial=np.inf)
            assert least > incumbent or root.value / size**2 <= least + tiny
            good = masks[(sizes == size) & (values <= incumbent)]
            assert good[:, root.keep].all()
            assert not good[:, root.drop].any()
        proved, best = branch_and_bound(roots, incumbent, soon(), 0.0, most_bytes=room)
        assert min(proved.values()) == pytest.approx(values.min(), abs=tiny)
        assert best is not None
        assert gram[np.ix_(best, best)].mean() == pytest.approx(values.min(), abs=tiny)
        compared += 1
    assert compared >= 10
