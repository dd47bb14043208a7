"""Steps of pipelines: which is the last, what the first reads, and those before the last fitted anew.

Anew where other rows must not be heard of.
"""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from .seeds import seeded

_VECTORIZERS = (CountVectorizer, TfidfVectorizer, HashingVectorizer)


def last_step(estimator: Any) -> tuple[str, Any]:
    """The last step through pipelines and searches, and what its fit parameters begin with."""
    prefix = ""
    while isinstance(estimator, Pipeline | BaseSearchCV):
        if isinstance(estimator, Pipeline):
            name, estimator = estimator.steps[-1]
            prefix += f"{name}__"
        else:
            estimator = estimator.estimator
    return prefix, estimator


def reads_words(estimator: Any) -> bool:
    """Whether the first thing that a fitted pipeline does is to count the words of texts.

    That is a vectorizer of scikit-learn, or several side by side, by its own rules: they take any text
    there is, where other steps, and functions or subclasses of the user's, may parse dates or read
    files.
    """
    while isinstance(estimator, Pipeline | BaseSearchCV | FrozenEstimator):
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[0][1]
        elif isinstance(estimator, BaseSearchCV):
            estimator = estimator.best_estimator_
        else:
            estimator = estimator.estimator
    if isinstance(estimator, FeatureUnion):
        return all(reads_words(part) for _, part in estimator.transformer_list)
    if type(estimator) not in _VECTORIZERS or estimator.input != "content":
        return False
    rules = estimator.analyzer, estimator.preprocessor, estimator.tokenizer
    return not any(callable(rule) for rule in rules)


def refitted_steps(before: Pipeline, X: Any, y: Any, random_state: int) -> tuple[Pipeline, Any]:
    """Fit clones of all steps to some rows, and transform these.

    All of them, since which ones look at labels cannot be told from outside: tags of scikit-learn's
    own ``SelectPercentile`` and ``PLSRegression`` deny it, and composites such as
    ``ColumnTransformer`` do not say what is in them. A ``FrozenEstimator`` stays as it is.

    Parameters
    ----------
    before : Pipeline
        The steps; left as they were.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    random_state : int
        For what is random in them and has no seed of its own.

    Returns
    -------
    steps : Pipeline
        Fitted. A category that only other rows have is one its encoder never saw, not an error.
    rows : array-like of shape (n_samples, n_features_out)
        What an ensemble behind the steps is fitted to.

    Raises
    ------
    ValueError
        If a step cannot be fitted to these rows alone.
    """
    steps = clone(before)
    params = steps.get_params()
    # A fold is of no use to anybody's cache.
    seeded(steps, random_state).set_params(memory=None)
    # clone hands on what is frozen: it is the caller's.
    frozen = [step.estimator for step in params.values() if isinstance(step, FrozenEstimator)]
    for step in params.values():
        if not any(step is one for one in frozen):
            _forgive_unknown(step)
    try:
        return steps, steps.fit_transform(X, y)
    except ValueError as error:
        raise ValueError(
            "refine='leaves' fits the steps of a pipeline anew without a fold of the rows, which "
            f"failed: {error}"
        ) from error


def _forgive_unknown(step: Any) -> None:
    """Have an encoder take categories that are missing from the rows it is fitted to."""
    if getattr(step, "handle_unknown", None) != "error":
        return
    if isinstance(step, OneHotEncoder):
        step.set_params(handle_unknown="ignore", drop=None)  # with a column dropped it would warn
    elif isinstance(step, OrdinalEncoder):
        step.set_params(handle_unknown="use_encoded_value", unknown_value=-1)
