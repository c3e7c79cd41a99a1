"""The report of `chronyc -c tracking` is read as chrony means it."""

from __future__ import annotations

import pytest

from pibramble.chronyc import Tracking, is_report


def test_a_clock_that_is_slow_is_behind() -> None:
    # "System time: 0.000006523 seconds slow of NTP time" and its other lines, as chronyc(1) has them
    text = (
        "C0000201,192.0.2.1,3,1422629531.0,0.000006523,-0.000006747,0.000035822,-3.225,-0.000,0.129,"
        "0.013639022,0.001100737,64.2,Normal\n"
    )
    tracking = Tracking.read(text)
    assert tracking is not None
    assert (tracking.reference, tracking.stratum, tracking.offset_s) == ("192.0.2.1", 3, -0.000006523)
    assert (tracking.root_delay_s, tracking.root_dispersion_s, tracking.leap) == (0.013639022, 0.001100737, "Normal")


def test_tracking_without_a_reference_names_none() -> None:
    text = (
        "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.0,1.0,0.0,Not synchronised\n"
    )
    tracking = Tracking.read(text)
    assert tracking is not None
    assert (tracking.reference, tracking.leap, tracking.follows) == ("", "Not synchronised", False)


def test_a_clock_that_follows_itself_follows_nobody() -> None:
    # As chronyd 4.3 prints it with `local stratum 10` alone.
    text = "7F7F0101,,10,1795571833.5" + ",0.0" * 9 + ",Normal\n"
    tracking = Tracking.read(text)
    assert tracking is not None
    assert (tracking.reference, tracking.stratum, tracking.follows) == ("", 10, False)


@pytest.mark.parametrize("text", ["", "nonsense", "1,2,3", "506 Cannot talk to daemon"])
def test_what_chronyc_never_prints_is_no_report(text: str) -> None:
    assert Tracking.read(text) is None
    assert not is_report(text)


def test_a_report_with_words_for_numbers_is_one_that_makes_no_sense() -> None:
    assert is_report(",x" * 13)
    assert Tracking.read(",x" * 13) is None
