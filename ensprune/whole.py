"""Fitted attributes are set all at once, when all of them are known."""

from __future__ import annotations

from typing import Any, TypeVar

Estimator = TypeVar("Estimator")


def unfitted_twin(estimator: Estimator) -> Estimator:
    """An estimator with the very same parameters (no copies) and nothing fitted."""
    twin = object.__new__(type(estimator))
    twin.__dict__ = {k: v for k, v in vars(estimator).items() if not _is_fitted_name(k)}
    return twin


def take_over(estimator: Any, twin: Any) -> None:
    """Make an estimator what its twin is, in one step.

    An interrupt falls before or after it, never between two attributes: an estimator that was
    fitted before still is, to what it was fitted to, and one that was not is not.
    """
    estimator.__dict__ = twin.__dict__


def _is_fitted_name(name: str) -> bool:
    return name.endswith("_") and not name.startswith("_")
