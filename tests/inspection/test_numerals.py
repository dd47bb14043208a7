"""Numbers as reports write them."""

from __future__ import annotations

import pytest

from ensprune.inspection.numerals import bytes_of, count_of, ratio_of, seconds_of


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.00 kB"), (2.5e9, "2.50 GB"), (4e13, "40000 GB")],
)
def test_bytes(number, written):
    assert bytes_of(number).replace(",", "") == written


@pytest.mark.parametrize(
    ("number", "written"),
    [(2.0, "2.00 s"), (0.02, "20.0 ms"), (3e-6, "3.00 µs"), (5e-9, "0.005 µs")],
)
def test_seconds(number, written):
    assert seconds_of(number)[:3] == written[:3]
    assert seconds_of(number).split()[1] == written.split()[1]


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [(0, 0, "same"), (0, 3, ""), (3, 0, ""), (1.0, 1.004, "same"), (8, 2, "4.00x smaller"),
     (2, 8, "4.00x larger")],
)  # fmt: skip
def test_ratios(before, after, written):
    assert ratio_of(before, after, "smaller", "larger") == written
    assert count_of(1234567) == "1,234,567"
