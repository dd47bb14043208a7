"""
From a shell
============

The command ``ensprune`` prunes a model that lies in a file, judged on a table that lies in another.
This script makes both in a temporary directory and calls the command as one would in a shell; it
needs the extra ``cli``.
"""

# %%
# A forest, fitted on one half of a table of computing jobs and saved with skops, which unlike a
# pickle can be read without running code; the other half as CSV.
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from ensprune.datasets import load_hpc

folder = tempfile.TemporaryDirectory()
here = Path(folder.name)
X, y = load_hpc(return_X_y=True, as_frame=True)
X = X.select_dtypes("number")
X_train, X_val, y_train, y_val = train_test_split(X, y, stratify=y, test_size=0.5, random_state=0)
forest = RandomForestClassifier(100, min_samples_leaf=2, random_state=0).fit(X_train, y_train)
skops.io.dump(forest, here / "forest.skops")
X_val.assign(runtime=y_val).to_csv(here / "val.csv", index=False)


def shell(command: str) -> None:
    """Run a command line in that directory and show it with what it prints."""
    print(f"$ {command}", flush=True)
    arguments = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(arguments, cwd=here, capture_output=True, text=True, check=False)
    print(done.stdout + done.stderr)


# %%
# What is in the file?
shell("ensprune inspect forest.skops")

# %%
# Ten of the hundred trees, and a page to look at.
shell(
    "ensprune prune forest.skops --data val.csv --target runtime --size 10% "
    "--out small.skops --report report.html"
)
shell("ensprune inspect small.skops")

# %%
# The fewest trees that are certified to lose at most 0.03 of accuracy.
shell(
    "ensprune prune forest.skops --data val.csv --target runtime --size auto --tolerance 0.03 "
    "--confidence 0.9 --out certified.skops"
)

# %%
# Is that worth it on these data? The baseline is a new forest of as many trees.
shell("ensprune compare forest.skops --data val.csv --target runtime --size 10%")

# %%
# A mistake is one line, and the exit code says 2.
shell("ensprune prune forest.skops --data val.csv --target runtimes --out small.skops")

folder.cleanup()
