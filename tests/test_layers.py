"""Imports only go down, and never sideways between members, objectives and networks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ensprune

ROOT = Path(ensprune.__file__).parent
MODULES = {
    path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.rglob("*.py")
}

# What knows nothing of each other; a selector sees arrays, never an estimator.
APART = {
    "members": {"objectives", "selectors", "mlp", "pruner"},
    "objectives": {"members", "selectors", "mlp", "pruner"},
    "mlp": {"members", "objectives", "selectors", "pruner"},
    "selectors": {"members", "mlp", "pruner"},
}


def imported(path: Path, nested: bool) -> Iterator[str]:
    """What a module imports of the package, as a file or folder of it at the top."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if nested else tree.body:
        if not isinstance(node, ast.ImportFrom):
            assert not (
                isinstance(node, ast.Import)
                and any(name.name.partition(".")[0] == "ensprune" for name in node.names)
            ), f"{path}: imports within the package are relative"
            continue
        assert (node.module or "").partition(".")[0] != "ensprune", path
        if node.level == 0:
            continue
        above = path.relative_to(ROOT).parts[: -node.level]
        within = [*above, *(node.module or "").split(".")]
        if within != [""]:
            yield next(part for part in within if part)
        else:
            yield from (name.name for name in node.names if name.name[0] != "_")


def place(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


@pytest.mark.parametrize("package", APART)
def test_they_do_not_know_each_other(package):
    for path in (ROOT / package).rglob("*.py"):
        met = APART[package] & set(imported(path, nested=True))
        assert not met, f"{MODULES[path]} imports {met}"


def test_imports_only_go_down():
    below: dict[str, set[str]] = {}
    for path in MODULES:
        # What functions import, or only types, comes later than the layers do.
        below.setdefault(place(path), set()).update(imported(path, nested=False))
    for name, known in below.items():
        known.discard(name)
    order = list(TopologicalSorter(below).static_order())  # CycleError says where one is
    assert order.index("objectives") < order.index("selectors") < order.index("pruner")
    assert order.index("members") < order.index("validation") < order.index("pruner")
