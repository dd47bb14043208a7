"""Ctrl-C while a solver is at work: the caller is free within moments."""

from __future__ import annotations

import subprocess
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Seconds between two looks for an interrupt; the end of a solve is noticed at once.
_LOOK = 0.1

# Seconds to wait for an interrupted solver.
_PATIENCE = 1.0


def run_interruptibly(model: Any) -> None:
    """Solve with HiGHS in a thread of its own, and stop it where the caller is interrupted.

    Python handles signals between two steps of its main thread, and the next of these would come
    when the solver returns. HiGHS mostly stops at once, but within its heuristics it does not look
    for interrupts, for seconds or longer. Then the thread is left to end by itself, at the first
    look: nobody reads what it finds.

    Parameters
    ----------
    model : highspy.Highs
        Without callbacks of the user.
    """
    if not hasattr(model, "HandleUserInterrupt"):  # highspy before 1.8
        model.run()
        return
    model.HandleUserInterrupt = True
    model.startSolve()
    try:
        while not model.wait(_LOOK)[0]:
            pass
    except BaseException:
        model.cancelSolve()
        model.wait(_PATIENCE)
        raise
    model.HandleUserInterrupt = False


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


__all__ = ["no_process_left", "run_interruptibly"]
