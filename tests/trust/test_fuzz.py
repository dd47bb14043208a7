"""Bad arguments, drawn at random: a clear error in time that names one of them, never an answer.

``ENSPRUNE_FUZZ=50000 python -m pytest tests/trust/test_fuzz.py`` draws more.
"""

from __future__ import annotations

import os
import random
import re
import time
import warnings

import pytest
from threadpoolctl import threadpool_limits

from .bad_arguments import Call, calls
from .bad_inspections import inspections

N_CASES = int(os.environ.get("ENSPRUNE_FUZZ", "2400"))
N_PARTS = 8
SECONDS = 5.0


def draw(rng: random.Random) -> tuple[Call, dict, list[str]]:
    """A call, its arguments, and which of them are bad: one to three."""
    call = rng.choice(calls() + inspections())
    n_bad = min(len(call.bad), rng.choice((1, 1, 2, 3)))
    bad = rng.sample(sorted(call.bad), n_bad)
    arguments = {name: rng.choice(values) for name, values in call.good.items()}
    return call, arguments | {name: rng.choice(call.bad[name]) for name in bad}, bad


def names_one(message: str, call: Call, bad: list[str]) -> bool:
    words = [word for name in bad for word in (name, *call.words.get(name, ()))]
    return any(
        re.search(rf"\b{re.escape(word)}", message, 0 if len(word) == 1 else re.IGNORECASE)
        for word in words
    )


def error_of(call: Call, arguments: dict) -> Exception | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn or NumPy on the way to the error
        try:
            call.run(**arguments)
        except (ValueError, TypeError) as error:  # NotFittedError is a ValueError
            return error
    return None


@pytest.mark.parametrize("part", range(N_PARTS))
@threadpool_limits.wrap(limits=1)  # more would wait for those of the tests beside this one
def test_bad_arguments_are_named_in_time(part):
    rng = random.Random(part)
    for case in range(N_CASES // N_PARTS):
        call, arguments, bad = draw(rng)
        shown = f"case {case}: {call.name} with " + ", ".join(
            f"{name}={arguments[name]!r}" for name in bad
        )
        begun = time.perf_counter()
        error = error_of(call, arguments)
        assert time.perf_counter() - begun < SECONDS, shown
        assert error is not None, f"no error in {shown}"
        assert names_one(str(error), call, bad), f"{shown}\n{error!r}"
