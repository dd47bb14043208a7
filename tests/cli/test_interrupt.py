"""Ctrl-C on the installed command: one line, exit code 130, the files as they were."""

import os
import re
import signal
import subprocess
import sys
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


# Ctrl-C when the named module is about to be imported.
_WHILE_IMPORTING = """
import os, signal, sys

class Interrupts:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(Interrupts)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts)
sys.argv = ["ensprune", "prune", "forest.skops", "--data", "val.csv", "--target", "class",
            "--scoring", "f1_macro", "--out", "small.skops"]
{start}
"""
_STARTS = {
    "script": "from ensprune.cli.command import main; sys.exit(main())",
    "module": "import runpy; runpy.run_module('ensprune', run_name='__main__', alter_sys=True)",
}


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize(
    ("module", "start"),
    [("ensprune.cli.prune", "script"), ("sklearn.base", "script"), ("numpy.linalg", "module")],
)
def test_an_interrupt_while_libraries_are_imported(folder, module, start):
    before = set(os.listdir(folder))
    code = _WHILE_IMPORTING.format(module=module, start=_STARTS[start])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 130
    assert done.stdout == ""
    assert re.fullmatch(r"ensprune( prune)?: interrupted: nothing was written\n", done.stderr)
    assert set(os.listdir(folder)) == before


def test_what_the_command_can_do_is_said_before_libraries_are_there():
    code = (
        "import sys; from ensprune.cli.command import main\n"
        "try: main(['prune', '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'numpy', 'sklearn', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
