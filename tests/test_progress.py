"""Lines and bars for people, tasks for scikit-learn's callbacks; and silence where nobody asked."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ensprune import EnsemblePruner
from ensprune import progress as progress_module
from ensprune.selectors import GreedySelector

FOREST = RandomForestClassifier(8, max_depth=3, random_state=0)
IRIS = load_iris(return_X_y=True)


def has_callbacks():
    try:
        import sklearn.callback  # noqa: F401
    except ImportError:
        return False
    return True


needs_callbacks = pytest.mark.skipif(
    not has_callbacks(), reason="callbacks came with scikit-learn 1.9"
)


class Recorder:
    """Notes the tasks as ``parent/child`` names; may ask to stop after some steps."""

    max_propagation_depth = 1

    def __init__(self, stop_after=None):
        self.ended = []
        self.events = []
        self.stop_after = stop_after
        self.at_the_end = None

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        path, at = [], context
        while at is not None:
            path.append(at.task_name)
            at = at.parent
        self.ended.append("/".join(path[::-1]))
        if context.parent is None:
            self.at_the_end = X, fitted_estimator
        return self.stop_after is not None and self.steps() >= self.stop_after

    def steps(self):
        return sum(path.endswith("/step") for path in self.ended)


@needs_callbacks
@pytest.mark.parametrize("frozen", [False, True])
def test_tasks(frozen):
    recorder = Recorder()
    ensemble = FrozenEstimator(FOREST.fit(*IRIS)) if frozen else FOREST
    pruner = EnsemblePruner(ensemble, 3).set_callbacks(recorder).fit(*IRIS)
    steps = ["fit/choosing/adding members/step"] * 3
    after = ["fit/choosing/adding members", "fit/choosing", "fit"]
    before = ["fit/reading"] if frozen else ["fit/fitting", "fit/reading"]
    assert recorder.ended == before + steps + after
    assert recorder.events[0], recorder.events[-1] == ("setup", "teardown")
    X, fitted = recorder.at_the_end
    np.testing.assert_array_equal(X, IRIS[0])
    np.testing.assert_array_equal(fitted.predict(IRIS[0]), pruner.predict(IRIS[0]))
    assert not [name for name in vars(pruner) if "callback" in name and name != "_skl_callbacks"]


@needs_callbacks
def test_the_ensemble_inside_reports_too():
    recorder = Recorder()
    pipeline = make_pipeline(StandardScaler(), FOREST)
    pruner = EnsemblePruner(pipeline, 3).set_callbacks(recorder).fit(*IRIS)
    assert "fit/fit/fit-transform-standardscaler" in recorder.ended
    assert "fit/choosing" in recorder.ended
    assert not hasattr(pruner.estimator_, "_skl_callbacks")


@needs_callbacks
def test_within_a_search():
    recorder = Recorder()
    search = GridSearchCV(EnsemblePruner(FOREST), {"target_size": [2, 3]}, cv=2)
    search.set_callbacks(recorder).fit(*IRIS)
    assert recorder.steps() == 2 * (2 + 3) + search.best_params_["target_size"]


@needs_callbacks
def test_a_callback_may_stop_the_search():
    plain = EnsemblePruner(FOREST, 6).fit(*IRIS)
    stopped = EnsemblePruner(FOREST, 6).set_callbacks(Recorder(stop_after=2)).fit(*IRIS)
    assert stopped.n_members_ == 2
    assert list(stopped.path_) == list(plain.path_)[:2]


@needs_callbacks
@pytest.mark.parametrize("selector", [GreedySelector(direction="backward"), "first", "ordering"])
def test_other_searches(selector):
    recorder = Recorder()
    EnsemblePruner(FOREST, 3, selector=selector).set_callbacks(recorder).fit(*IRIS)
    assert recorder.ended[-2:] == ["fit/choosing", "fit"]


@needs_callbacks
def test_boosting_takes_steps():
    recorder = Recorder()
    boosting = GradientBoostingRegressor(n_estimators=8, random_state=0)
    pruner = EnsemblePruner(boosting, 3).set_callbacks(recorder)
    pruner.fit(*load_diabetes(return_X_y=True))
    assert recorder.steps() >= 3


@needs_callbacks
def test_callbacks_are_torn_down_after_an_error():
    def broken(estimator, X, y):
        raise ValueError("broken metric")  # nobody can tell that before the fit

    recorder = Recorder()
    pruner = EnsemblePruner(FOREST, 3, scoring=broken, validation=0.25)
    pruner.set_callbacks(recorder)
    with pytest.raises(ValueError, match="broken metric"):
        pruner.fit(*IRIS)
    assert recorder.events[-1] == "teardown"
    assert "fit" not in recorder.ended
    with pytest.raises(NotFittedError):
        pruner.predict(IRIS[0])


@needs_callbacks
def test_progress_bar_of_scikit_learn(capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    EnsemblePruner(FOREST, 3).set_callbacks(ProgressBar()).fit(*IRIS)
    shown = capsys.readouterr().out
    assert "EnsemblePruner - fit" in shown
    assert "EnsemblePruner - choosing" in shown
    assert "100%" in shown


def test_bars(monkeypatch, capsys):
    monkeypatch.setattr(progress_module, "_SECONDS_BEFORE_BAR", 0)
    EnsemblePruner(FOREST, 3, verbose=1).fit(*IRIS)
    shown = capsys.readouterr()
    assert "[EnsemblePruner] adding members:" in shown.err
    assert "0/3" in shown.err
    assert "[EnsemblePruner] reading 8 members on 150 rows\n" in shown.out
    assert "adding" not in shown.out


def test_lines_without_tqdm(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(progress_module, "_SECONDS_BETWEEN_LINES", 0)
    EnsemblePruner(FOREST, 3, verbose=1).fit(*IRIS)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "[EnsemblePruner] adding members: 2 of 3\n" in shown.out


@pytest.mark.parametrize("bars", [True, False])
def test_short_work_shows_no_bar_and_no_lines(bars, monkeypatch, capsys):
    if not bars:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    EnsemblePruner(FOREST, 3, verbose=1).fit(*IRIS)
    shown = capsys.readouterr()
    assert "adding" not in shown.out + shown.err


def test_silence(capfd):
    EnsemblePruner(FOREST, 3).fit(*IRIS)
    assert capfd.readouterr() == ("", "")
