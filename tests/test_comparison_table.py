"""What comparisons look like as text."""

from __future__ import annotations

import pytest

from ensprune.comparison import COMPETITORS, Comparison, table


@pytest.mark.parametrize(
    ("full", "told"), [(0.002, "2.0x"), (0.09994, "99.9x"), (0.099951, "100x"), (4.3, "4300x")]
)
def test_columns_stay_apart(full, told):
    row = Comparison(
        "flights",
        "ROC AUC",
        "Stacking",
        "stack",
        members=(6, 3),
        size=(1_800_000, 103_000),
        seconds=(full, 0.001),
        scores=dict.fromkeys(COMPETITORS, 0.7),
    )
    (line,) = [line for line in table([row]).splitlines() if line.startswith("Stacking ")]
    members, sizes, times, scores = line.split("|")
    assert members.split() == ["Stacking", "6>3"]
    assert sizes.split() == ["1.8", "MB", "103", "kB", "17.5x"]
    assert times.split() == [f"{1000 * full:.1f}", "1.0", told]
    assert scores.split() == ["0.700", *["0.700*"] * 4]
