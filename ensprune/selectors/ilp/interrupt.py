"""Ctrl-C while a solver that is a program of its own is at work: it does not go on alone."""

from __future__ import annotations

import subprocess
import traceback
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_process_left() -> Iterator[None]:
    """End the processes that PuLP started for a solver, where it is left by an exception.

    PuLP waits for a solver that is a program (CBC) and keeps it in a variable of its own; when an
    interrupt ends the waiting, the program would go on until its time limit.
    """
    try:
        yield
    except BaseException as error:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            for value in frame.f_locals.values():
                if not isinstance(value, subprocess.Popen) or value.pid is None:
                    continue
                if value.poll() is None:
                    value.kill()
                    value.wait()
        raise
