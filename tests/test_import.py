"""Importing ensprune stays light."""

from __future__ import annotations

import subprocess
import sys


def test_heavy_libraries_are_imported_only_when_used():
    code = (
        "import sys, ensprune\n"
        "heavy = {'xgboost', 'lightgbm', 'catboost', 'pulp', 'highspy', 'matplotlib', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from ensprune.selectors import GreedySelector\n"
        "assert 'pulp' not in sys.modules\n"
        "import ensprune.inspection\n"
        "assert 'matplotlib' not in sys.modules and 'ensprune.mlp' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
