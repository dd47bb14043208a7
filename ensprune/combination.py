"""How an ensemble combines its members, in the few words that can be said before it is fitted.

What does the combining once it is fitted is ``combiner.py``.
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass

from .link import Link

_IN_WORDS = {
    "mean": "an average",
    "vote": "a weighted vote",
    "sum": "a sum",
    "median": "a weighted median",
    "meta": "a final estimator",
    "calibrated": "calibrators",
    "nested": "an ensemble of ensembles",
}


def in_words(kind: str) -> str:
    """What combines the members, for messages.

    Parameters
    ----------
    kind : str
        As of a :class:`~ensprune.combiner.Combiner`.
    """
    return _IN_WORDS.get(kind, kind)


@dataclass(frozen=True)
class Combination:
    """What a search needs to know of an ensemble to say whether it is for it.

    Parameters
    ----------
    kind : str
        As of a :class:`~ensprune.combiner.Combiner`.
    classifies : bool
    linear : bool, default=True
        Whether the raw score is an affine function of what members output.
    carries_weights : bool, default=True
        Whether the pruned estimator can give members weights of their own.
    link : type of Link, default=None
        From raw scores to predictions; None is not known before the fit.
    n_members : int, default=None
        It has no more than these, an average just so many; None is not known before the fit.
    """

    kind: str
    classifies: bool
    linear: bool = True
    carries_weights: bool = True
    link: type[Link] | None = None
    n_members: int | None = None

    @property
    def in_words(self) -> str:
        """What combines the members, for messages."""
        return in_words(self.kind)

    @property
    def exactly(self) -> int | None:
        """How many members it will have, where that is certain: boosting may stop early."""
        n_members = self.n_members
        if self.kind != "mean" or not isinstance(n_members, numbers.Integral) or n_members < 1:
            return None
        return int(n_members)

    def may_have(self, link: type[Link]) -> bool:
        """Whether its link is of this class, as far as is known."""
        return self.link is None or issubclass(self.link, link)
