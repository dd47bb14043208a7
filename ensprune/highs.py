"""HiGHS behind PuLP 3.3 and 4: silent, warm-started, in time, and stopped by Ctrl-C.

Which programs there are, and what a solve has proved, is said where they are stated.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import numpy as np

# Seconds between two looks for an interrupt; the end of a solve is noticed at once.
_LOOK = 0.1
# Seconds to wait for an interrupted solver.
_PATIENCE = 1.0
# HiGHS takes a limit of nothing for no limit.
LEAST_TIME = 0.05


@cache
def quiet_highs() -> Any:
    """PuLP's HiGHS class without its banner.

    Its option ``warmStart`` holds under PuLP 3 as well, and its attribute ``deadline``, a value of
    ``time.perf_counter()``, counts what PuLP takes to translate the problem.
    """
    import highspy
    import pulp

    class SilentModel(highspy.Highs):
        def enableCallbacks(self) -> None:
            # The constructor calls this, and registering callbacks prints HiGHS's banner unless
            # the console is closed already.
            self.setOptionValue("log_to_console", False)
            super().enableCallbacks()

    class QuietHiGHS(pulp.HiGHS):
        deadline = float("inf")

        def createAndConfigureSolver(self, lp: Any) -> None:
            lp.solverModel = SilentModel()
            lp.solverModel.setOptionValue("log_to_console", False)
            options = {k: v for k, v in self.optionsDict.items() if k != "warmStart"}
            options.pop("logPath", None)
            options |= {"mip_rel_gap": self.gapRel, "mip_abs_gap": self.gapAbs}
            options |= {"threads": self.threads, "time_limit": self.timeLimit}
            for name, value in options.items():
                if value is not None:
                    lp.solverModel.setOptionValue(name, value)
            if self.callbackTuple:
                lp.solverModel.setCallback(*self.callbackTuple)
            for kind in self.callbacksToActivate or ():
                lp.solverModel.startCallback(kind)

        def buildSolverModel(self, lp: Any) -> None:
            super().buildSolverModel(lp)
            if pulp.__version__.startswith("3.") and self.optionsDict.get("warmStart"):
                known = [v for v in lp.variables() if v.varValue is not None]
                if known:
                    positions = np.array([v.index for v in known], dtype=np.int32)
                    values = np.array([v.varValue for v in known], dtype=np.float64)
                    lp.solverModel.setSolution(len(known), positions, values)

        def callSolver(self, lp: Any) -> None:
            # Translating the model took its time, too.
            left = max(self.deadline - time.perf_counter(), LEAST_TIME)
            limit = left if self.timeLimit is None else min(left, self.timeLimit)
            lp.solverModel.setOptionValue("time_limit", float(limit))
            if self.callbackTuple:  # of the user's own, which interrupting would replace
                super().callSolver(lp)
            else:
                run_interruptibly(lp.solverModel)

    return QuietHiGHS


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
