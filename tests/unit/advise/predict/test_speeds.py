"""How fast a board is: as measured, else as the catalogue has it, else nobody knows."""

from __future__ import annotations

import pytest

from pibramble.advise.predict.calibration import NOTHING_MEASURED, Calibration
from pibramble.advise.predict.speeds import speeds
from pibramble.catalog.load import boards
from pibramble.catalog.parts import Speed
from pibramble.errors import PibrambleError

ZERO, FOUR = boards()["pi-zero"], boards()["pi-zero-2w"]
KNOWN = {"pi-zero": Speed(0.24, "any", "a test"), "pi-zero-2w": Speed(0.48, "any", "a test")}


def test_linpack_is_shared_out_among_the_cores_at_six_operations_an_interval() -> None:
    found = speeds([ZERO, FOUR, ZERO], NOTHING_MEASURED, KNOWN)
    assert found.per_core == pytest.approx({"pi-zero": 0.04e9, "pi-zero-2w": 0.02e9})
    assert found.estimated == ("pi-zero", "pi-zero-2w")


def test_what_was_measured_counts_more() -> None:
    found = speeds([ZERO, FOUR], Calibration("run", {"pi-zero": 1.7e7}), KNOWN)
    assert found.per_core["pi-zero"] == 1.7e7
    assert found.estimated == ("pi-zero-2w",)


def test_a_board_that_nobody_knows_is_named_with_both_cures() -> None:
    with pytest.raises(PibrambleError, match="pi-zero-2w") as caught:
        speeds([FOUR], NOTHING_MEASURED, {})
    assert "bench" in caught.value.hint
    assert "[catalog.speeds.pi-zero-2w]" in caught.value.hint
