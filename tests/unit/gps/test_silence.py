"""A source that says nothing any more is told of, and a last fix not taken for the present one."""

from __future__ import annotations

import attrs
import pytest

from pibramble.gps.model import Counts, GpsState, Origin, Source
from pibramble.gps.silence import Ear

PORT = GpsState(Source(Origin.PORT, "/dev/ttyUSB0", baud=9600))
GPSD = GpsState(Source(Origin.GPSD, "127.0.0.1:2947", device="/dev/ttyUSB0"))
_NOON_S = 43_200.0  # by the system's clock, when the monotonic one says 0


def told(*moments: tuple[float, Counts], of: GpsState = PORT) -> str:
    """Return what is said last of a source that has come so far at those moments."""
    ear = Ear()
    problem = ""
    for at_s, counts in moments:
        problem = ear.told(attrs.evolve(of, counts=counts), at_s, _NOON_S + at_s).problem
    return problem


def test_a_port_that_goes_on_is_well() -> None:
    assert told(*((float(at), Counts(bytes=at * 70, sentences=at)) for at in range(100))) == ""


def test_a_receiver_that_speaks_every_fifth_second_is_well() -> None:
    assert told(*((float(at), Counts(bytes=at // 5, sentences=at // 5)) for at in range(100))) == ""


def test_a_port_that_falls_silent_is_told_with_the_moment_and_alike_each_time() -> None:
    counts = Counts(bytes=70, sentences=1)
    said = [told((3, counts), *((at, counts) for at in range(4, last))) for last in (10, 15, 60)]
    assert said == ["", "nothing has come since 12:00:03 UTC", "nothing has come since 12:00:03 UTC"]


def test_bytes_that_make_no_sentence_are_told_as_another_speed() -> None:
    said = told(*((at, Counts(bytes=at * 100, sentences=5)) for at in range(6)))
    assert "is 9600 baud" not in said
    assert "9600 baud may be the wrong speed" in said
    assert "`pibramble gps detect /dev/ttyUSB0`" in said


def test_gpsd_counts_by_its_reports_and_not_by_its_answers() -> None:
    assert told(*((at, Counts(sentences=at)) for at in range(20)), of=GPSD) == (
        "gpsd has reported nothing of /dev/ttyUSB0 since 12:00:00 UTC"
    )
    assert told(*((at, Counts(epochs=at)) for at in range(20)), of=GPSD) == ""


def test_what_is_wrong_already_is_not_talked_over() -> None:
    lost = attrs.evolve(GPSD, problem="gpsd has lost the receiver at /dev/ttyUSB0")
    assert told((0, Counts()), (60, Counts()), of=lost) == lost.problem


def test_a_source_that_comes_back_is_well_again() -> None:
    assert told((0, Counts()), (60, Counts()), (61, Counts(bytes=70, sentences=1))) == ""


@pytest.mark.parametrize("step_s", [-1e9, 1e9])
def test_a_step_of_the_systems_clock_is_no_silence(step_s: float) -> None:
    ear = Ear()
    ear.told(PORT, 0, _NOON_S)
    assert ear.told(PORT, 1, _NOON_S + step_s).problem == ""
