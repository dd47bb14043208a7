"""XGBoost's saved models as UBJSON bytes: the few parts that are read or replaced where they are.

The bytes are a fraction of the time of the same model parsed into lists, which besides are so many
that Python collects garbage. Other versions may write what is not expected here: then the answer is
None, and ``xgboost_model.py`` reads the model as JSON instead.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

_INTEGERS = {b"i": ">b", b"I": ">h", b"l": ">i"}
_SIZE = 8  # bytes of a length
# Of a tree's arrays, in the order in which they are written, and UBJSON's name for their type.
_NODES = {
    "default_left": b"U",
    "left_children": b"l",
    "right_children": b"l",
    "split_conditions": b"d",
    "split_indices": b"l",
    "split_type": b"U",
}
_TYPES: dict[bytes, np.dtype[Any]] = {
    b"U": np.dtype(">u1"),
    b"l": np.dtype(">i4"),
    b"d": np.dtype(">f4"),
}


class Nodes(NamedTuple):
    """The nodes of all trees, one tree after the other."""

    sizes: np.ndarray  # (n_trees,): how many nodes each has
    values: dict[str, np.ndarray]  # of each node, under the names that a saved tree has for them


def nodes_of(trees: Sequence[dict[str, Any]]) -> Nodes:
    """The nodes of a saved model's trees that have been parsed."""
    sizes = np.array([len(tree["left_children"]) for tree in trees])
    return Nodes(
        sizes,
        {
            name: np.fromiter(
                chain.from_iterable(tree[name] for tree in trees), _TYPES[kind].newbyteorder("=")
            )
            for name, kind in _NODES.items()
        },
    )


def nodes_in(saved: bytes, n_trees: int) -> Nodes | None:
    """The nodes of a saved model's trees; None where the bytes are not as expected."""
    at = saved.find(_key("trees") + b"[#" + _length(n_trees) + b"{")
    if at < 0:
        return None
    parts: list[list[bytes]] = [[] for _ in _NODES]
    arrays = [
        (_key(name) + b"[$" + kind + b"#L", _TYPES[kind].itemsize, part)
        for (name, kind), part in zip(_NODES.items(), parts, strict=True)
    ]
    for _ in range(n_trees):
        for head, width, part in arrays:
            at = saved.find(head, at)
            if at < 0:
                return None
            begin = at + len(head) + _SIZE
            at = begin + width * int.from_bytes(saved[begin - _SIZE : begin], "big")
            part.append(saved[begin:at])
    sizes = np.array([len(own) for own in parts[0]])  # a byte each
    values: dict[str, np.ndarray] = {}
    for (name, kind), part in zip(_NODES.items(), parts, strict=True):
        found = np.frombuffer(b"".join(part), _TYPES[kind])
        values[name] = found.astype(found.dtype.newbyteorder("="), copy=False)
    return Nodes(sizes, values) if all(len(v) == sizes.sum() for v in values.values()) else None


def retagged(saved: bytes, outputs: Sequence[int]) -> bytes | None:
    """A saved model each of whose trees speaks for an output of its own.

    Only a model whose ``weight_drop`` is beside its trees, or that has none, is read: around a
    gbtree, dart predicts tree by tree and slowly.

    Parameters
    ----------
    saved : bytes
    outputs : sequence of int
        What each tree speaks for now, in a model's order.

    Returns
    -------
    bytes, or None where those given are not quite as expected
    """
    n_trees = len(outputs)
    head = _key("tree_info") + b"[#" + _length(n_trees)
    written = {output: _integer(output) for output in set(outputs)}
    found = head + b"".join([written[output] for output in outputs])
    start = saved.find(found + _key("trees"))
    if start < 0 or _key("gbtree") + b"{" in saved[:start]:
        return None
    tags = np.empty(n_trees, dtype=[("kind", "S1"), ("value", ">i4")])
    tags["kind"] = b"l"
    tags["value"] = np.arange(n_trees)
    return saved[:start] + head + tags.tobytes() + saved[start + len(found) :]


def weighs(saved: bytes) -> bool:
    """Whether there may be weights that the leaf values of trees are multiplied by (dart)."""
    return _key("weight_drop") in saved


def _key(name: str) -> bytes:
    return _length(len(name)) + name.encode()


def _length(value: int) -> bytes:
    return b"L" + struct.pack(">q", value)


def _integer(value: int) -> bytes:
    """As XGBoost writes it outside of arrays: in the first type that has even larger ones."""
    kind, form = next(it for it in _INTEGERS.items() if value < np.iinfo(it[1]).max)
    return kind + struct.pack(form, value)
