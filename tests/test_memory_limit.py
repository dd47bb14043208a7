"""A memory limit moves outputs to a file and changes nothing else."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.tree import DecisionTreeClassifier

from ensprune import EnsemblePruner, combiner, storage, validation
from ensprune.combiner import LinearCombiner
from ensprune.link import Probability, Softmax
from ensprune.members.forest import ForestMembers
from ensprune.objectives import Accuracy, generic, margins
from ensprune.objectives.generic import GenericObjective
from ensprune.objectives.out_of_bag import out_of_bag_gram
from ensprune.selectors import (
    ClusterSelector,
    GreedySelector,
    OrderingSelector,
    Problem,
    WeightSelector,
    pursuit,
)
from ensprune.selectors.ordering import criterion_names
from ensprune.storage import on_disk, release

N_TRAIN = 200


@pytest.fixture(scope="module")
def labelled():
    return make_classification(
        600, 8, n_informative=5, n_redundant=0, n_classes=3, flip_y=0.2, random_state=0
    )


@pytest.fixture(scope="module")
def two_classes(labelled):
    X, y = labelled
    return X, (y > 0).astype(int)


@pytest.fixture(scope="module")
def numbers():
    X, y = make_regression(600, 8, noise=20.0, random_state=0)
    return X, np.exp(y / np.abs(y).max())


@pytest.fixture
def files(monkeypatch):
    """Shapes of the outputs that went to a file."""
    shapes = []
    original = validation.on_disk

    def counting(shape, dtype):
        shapes.append(shape)
        return original(shape, dtype)

    monkeypatch.setattr(validation, "on_disk", counting)
    return shapes


def both(ensemble, rows, files, **options):
    """Fitted without a limit, and under the smallest there can be."""
    X, y = rows
    if not isinstance(ensemble, FrozenEstimator):
        fit_on = X, y
    else:
        ensemble.estimator.fit(X[:N_TRAIN], y[:N_TRAIN])
        fit_on = X[N_TRAIN:], y[N_TRAIN:]
    options = {"target_size": 4, "random_state": 0} | options
    free = EnsemblePruner(ensemble, **options).fit(*fit_on)
    assert not files
    with pytest.raises(ValueError, match="memory_limit=1 bytes is too small") as refused:
        EnsemblePruner(ensemble, memory_limit=1, **options).fit(*fit_on)
    needed = int(str(refused.value).split(" need ")[1].split(" bytes")[0].replace(",", ""))
    tight = EnsemblePruner(ensemble, memory_limit=needed, **options).fit(*fit_on)
    assert files
    return free, tight


def same(free, tight, rel=1e-12):
    assert [p.indices for p in tight.path_] == [p.indices for p in free.path_]
    assert tight.score_full_ == pytest.approx(free.score_full_, rel=rel)
    assert tight.score_pruned_ == pytest.approx(free.score_pruned_, rel=rel)
    np.testing.assert_allclose(tight.weights_, free.weights_, rtol=1e-6)


@pytest.mark.parametrize(
    "scoring",
    [
        "accuracy",
        "balanced_accuracy",
        "neg_log_loss",
        "roc_auc_ovr",
        "f1_macro",
        "top_k_accuracy",  # no fast form
    ],
)
def test_classification(scoring, labelled, files):
    forest = FrozenEstimator(RandomForestClassifier(15, max_depth=4, random_state=0))
    same(*both(forest, labelled, files, scoring=scoring))


@pytest.mark.parametrize("scoring", ["neg_brier_score", "roc_auc", "average_precision"])
def test_two_classes(scoring, two_classes, files):
    forest = FrozenEstimator(RandomForestClassifier(15, max_depth=4, random_state=0))
    same(*both(forest, two_classes, files, scoring=scoring))


@pytest.mark.parametrize(
    "scoring",
    ["r2", "neg_mean_absolute_error", "neg_mean_gamma_deviance", "neg_median_absolute_error"],
)
def test_regression(scoring, numbers, files):
    forest = FrozenEstimator(RandomForestRegressor(15, max_depth=4, random_state=0))
    same(*both(forest, numbers, files, scoring=scoring))


@pytest.fixture(scope="module")
def many_samples():
    """60 members on 100,000 samples, in a file of 48 MB."""
    rng = np.random.default_rng(0)
    outputs = on_disk((60, 2, 100_000))
    y = rng.integers(2, size=100_000)
    # Each member is less sure of the truth than the one before it.
    true = np.linspace(1, 0.5, 60)[:, None] * rng.random(100_000)
    outputs[:, 0] = np.where(y == 0, true, 1 - true)
    outputs[:, 1] = 1 - outputs[:, 0]
    return Problem(
        outputs=outputs,
        y=y,
        combiner=LinearCombiner("mean", Probability(), np.arange(2), 60),
        objective=Accuracy(),
        costs=np.ones(60),
        budget=2,
    )


@pytest.mark.parametrize(
    "selector",
    [
        GreedySelector(exchanges=0),
        WeightSelector(),
        WeightSelector("log_loss"),
        ClusterSelector(),
        ClusterSelector("kmeans"),
        *map(OrderingSelector, criterion_names()),
    ],
    ids=str,
)
def test_searches_look_at_blocks(selector, many_samples):
    """What is held at a time is a few blocks and columns, and grows with neither axis alone."""
    tracemalloc.start()
    try:
        selector.select(many_samples)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3.2e7


def pages_of_files():
    """Bytes of files in the memory of this process, where the system tells."""
    status = Path("/proc/self/status")
    told = status.read_text() if status.exists() else ""
    return sum(1024 * int(line.split()[1]) for line in told.splitlines() if "RssFile" in line)


@pytest.mark.parametrize("what", ["accuracy", "any scorer", "out of bag"])
def test_looking_at_blocks_does_not_leave_the_file_in_memory(what, monkeypatch):
    """Of many classes rows are short, and each brings what is around it."""
    rng = np.random.default_rng(0)
    outputs = on_disk((60, 25, 16_000))
    for out in outputs:
        out[...] = rng.random(out.shape, dtype=np.float32).round(1)  # ties are looked up
        release(outputs)
    y = rng.integers(25, size=16_000)
    before, peaks = pages_of_files(), [0]

    def released(array):
        peaks.append(pages_of_files() - before)
        release(array)

    for module in (storage, generic, margins):
        monkeypatch.setattr(module, "release", released)
    if what == "out of bag":
        target = np.eye(25)[:, y]
        out_of_bag_gram(outputs, target, np.ones(len(y)), rng.random((60, len(y))) < 0.4)
    else:
        objective = Accuracy() if what == "accuracy" else GenericObjective(get_scorer("accuracy"))
        objective.start(outputs, y, LinearCombiner("mean", Probability(), np.arange(25), 60))
        for member in (3, 5):
            objective.candidates()
            objective.add(member)
    assert max(peaks) < 0.5 * outputs.nbytes


@pytest.mark.parametrize("objective", [Accuracy(), GenericObjective(get_scorer("accuracy"))])
def test_dropping_members_does_not_bring_the_file_into_memory(objective):
    rng = np.random.default_rng(0)
    outputs = on_disk((40, 25, 8_000))
    for out in outputs:
        out[...] = rng.random(out.shape, dtype=np.float32)
        release(outputs)
    y = rng.integers(25, size=8_000)
    before = pages_of_files()
    combined = LinearCombiner("mean", Probability(), np.arange(25), 40)
    objective.start(outputs, y, combined)
    for member in range(40):
        objective.add(member)
    assert pages_of_files() - before < 0.5 * outputs.nbytes
    tracemalloc.start()
    try:
        scores = objective.candidates(drop=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * outputs.nbytes
    assert pages_of_files() - before < 0.5 * outputs.nbytes
    objective.start(np.array(outputs), y, combined)
    for member in range(40):
        objective.add(member)
    np.testing.assert_array_equal(scores, objective.candidates(drop=True))


def test_weights_of_boosting_stages_do_not_leave_the_file_in_memory(monkeypatch):
    rng = np.random.default_rng(0)
    outputs = on_disk((60, 25, 8_000))
    y = rng.integers(25, size=8_000)
    for t, out in enumerate(outputs):
        out[...] = rng.normal(size=out.shape) + (t / 20) * (np.arange(25)[:, None] == y)
        release(outputs)
    problem = Problem(
        outputs=outputs,
        y=y,
        combiner=LinearCombiner("sum", Softmax(), np.arange(25), 60, offset=np.zeros(25)),
        objective=Accuracy(),
        costs=np.ones(60),
        budget=3,
    )
    before, peaks = pages_of_files(), []

    def released(array):
        peaks.append(pages_of_files() - before)
        release(array)

    for module in (storage, combiner, pursuit):
        monkeypatch.setattr(module, "release", released)
    tracemalloc.start()
    try:
        points, _ = pursuit.pursue(problem)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(points[-1].indices) == 3
    assert max([*peaks, pages_of_files() - before]) < 0.5 * outputs.nbytes
    assert peak < 12 * 8 * 25 * len(y)  # a dozen columns for each output
    monkeypatch.setattr(pursuit, "_HELD_BYTES", 0)
    again, _ = pursuit.pursue(problem)
    in_memory, _ = pursuit.pursue(replace(problem, outputs=np.array(outputs)))
    assert points == again == in_memory


def test_writing_blocks_of_rows_does_not_leave_the_file_in_memory(monkeypatch):
    """Members are read for some rows at a time, and each has its rows elsewhere in the file."""
    X, y = make_classification(
        8_000, 10, n_informative=8, n_classes=20, n_clusters_per_class=1, random_state=0
    )
    forest = RandomForestClassifier(100, max_depth=4, random_state=0).fit(X[:500], y[:500])
    monkeypatch.setattr(ForestMembers, "reads_one_by_one", False)  # as boosting is read
    before, peaks = pages_of_files(), [0]

    def released(array):
        peaks.append(pages_of_files() - before)
        release(array)

    for module in (storage, validation):
        monkeypatch.setattr(module, "release", released)
    EnsemblePruner(
        FrozenEstimator(forest), target_size=2, selector="first", memory_limit=40_000_000
    ).fit(X, y)
    assert max(peaks) < 0.1 * 4 * 100 * 20 * len(y)


@pytest.mark.parametrize(
    "selector",
    [
        GreedySelector(direction="backward"),
        GreedySelector(replacement=True),
        "ilp",
        OrderingSelector("margin_distance"),
        OrderingSelector("kappa"),
        OrderingSelector("boosting"),
        "weights",
        "cluster",
        "first",
        "random",
    ],
    ids=str,
)
def test_selectors(selector, labelled, files):
    forest = FrozenEstimator(RandomForestClassifier(15, max_depth=4, random_state=0))
    same(*both(forest, labelled, files, selector=selector))


@pytest.mark.parametrize(
    "ensemble",
    [
        AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=12, random_state=0),
        BaggingClassifier(LogisticRegression(), 12, random_state=0),
        GradientBoostingClassifier(n_estimators=12, max_depth=2, random_state=0),
        StackingClassifier(
            [(f"tree{d}", DecisionTreeClassifier(max_depth=d, random_state=0)) for d in range(1, 7)]
        ),
    ],
    ids=lambda ensemble: type(ensemble).__name__,
)
def test_ensembles(ensemble, labelled, files):
    same(*both(FrozenEstimator(ensemble), labelled, files, scoring="neg_log_loss"))


@pytest.mark.parametrize("selector", ["greedy", "ordering", "weights", "ilp"])
def test_out_of_bag(selector, labelled, files):
    forest = RandomForestClassifier(15, max_depth=4, random_state=0)
    same(*both(forest, labelled, files, selector=selector, validation="oob"))


@pytest.mark.parametrize("refine", ["leaves", "weights"])
def test_refinement(refine, labelled, files):
    forest = FrozenEstimator(RandomForestClassifier(15, max_depth=4, random_state=0))
    same(*both(forest, labelled, files, refine=refine, scoring="neg_log_loss"), rel=1e-6)
