"""Seeds for what is fitted again and draws without one of its own."""

from __future__ import annotations

from typing import Any


def unseeded(estimator: Any) -> list[str]:
    """The parameters of an estimator, and of those inside, that are seeds and not set."""
    return [
        name
        for name, value in estimator.get_params().items()
        if name.rpartition("__")[2] == "random_state" and value is None
    ]


def seeded(estimator: Any, random_state: int) -> Any:
    """The same estimator, its seeds set where they are not."""
    return estimator.set_params(**dict.fromkeys(unseeded(estimator), random_state))
