"""Rows of the Gram matrix when asked for: the same numbers, and the same search, as the whole of it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from ensprune.combiner import LinearCombiner
from ensprune.link import Identity, Probability
from ensprune.objectives import gram, residuals, squared
from ensprune.objectives.gram import Gram, ResidualGram
from ensprune.objectives.residuals import Residuals
from ensprune.objectives.squared import SquaredError, squared_target
from ensprune.selectors import GreedySelector
from ensprune.selectors.base import Problem


@pytest.fixture
def few_rows(monkeypatch):
    """Requests so small that most of what a search asks for is not there yet."""
    monkeypatch.setattr(gram, "_FEW", 3)
    monkeypatch.setattr(gram, "_SPARE_ROWS", 1)
    monkeypatch.setattr(gram, "_NEXT_ROWS", 1)
    monkeypatch.setattr(gram, "_MORE_ROWS", 0.0)
    monkeypatch.setattr(gram, "_ROWS_PER_WANTED", 0.1)
    monkeypatch.setattr(gram, "_WORTH_ALL", 1.0)
    monkeypatch.setattr(residuals, "_BLOCK_BYTES", 4000)


@pytest.fixture
def reads(monkeypatch):
    """What was asked of the outputs, each in one pass over them."""
    seen = []
    for name in ("survey", "square", "across"):
        original = getattr(Residuals, name)

        def asked(self, *args, name=name, original=original):
            seen.append((name, *(len(a) for a in args[:1])))
            return original(self, *args)

        monkeypatch.setattr(Residuals, name, asked)
    return seen


def simulated(seed, n_classes, n_members=40, n_samples=150, dtype=np.float64):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 2.0, n_members) if seed % 2 else None
    if n_classes is None:
        y = rng.normal(size=n_samples)
        outputs = 0.5 * y + rng.normal(size=(n_members, 1, n_samples))
        combiner = LinearCombiner("mean", Identity(), None, n_members, weights=weights)
    else:
        y = rng.integers(0, n_classes, n_samples)
        outputs = rng.dirichlet(np.ones(n_classes), (n_members, n_samples)).transpose(0, 2, 1)
        outputs = 0.8 * outputs + 0.2 * (y == np.arange(n_classes)[:, None])
        combiner = LinearCombiner(
            "mean", Probability(), np.arange(n_classes), n_members, weights=weights
        )
    return outputs.astype(dtype), y, combiner, rng.uniform(0.5, 2.0, n_samples)


def search(case, objective, selector, weighted=True):
    outputs, y, combiner, weight = case
    problem = Problem(
        outputs=outputs,
        y=y,
        combiner=combiner,
        objective=objective,
        costs=np.ones(len(outputs)),
        budget=15,
        sample_weight=weight if weighted else None,
        random_state=0,
    )
    return selector.select(problem)


@pytest.mark.parametrize("n_classes", [None, 2, 3])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "selector",
    [
        GreedySelector(),
        GreedySelector(exchanges=0),
        GreedySelector(replacement=True),
        GreedySelector(starts=3),
        GreedySelector(sorted_start=5),
    ],
)
def test_the_search_is_that_of_the_whole_matrix(n_classes, seed, selector, few_rows, monkeypatch):
    case = simulated(seed, n_classes)
    lazy = search(case, SquaredError(), selector)
    monkeypatch.setattr(squared, "ResidualGram", lambda *args: Gram(ResidualGram(*args).whole()))
    whole = search(case, SquaredError(), selector)
    assert [p.indices for p in lazy] == [p.indices for p in whole]
    np.testing.assert_allclose(
        [p.objective for p in lazy], [p.objective for p in whole], rtol=1e-10
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_rows_are_those_of_the_definition(seed, weighted, few_rows):
    outputs, y, combiner, weight = simulated(seed, 3)
    weight = weight / weight.sum() if weighted else np.full(len(y), 1 / len(y))
    target = squared_target(y, combiner)
    residual = outputs - target
    exact = np.einsum("icn,jcn,n->ij", residual, residual, weight)
    products = ResidualGram(outputs, target, weight)
    np.testing.assert_allclose(products.diagonal, np.diag(exact), rtol=1e-12)
    np.testing.assert_allclose(products.company, exact.mean(axis=0), rtol=1e-12)
    rng = np.random.default_rng(0)
    for size in (1, 4, 2):
        members = rng.choice(len(outputs), size, replace=False)
        np.testing.assert_allclose(products.rows(members), exact[members], rtol=1e-11)
    np.testing.assert_allclose(products.whole(), exact, rtol=1e-11)
    np.testing.assert_allclose(products.rows(np.array([5, 3])), exact[[5, 3]], rtol=1e-11)


def test_a_pair_has_one_number_whichever_row_it_is_read_from(few_rows):
    outputs, y, combiner, _ = simulated(0, 3, dtype=np.float32)
    weight = np.full(len(y), 1 / len(y))
    products = ResidualGram(outputs, squared_target(y, combiner), weight)
    first = np.array([3, 17, 30])
    products.rows(first)
    later = np.array([1, 20])
    rows = products.rows(np.concatenate([first, later]))
    square = rows[:, np.concatenate([first, later])]
    np.testing.assert_array_equal(square, square.T)
    np.testing.assert_array_equal(np.diag(square), products.diagonal[[3, 17, 30, 1, 20]])
    whole = products.whole()
    np.testing.assert_array_equal(whole, whole.T)
    np.testing.assert_array_equal(whole[first][:, later], square[:3, 3:])


@pytest.mark.parametrize("n_members", [1, 2, 5, 64, 65, 100])
def test_any_number_of_members(n_members):
    outputs, y, combiner, _ = simulated(0, 3, n_members)
    objective = SquaredError()
    objective.start(outputs, y, combiner)
    objective.add(n_members - 1)
    residual = outputs[-1] - squared_target(y, combiner)
    assert objective.score() == pytest.approx(-(residual**2).sum(axis=0).mean(), rel=1e-12)


def test_scores_after_moves_that_nobody_looked_at(few_rows):
    outputs, y, combiner, weight = simulated(1, 3)
    lazy, known = SquaredError("brier"), SquaredError("brier")
    for objective in (lazy, known):
        objective.start(outputs, y, combiner, weight)
    known._products = Gram(lazy.gram.copy())
    lazy.start(outputs, y, combiner, weight)
    for objective in (lazy, known):
        for move, member in (("add", 3), ("add", 9), ("drop", 3), ("add", 9), ("add", 1)):
            getattr(objective, move)(member)
            if objective is known:
                objective.score()
    assert lazy.score() == pytest.approx(known.score(), rel=1e-12)
    np.testing.assert_allclose(lazy.candidates(), known.candidates(), rtol=1e-12)
    np.testing.assert_allclose(lazy.candidates(drop=True), known.candidates(drop=True), rtol=1e-12)
    np.testing.assert_allclose(lazy.swaps(), known.swaps(), rtol=1e-12)


def test_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(residuals, "_WORTH_A_THREAD", 1)
    monkeypatch.setattr(residuals, "blas_threads", lambda: 1)
    monkeypatch.setattr(residuals, "cores", lambda: 2)
    workers = []
    original = residuals.ThreadPoolExecutor
    monkeypatch.setattr(
        residuals, "ThreadPoolExecutor", lambda jobs: workers.append(jobs) or original(jobs)
    )
    outputs, y, combiner, weight = simulated(
        1, 3, n_members=120, n_samples=30_000, dtype=np.float32
    )
    members = np.array([5, 7])
    rows = [
        ResidualGram(outputs, squared_target(y, combiner), weight, n_jobs).rows(members)
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*rows)
    assert workers == [1]  # beside this one; for the diagonal, then the rows


def test_many_samples_in_single_precision_near_a_large_mean():
    rng = np.random.default_rng(0)
    y = rng.normal(300.0, 3.0, 200_000)
    outputs = (y + rng.normal(0.3, 1.0, (80, 1, len(y)))).astype(np.float32)
    weight = np.full(len(y), 1 / len(y))
    products = ResidualGram(outputs, y[None], weight)
    residual = outputs[:, 0].astype(np.float64) - y
    rows = products.rows(np.array([4, 70]))
    np.testing.assert_allclose(rows, residual[[4, 70]] @ residual.T / len(y), rtol=1e-6)
    np.testing.assert_allclose(products.diagonal, (residual**2).mean(axis=1), rtol=1e-6)


def test_a_search_reads_the_outputs_a_few_times(reads):
    case = simulated(0, None, n_members=400, n_samples=1000, dtype=np.float32)
    search(case, SquaredError(), GreedySelector(), weighted=False)
    assert len(reads) <= 4


def test_how_many_rows_are_computed_follows_from_how_many_members_are_wanted(reads):
    for n_members in (400, 800):
        outputs, y, combiner, _ = simulated(0, None, n_members, 200, np.float32)
        problem = Problem(outputs, y, combiner, SquaredError(), np.ones(n_members), budget=3)
        problem.start().add(0)
        problem.objective.score()
    assert reads == [("survey",), ("across", 11)] * 2


def test_an_interrupt_does_not_wait_for_all_blocks(monkeypatch):
    outputs, y, *_ = simulated(0, None, 70, 4000, np.float32)
    monkeypatch.setattr(residuals, "_BLOCK_BYTES", 70 * 4 * 10)  # 400 blocks of 10 samples
    monkeypatch.setattr(residuals, "_WORTH_A_THREAD", 1)
    products = ResidualGram(outputs, y[None], np.full(len(y), 1 / len(y)), n_jobs=2)
    begun = []

    def interrupted(self, parts):
        next(parts)
        raise KeyboardInterrupt

    def slow(self, members, block, room, whole=True):
        begun.append(block)
        time.sleep(0.002)
        return np.zeros((70, block.stop - block.start), dtype=np.float32)

    monkeypatch.setattr(Residuals, "_added", interrupted)
    monkeypatch.setattr(Residuals, "_of", slow)
    with pytest.raises(KeyboardInterrupt):
        _ = products.diagonal
    assert len(begun) < 200


def test_the_largest_product_with_another_is_that_of_the_rows_so_far(few_rows):
    outputs, y, combiner, _ = simulated(0, None)
    target, weight = squared_target(y, combiner), np.full(len(y), 1 / len(y))
    alone = ResidualGram(outputs, target, weight).whole().copy()
    np.fill_diagonal(alone, -np.inf)
    products = ResidualGram(outputs, target, weight)
    asked = np.array([7, 31, 2, 19, 38])
    for some in (asked[:1], asked[:4], asked):
        products.rows(some)
        np.testing.assert_allclose(products.largest(some), alone[some].max(axis=1), rtol=1e-12)
    products.whole()
    np.testing.assert_allclose(products.largest(asked), alone[asked].max(axis=1), rtol=1e-12)
