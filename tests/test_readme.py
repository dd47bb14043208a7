"""What the README shows runs: its Python blocks, one after the other, in one namespace."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

README = Path(__file__).parents[1] / "README.md"


def python_blocks(text: str) -> list[tuple[int, str]]:
    """Line and source of each block that is marked as Python."""
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in found]


def test_blocks_run_in_order(tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib", reason="needs the extra 'plot'")
    matplotlib.use("Agg")
    blocks = python_blocks(README.read_text(encoding="utf-8"))
    assert blocks
    monkeypatch.chdir(tmp_path)
    X, y = load_breast_cancer(return_X_y=True)
    namespace = {"__name__": "readme", "X_num": X, "y_num": y}  # any numbers and their labels
    for line, source in blocks:
        # The lines of the README, so that a traceback points there.
        code = compile("\n" * line + source, str(README), "exec")
        exec(code, namespace)
