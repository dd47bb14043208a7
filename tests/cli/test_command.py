"""The command around its subcommands: as a module, and into a pipe that is closed."""

import os
import subprocess
import sys

import pytest

import ensprune


def _run(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "ensprune", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        **options,
    )


def test_the_module_is_the_command():
    with _run("--version", stdout=subprocess.PIPE) as child:
        said, complaint = child.communicate(timeout=60)
    assert (child.returncode, said, complaint) == (0, f"ensprune {ensprune.__version__}\n", "")


@pytest.mark.skipif(os.name != "posix", reason="closes one end of a pipe")
def test_a_reader_that_has_enough_is_no_error_to_complain_of(folder):
    read_end, write_end = os.pipe()
    with _run("inspect", "forest.skops", stdout=write_end) as child:
        os.close(write_end)
        os.close(read_end)
        complaint = child.communicate(timeout=60)[1]
    assert (child.returncode, complaint) == (1, "")
