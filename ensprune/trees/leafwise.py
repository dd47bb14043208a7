"""Trees of LightGBM, as the text of its saved models lists them; loading models is ``members/``.

Inner nodes and leaves are numbered apart there, a leaf ``j`` being the child ``~j``. Here the inner
nodes come first, the root being node 0, then the leaves.
"""

from __future__ import annotations

import numpy as np

from .structure import Tree, TreeCut, float_keys

_CATEGORICAL, _DEFAULT_LEFT = 1, 2  # bits of decision_type; the next two say what is missing
_NONE, _ZERO, _NAN = 0, 1, 2

_PER_INNER = (
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "internal_value",
    "internal_weight",
    "internal_count",
)


def numbers_of(tree: dict[str, str], name: str, dtype: type = np.float64) -> np.ndarray:
    """A field of a tree, shape (n_nodes,)."""
    return np.array(tree[name].split(), dtype=dtype)


def text_of(values: np.ndarray) -> str:
    """Numbers as a field of a tree, with all their digits."""
    return " ".join(map(repr, values.tolist()))


def read_leafwise(tree: dict[str, str], leaf_values: np.ndarray) -> Tree:
    """The tree of a saved model, with a number in each leaf.

    A row, in float64, goes left where it is at most the threshold. A category goes left where the
    node lists it, and right in any other case, missing ones included. Without missing values in
    training, one counts as 0.

    Parameters
    ----------
    tree : dict of str to str
    leaf_values : ndarray of shape (n_leaves,)

    Raises
    ------
    ValueError
        If the model takes zeros for missing values.
    """
    n_leaves = len(leaf_values)
    n_inner = n_leaves - 1
    n_nodes = n_inner + n_leaves
    inner = slice(0, n_inner)
    left, right = (np.full(n_nodes, -1, dtype=np.intp) for _ in range(2))
    feature, bound = (np.zeros(n_nodes, dtype=np.int64) for _ in range(2))
    missing_left, categorical = (np.zeros(n_nodes, dtype=bool) for _ in range(2))
    values, cover = np.zeros(n_nodes), np.ones(n_nodes)
    values[n_inner:] = leaf_values
    if n_inner:
        for links, side in ((left, "left_child"), (right, "right_child")):
            children = numbers_of(tree, side, np.intp)
            links[inner] = np.where(children < 0, n_inner + ~children, children)
        feature[inner] = numbers_of(tree, "split_feature", np.intp)
        kind = numbers_of(tree, "decision_type", np.intp)
        thresholds = numbers_of(tree, "threshold")
        bound[inner] = float_keys(thresholds)
        categorical[inner] = kind & _CATEGORICAL
        missing = (kind >> 2) & 3
        if (missing[~categorical[inner]] == _ZERO).any():
            raise ValueError(
                "this LightGBM model was trained with zero_as_missing=True: its trees send zeros "
                "where no comparison would; they can be kept or dropped whole only"
            )
        default = (kind & _DEFAULT_LEFT) > 0
        missing_left[inner] = np.where(missing == _NAN, default, thresholds >= 0)
        missing_left &= ~categorical
        cover[n_inner:] = numbers_of(tree, "leaf_weight")
        for node in range(n_inner - 1, -1, -1):  # children have higher numbers
            cover[node] = cover[left[node]] + cover[right[node]]
    listed = _listed(tree)
    codes = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *listed.values()]))
    # The last column stands for all the categories that no node lists.
    codes_left = np.zeros((n_nodes, len(codes) + 1 if listed else 0), dtype=bool)
    for node, categories in listed.items():
        codes_left[node, np.searchsorted(codes, categories)] = True
    return Tree(
        left=left,
        right=right,
        feature=feature.astype(np.intp),
        bound=bound,
        missing_left=missing_left,
        categorical=categorical,
        codes_left=codes_left,
        values=values[:, None],
        cover=cover,
    )


def _words(tree: dict[str, str]) -> dict[int, list[str]]:
    """Bitsets of the categories that go left, 32 to a word, by inner node."""
    if tree["num_cat"] == "0":
        return {}
    starts = numbers_of(tree, "cat_boundaries", np.intp)
    words = tree["cat_threshold"].split()
    nodes = np.flatnonzero(numbers_of(tree, "decision_type", np.intp) & _CATEGORICAL)
    which = numbers_of(tree, "threshold")[nodes].astype(np.intp)
    return {
        int(node): words[starts[at] : starts[at + 1]] for node, at in zip(nodes, which, strict=True)
    }


def _listed(tree: dict[str, str]) -> dict[int, np.ndarray]:
    """The categories that go left, by inner node."""
    shifts = np.arange(32)
    return {
        node: np.flatnonzero(((np.array(words, dtype=np.int64)[:, None] >> shifts) & 1).ravel())
        for node, words in _words(tree).items()
    }


def cut_leafwise(
    tree: dict[str, str], cut: TreeCut, leaf_values: np.ndarray, offset: float
) -> dict[str, str]:
    """A smaller tree for a saved model; the given one is left as it is.

    Parameters
    ----------
    tree : dict of str to str
    cut : TreeCut
        In the numbers of :func:`read_leafwise`.
    leaf_values : ndarray of shape (n_leaves,)
        What that was given.
    offset : float
        What the model's leaf values have in them beside it.
    """
    n_inner = len(leaf_values) - 1
    leaf = cut.left < 0
    # In the order of the cut, parents come before their children among the inner nodes, too.
    number = np.where(leaf, ~(np.cumsum(leaf) - 1), np.cumsum(~leaf) - 1)
    inner, outer = cut.kept[~leaf], cut.kept[leaf]
    result = dict(tree)
    for name in _PER_INNER:
        field = tree[name].split()
        result[name] = " ".join(field[node] for node in inner)
    result["left_child"] = " ".join(map(str, number[cut.left[~leaf]]))
    result["right_child"] = " ".join(map(str, number[cut.right[~leaf]]))
    # A value that was there is written as it was, so that nothing is rounded again.
    written = dict(zip(leaf_values.tolist(), tree["leaf_value"].split(), strict=True))
    values = cut.values[leaf, 0].tolist()
    result["leaf_value"] = " ".join(written.get(v, repr(v + offset)) for v in values)
    totals = {
        "leaf_weight": _totals(tree, "leaf_weight", np.float64),
        "leaf_count": _totals(tree, "leaf_count", np.int64),
    }
    for name, total in totals.items():
        result[name] = text_of(total[outer]) if n_inner else tree[name]
    result["num_leaves"] = str(int(leaf.sum()))
    words = _words(tree)
    split = [i for i, node in enumerate(inner.tolist()) if node in words]
    result["num_cat"] = str(len(split))
    for name in ("cat_boundaries", "cat_threshold"):
        result.pop(name, None)
    if not split:
        return result
    lists = [words[int(inner[i])] for i in split]
    thresholds = result["threshold"].split()
    for position, i in enumerate(split):
        thresholds[i] = str(position)
    result["threshold"] = " ".join(thresholds)
    bounds = np.cumsum([0, *map(len, lists)]).tolist()
    categories = {
        "cat_boundaries": " ".join(map(str, bounds)),
        "cat_threshold": " ".join(word for one in lists for word in one),
    }
    # Where LightGBM has them: before is_linear.
    ordered = {}
    for name, value in result.items():
        if name == "is_linear":
            ordered.update(categories)
        ordered[name] = value
    return ordered


def _totals(tree: dict[str, str], name: str, dtype: type) -> np.ndarray:
    """A field of the leaves, summed up over those at and below each node, shape (n_nodes,)."""
    own = numbers_of(tree, name, dtype)
    n_inner = max(len(own) - 1, 0)
    result = np.concatenate([np.zeros(n_inner, dtype=dtype), own])
    if n_inner == 0:
        return result
    left, right = (numbers_of(tree, side, np.intp) for side in ("left_child", "right_child"))
    for node in range(n_inner - 1, -1, -1):
        for child in (left[node], right[node]):
            result[node] += result[n_inner + ~child if child < 0 else child]
    return result
