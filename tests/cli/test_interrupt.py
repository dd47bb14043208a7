"""Ctrl-C on the installed command: one line, exit code 130, the files as they were."""

import os
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest

COMMAND = Path(sysconfig.get_path("scripts"), "ensprune")


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to the command alone")
def test_an_interrupt_writes_nothing(folder):
    (folder / "small.skops").write_text("old")
    before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    # A search that takes seconds, by a metric without a fast form.
    arguments = (
        "prune", "forest.skops", "--data", "val.csv", "--target", "class", "--size", "19",
        "--scoring", "f1_macro", "--out", "small.skops", "--report", "report.md", "--verbose",
    )  # fmt: skip
    with subprocess.Popen(
        [COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert any("choosing with" in line for line in child.stdout)
        child.send_signal(signal.SIGINT)
        _, complaint = child.communicate(timeout=30)
    assert child.returncode == 130
    assert complaint.splitlines()[-1] == "ensprune prune: interrupted: nothing was written"
    assert "Traceback" not in complaint
    assert {name: (folder / name).read_bytes() for name in os.listdir(folder)} == before
