"""What a fitted ensemble consists of, for people and for programs."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..members import Members, open_members
from ..members.wrappers import WrappedMembers
from .errors import BadInput, one_line
from .features import feature_names, n_features
from .models import format_of
from .tables import shortened


@dataclass(frozen=True)
class Description:
    """Facts about a model file.

    Parameters
    ----------
    file, format : str
    family : str
        Class of the ensemble; with ``wrapped_in`` around it, such as a pipeline.
    wrapped_in : str or None
    member : str
        What can be dropped, such as a tree.
    members : int
    nodes : int or None
        Of all trees; None where members are something else.
    bytes : int
        Of the pickled model.
    classes : list or None
        Labels of a classifier.
    features : int or None
    feature_names : list of str or None
    """

    file: str
    format: str
    family: str
    wrapped_in: str | None
    member: str
    members: int
    nodes: int | None
    bytes: int
    classes: list[Any] | None
    features: int | None
    feature_names: list[str] | None

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        inside = f" in a {self.wrapped_in}" if self.wrapped_in else ""
        names = f": {shortened(self.feature_names)}" if self.feature_names else ", without names"
        lines = {
            "file": f"{self.file} ({self.format})",
            "family": self.family + inside,
            "members": f"{self.members:,} x {self.member}",
            "nodes": "-" if self.nodes is None else f"{self.nodes:,}",
            "bytes": f"{self.bytes:,}",
            "predicts": "a number"
            if self.classes is None
            else f"{len(self.classes)} classes: {shortened(self.classes)}",
            "from": "rows" if self.features is None else f"{self.features} columns{names}",
        }
        return "\n".join(f"{label:9} {text}" for label, text in lines.items())


def opened(model: Any, path: Path) -> Members:
    """The members of a model that was read from a file.

    Raises
    ------
    BadInput
        If it is no ensemble that can be cut.
    """
    try:
        return open_members(model)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{path}: {one_line(error)}") from error


def describe(model: Any, path: Path) -> Description:
    """Open an ensemble and count.

    Raises
    ------
    BadInput
        If it is no ensemble that can be cut.
    """
    members = opened(model, path)
    inner = _innermost(members)
    classes = members.combiner.classes
    wraps = type(model).__name__ if inner.estimator is not model else None
    try:
        nodes = int(members.costs("nodes").sum())
    except TypeError:
        nodes = None
    return Description(
        file=str(path),
        format=format_of(path),
        family=family_in(members),
        wrapped_in=wraps,
        member=_member(inner),
        members=members.n_members,
        nodes=nodes,
        bytes=len(pickle.dumps(model, protocol=5)),
        classes=None if classes is None else np.asarray(classes).tolist(),
        features=n_features(model),
        feature_names=feature_names(model),
    )


def family_in(members: Members) -> str:
    """Class of the ensemble inside pipelines and the like."""
    return type(_innermost(members).estimator).__name__


def _innermost(members: Members) -> Members:
    while isinstance(members, WrappedMembers):
        members = members.inner
    return members


def _member(members: Members) -> str:
    if members.combiner.kind == "sum":
        return "boosting round"
    kinds = {
        "tree" if isinstance(part, dict | list) else type(part).__name__ for part in members.parts()
    }
    return kinds.pop() if len(kinds) == 1 else "estimator"
