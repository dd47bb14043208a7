"""Which metrics have a fast form, and the function that finds it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.metrics._scorer import _Scorer

from ..combiner import Combiner
from .base import Objective

ScorerLike = str | Callable[..., float]

Factory = Callable[[], Objective]


class _Registry:
    """Fast forms by scikit-learn metric function, keyword arguments and combiner."""

    def __init__(self) -> None:
        self._entries: dict[Any, list[tuple[Callable[[Combiner], bool], Factory]]] = {}
        # Whatever the keyword arguments.
        self._of_labels: dict[Any, Callable[..., Objective]] = {}
        # Whatever the keyword arguments and the response asked for.
        self._of_response: dict[Any, Callable[[Any, Combiner], Objective | None]] = {}

    def add(
        self,
        metric: Callable[..., float],
        factory: Factory,
        applies: Callable[[Combiner], bool],
        **kwargs: Any,
    ) -> None:
        self._entries.setdefault((metric, _frozen(kwargs)), []).append((applies, factory))

    def find(self, scorer: Any, combiner: Combiner) -> Factory | None:
        if not isinstance(scorer, _Scorer):
            return None
        return self._standard(scorer, combiner) or self._any_response(scorer, combiner)

    def _standard(self, scorer: Any, combiner: Combiner) -> Factory | None:
        if not is_standard(scorer):
            return None
        for applies, factory in self._entries.get(_key(scorer), ()):
            if applies(combiner):
                return factory
        if self.counts_labels(scorer) and classifies(combiner):
            return partial(self._of_labels[scorer._score_func], scorer)
        return None

    def counts_labels(self, scorer: Any) -> bool:
        asks_labels = is_standard(scorer) and scorer._response_method == "predict"
        return asks_labels and scorer._score_func in self._of_labels

    def _any_response(self, scorer: Any, combiner: Combiner) -> Factory | None:
        of_response = self._of_response.get(scorer._score_func)
        objective = None if of_response is None else of_response(scorer, combiner)
        return None if objective is None else lambda: objective

    def add_any_response(
        self, metric: Callable[..., float], factory: Callable[[Any, Combiner], Objective | None]
    ) -> None:
        self._of_response[metric] = factory

    def add_of_labels(
        self, metric: Callable[..., float], factory: Callable[..., Objective]
    ) -> None:
        self._of_labels[metric] = factory


def _frozen(kwargs: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, repr(value)) for name, value in kwargs.items()))


def _key(scorer: Any) -> tuple[Any, tuple[tuple[str, str], ...]]:
    return scorer._score_func, _frozen(scorer._kwargs)


def is_standard(scorer: Any) -> bool:
    """Whether a scorer asks for the response, and has the sign, that scikit-learn's own has.

    A metric that scikit-learn has no scorer for is standard in any way.
    """
    if not isinstance(scorer, _Scorer):
        return False
    asks = scorer._sign, scorer._response_method
    return _of_scikit_learn().get(_key(scorer), asks) == asks


@cache
def _of_scikit_learn() -> dict[Any, tuple[int, Any]]:
    """Sign and response method of scikit-learn's own scorers: fast forms stand for these."""
    scorers = [get_scorer(name) for name in get_scorer_names()]
    return {_key(scorer): (scorer._sign, scorer._response_method) for scorer in scorers}


_registry = _Registry()


def register_objective(
    metric: Callable[..., float],
    factory: Factory,
    applies: Callable[[Combiner], bool] = lambda combiner: combiner.linear,
    **kwargs: Any,
) -> None:
    """Give a metric a fast form; third parties may call this too.

    Parameters
    ----------
    metric : callable
        The metric function that scorers wrap, such as ``sklearn.metrics.log_loss``.
    factory : callable
        Returns a new objective.
    applies : callable, default=affine combiners
        ``applies(combiner)`` says whether the fast form is exact for that combiner.
    **kwargs
        The keyword arguments the scorer was made with.
    """
    _registry.add(metric, factory, applies, **kwargs)


def register_label_metric(
    metric: Callable[..., float],
    factory: Callable[..., Objective],
) -> None:
    """Give a metric of predicted labels a fast form for any keyword arguments.

    It is taken for affine combiners of classifiers.

    Parameters
    ----------
    metric : callable
        The metric function that scorers wrap, such as ``sklearn.metrics.f1_score``.
    factory : callable
        ``factory(scorer)`` returns a new objective.
    """
    _registry.add_of_labels(metric, factory)


def counts_labels(scorer: Any) -> bool:
    """Whether a scorer is of a metric given to :func:`register_label_metric`."""
    return _registry.counts_labels(scorer)


def register_any_response(
    metric: Callable[..., float],
    factory: Callable[[Any, Combiner], Objective | None],
) -> None:
    """Give a metric a fast form that depends on what a scorer asks for, and with which options.

    Parameters
    ----------
    metric : callable
        The metric function that scorers wrap, such as ``sklearn.metrics.roc_auc_score``.
    factory : callable
        ``factory(scorer, combiner)`` returns a new objective, or None where there is no fast form.
    """
    _registry.add_any_response(metric, factory)


def regresses(combiner: Combiner) -> bool:
    """Whether it is an affine combiner of a regressor."""
    return combiner.linear and combiner.classes is None


def classifies(combiner: Combiner) -> bool:
    """Whether it is an affine combiner of a classifier."""
    return combiner.linear and combiner.classes is not None


def default_scorer(combiner: Combiner) -> Any:
    """scikit-learn's default: accuracy for classifiers, R2 for regressors."""
    return get_scorer("r2" if combiner.classes is None else "accuracy")


def metric_name(scoring: ScorerLike | None, scorer: Any) -> str:
    """What to call a metric: the scoring string, else what the function behind the scorer is called."""
    if isinstance(scoring, str):
        return scoring
    metric = getattr(scorer, "_score_func", scorer)
    return getattr(metric, "__name__", "score").removesuffix("_score")


def make_objective(scoring: ScorerLike | None, combiner: Combiner) -> Objective:
    """The objective of a metric: its fast form where there is one, else the generic one.

    Parameters
    ----------
    scoring : str, callable or None
        Any scikit-learn scoring string or scorer callable; None is accuracy or R2.
    combiner : Combiner
        How the members combine, which decides what is fast and exact.

    Returns
    -------
    Objective
        Not started yet.
    """
    from .generic import GenericObjective

    scorer = default_scorer(combiner) if scoring is None else scoring
    if isinstance(scorer, str):
        scorer = get_scorer(scorer)
    factory = _registry.find(scorer, combiner)
    return GenericObjective(scorer) if factory is None else factory()
