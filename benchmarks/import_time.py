"""How long does importing EnsemblePruner take, as a multiple of ``import sklearn.ensemble``?

``import ensprune`` alone loads next to nothing. Every import runs in a fresh interpreter, the two in turn; prints the medians, the median ratio, and
which libraries were loaded that should load only when used. ``--check`` exits with 1 if the ratio is
1.5 or more or one of those was loaded.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

MEASURE = """
import sys, time
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
print(seconds, *(name for name in {lazy} if name in sys.modules))
"""


STATEMENTS = ("import sklearn.ensemble", "from ensprune import EnsemblePruner")


def fresh_import(statement: str) -> tuple[float, list[str]]:
    """Seconds of an import in a fresh interpreter, and what it loaded without need."""
    code = MEASURE.format(statement=statement, lazy=("xgboost", "pulp", "highspy", "matplotlib"))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *loaded = run.stdout.split()
    return float(seconds), loaded


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="imports of each")
    parser.add_argument("--check", action="store_true", help="exit with 1 from 1.5x on")
    options = parser.parse_args()

    for statement in STATEMENTS:
        fresh_import(statement)  # compiles, and fills the disk cache
    runs = [[fresh_import(statement) for statement in STATEMENTS] for _ in range(options.runs)]
    # Paired, so that a busy moment slows both sides of a ratio.
    ratio = statistics.median(run[1][0] / run[0][0] for run in runs)
    loaded = runs[0][1][1]

    for position, statement in enumerate(STATEMENTS):
        median = statistics.median(run[position][0] for run in runs)
        print(f"{statement:38}{median:.2f} s")
    print(f"{'ratio':38}{ratio:.2f}")
    print(f"{'loaded without need':38}{', '.join(loaded) or 'nothing'}")
    return int(options.check and (ratio >= 1.5 or bool(loaded)))


if __name__ == "__main__":
    sys.exit(main())
