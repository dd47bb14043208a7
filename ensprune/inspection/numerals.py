"""Numbers as a report writes them."""

from __future__ import annotations

import math

from .intervals import Estimate


def count_of(number: float) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,.0f}"


def bytes_of(number: float) -> str:
    """Bytes in the unit that suits them.

    Examples
    --------
    >>> bytes_of(1_234_567)
    '1.23 MB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:.0f} {unit}" if unit == "bytes" else f"{_three_digits(number)} {unit}"


def seconds_of(number: float) -> str:
    """Seconds in the unit that suits them.

    Examples
    --------
    >>> seconds_of(0.00123)
    '1.23 ms'
    """
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if number * scale >= 1 or unit == "µs":
            break
    return f"{_three_digits(number * scale)} {unit}"


def ratio_of(before: float, after: float, better: str, worse: str, noise: float = 0.0) -> str:
    """How many times less there is after than before, or more.

    Parameters
    ----------
    before, after : float
    better, worse : str
        What less is called, and what more.
    noise : float, default=0.0
        Share of either that measuring again may change.

    Examples
    --------
    >>> ratio_of(10.0, 4.0, "smaller", "larger"), ratio_of(1.0, 1.03, "faster", "slower", 0.05)
    ('2.50x smaller', 'same')
    """
    if before <= 0 or after <= 0:
        return "same" if before == after else ""
    ratio, word = (before / after, better) if before >= after else (after / before, worse)
    return "same" if ratio < 1.005 + noise else f"{_three_digits(ratio)}x {word}"


def score_of(score: Estimate) -> str:
    """A score with its interval, where it has one, to four digits."""
    if not math.isfinite(score.low):
        return _four_digits(score.value)
    low, high = _four_digits(score.low), _four_digits(score.high)
    return f"{_four_digits(score.value)} [{low}, {high}]"


def changed(change: Estimate) -> str:
    """A difference, with its sign."""
    if not math.isfinite(change.low):
        return f"{change.value:+.2g}"
    return f"{change.value:+.2g} [{change.low:+.2g}, {change.high:+.2g}]"


def _three_digits(number: float) -> str:
    digits = 2 - math.floor(math.log10(number)) if number > 0 else 0
    return f"{number:,.{max(0, digits)}f}"


def _four_digits(number: float) -> str:
    return f"{number:#.4g}".removesuffix(".")
