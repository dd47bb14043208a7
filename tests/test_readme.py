"""What the README shows runs: its Python blocks, one after the other, in one namespace."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

from ensprune.datasets import load_hpc

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
    # Every sixth row: the blocks are to run, not to be measured.
    X, y = load_hpc(return_X_y=True)
    monkeypatch.setattr("ensprune.datasets.load_hpc", lambda return_X_y: (X[::6], y[::6]))
    X_num, y_num = load_breast_cancer(return_X_y=True)  # any numbers and their labels
    namespace = {"__name__": "readme", "X_num": X_num, "y_num": y_num}
    for line, source in blocks:
        # The lines of the README, so that a traceback points there.
        code = compile("\n" * line + source, str(README), "exec")
        exec(code, namespace)
