"""Importing ensprune stays light."""

from __future__ import annotations

import subprocess
import sys


def test_heavy_libraries_are_imported_only_when_used():
    code = (
        "import sys, ensprune\n"
        "assert not {'numpy', 'sklearn'} & set(sys.modules)\n"
        "from ensprune import EnsemblePruner, compact, distill, prune\n"
        "heavy = {'xgboost', 'lightgbm', 'catboost', 'pulp', 'highspy', 'matplotlib', 'tqdm'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from ensprune.selectors import GreedySelector\n"
        "assert 'pulp' not in sys.modules\n"
        "import ensprune.inspection\n"
        "assert 'matplotlib' not in sys.modules and 'ensprune.mlp' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_everything_public_is_there_without_another_import():
    code = (
        "import ensprune\n"
        "assert set(ensprune.__all__) <= set(dir(ensprune))\n"
        "assert all(callable(getattr(ensprune, name)) for name in ensprune.__all__)\n"
        "assert ensprune.selectors.GreedySelector and ensprune.path.PruningPath\n"
        "assert not hasattr(ensprune, 'prunes') and not hasattr(ensprune, '_private')\n"
        "assert not hasattr(ensprune, 'no.name')\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_threads_may_ask_for_names_at_once():
    code = (
        "import threading, ensprune\n"
        "found = []\n"
        "def ask(name):\n"
        "    found.append(getattr(ensprune, name))\n"
        "names = [*ensprune.__all__, 'members', 'selectors', 'objectives'] * 3\n"
        "threads = [threading.Thread(target=ask, args=(name,)) for name in names]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "assert len(found) == len(names), len(found)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
