"""The ILP selector: one module per family of formulations, and what they share.

``quadratic`` has squared error and error correlations, ``linear`` the formulations over samples,
``cover`` the cheapest sub-ensemble that keeps the score. ``rules`` and ``evidence`` are what they
are stated over, ``program`` and ``solver`` how they reach PuLP, ``run`` the order of it all.
Proofs without a solver: ``bound``, ``sweep`` and ``branch`` for the quadratic ones, ``relaxation``
and ``enumeration`` for those over samples.
"""

from .selector import FORMULATIONS, ILPResult, ILPSelector

__all__ = ["FORMULATIONS", "ILPResult", "ILPSelector"]
