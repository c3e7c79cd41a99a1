"""Each thing that can be wrong is found, with its cure, and nothing else is."""

from __future__ import annotations

import datetime as dt

import attrs
import pytest

from pibramble.gps.calendar import NOT_BEFORE, ROUND, unrolled
from pibramble.gps.detect import Attempt
from pibramble.gps.doctor import examine
from pibramble.gps.findings import Finding, Observation, Service, Severity
from pibramble.gps.framing import sentence
from pibramble.gps.model import (
    Chosen,
    Chrony,
    Constellation,
    Counts,
    Fix,
    GpsState,
    Mode,
    Origin,
    Satellite,
    Sky,
    Source,
    TimeSource,
)
from pibramble.gps.protocols import listen
from tests.unit.gps.test_protocols import ubx

NOW = NOT_BEFORE + dt.timedelta(days=30)
NMEA = listen(sentence("GPGSV,1,1,00") * 4)
GOOD = GpsState(
    Source(Origin.GPSD, "127.0.0.1:2947", "/dev/ttyUSB0"),
    Fix(NOW, Mode.THREE_D, latitude_deg=52.0, longitude_deg=13.0, satellites_used=8),
    Sky((Satellite(Constellation.GPS, 3, 3, 60, 120, 44.0, used=True),)),
    Counts(sentences=100, epochs=10),
    leap_seconds=18,
)
GPS_CLOCK = TimeSource("reference clock", "GPS", Chosen.BEST, 0, 0o377, 4, 0.001, 0.1)
OTHER = TimeSource("server", "192.0.2.1", Chosen.BEST, 2, 0o377, 4, 0.001, 0.01)


def found(**seen: object) -> dict[str, Finding]:
    return {finding.rule: finding for finding in examine(Observation(NOW, **seen))}  # type: ignore[arg-type]


def bad(**seen: object) -> dict[str, Finding]:
    return {rule: finding for rule, finding in found(**seen).items() if finding.severity is not Severity.GOOD}


def state(**changes: object) -> GpsState:
    return attrs.evolve(GOOD, **changes)  # type: ignore[arg-type]


def test_nothing_is_wrong_where_all_is_well() -> None:
    seen = {"state": GOOD, "gpsd": Service.TALKING, "chrony": Service.TALKING, "chronys": Chrony(sources=(GPS_CLOCK,))}
    assert not bad(**seen)
    assert {"fix", "gpsd", "chrony"} <= set(found(**seen))


@pytest.mark.parametrize(
    ("data", "rule", "word"),
    [
        (b"", "no-data", "TX"),
        (bytes(range(128, 256)), "noise", "MAX3232"),
        (b"zero1 login: ", "console-cable", "/dev/serial/by-id/"),
        (ubx() * 3, "not-nmea", "gpsd"),
    ],
)
def test_what_comes_over_the_wire_is_told(data: bytes, rule: str, word: str) -> None:
    wrong = bad(port="/dev/ttyUSB0", attempts=(Attempt(9600, listen(data)),))
    assert word in wrong[rule].cure


def test_another_speed_than_the_one_that_was_asked_for_is_told() -> None:
    wrong = bad(port="/dev/ttyUSB0", wanted_baud=4800, attempts=(Attempt(9600, NMEA),))
    assert "`baud = 9600`" in wrong["wrong-speed"].cure
    assert not bad(port="/dev/ttyUSB0", wanted_baud=9600, attempts=(Attempt(9600, NMEA),))


def test_many_wrong_checksums_are_told() -> None:
    assert "17%" in bad(state=state(counts=Counts(sentences=100, wrong=20, epochs=9)))["checksums"].what
    assert not bad(state=state(counts=Counts(sentences=100, wrong=2, epochs=9)))


@pytest.mark.parametrize(
    ("signal", "severity", "word"),
    [(None, Severity.PROBLEM, "antenna"), (18.0, Severity.PROBLEM, "faint"), (42.0, Severity.WARNING, "wait")],
)
def test_no_fix_is_explained_by_what_is_heard(signal: float | None, severity: Severity, word: str) -> None:
    sky = Sky((Satellite(Constellation.GPS, 3, 3, signal_dbhz=signal),))
    wrong = bad(state=state(fix=Fix(NOW, Mode.NO_FIX), sky=sky))["no-fix"]
    assert wrong.severity is severity
    assert word in wrong.cure


def test_a_2d_fix_is_told() -> None:
    assert "four" in bad(state=state(fix=attrs.evolve(GOOD.fix, mode=Mode.TWO_D)))["2d-only"].cure


def test_a_week_that_rolled_over_is_told_with_the_day_that_is_meant() -> None:
    day = dt.datetime(2026, 12, 24, 18, 0, tzinfo=dt.UTC)
    wrong = bad(state=state(fix=attrs.evolve(GOOD.fix, time=day - ROUND)))["week-rollover"]
    assert "2007-05-10" in wrong.what
    assert "1024 weeks more it would be 2026-12-24" in wrong.what
    assert "week-rollover" not in bad(state=state(fix=attrs.evolve(GOOD.fix, time=day - ROUND)), live=False)


def test_a_day_that_no_weeks_put_right_is_told_to_be_past() -> None:
    wrong = bad(state=state(fix=attrs.evolve(GOOD.fix, time=NOT_BEFORE - dt.timedelta(days=90))))["week-rollover"]
    assert "replayed" in wrong.cure


def test_two_rounds_of_weeks_are_counted_as_two() -> None:
    day = NOT_BEFORE + dt.timedelta(days=5)
    assert unrolled(day) is None
    assert unrolled(day - ROUND) == unrolled(day - 2 * ROUND) == day


def test_a_round_of_weeks_too_many_is_told() -> None:
    wrong = bad(state=state(fix=attrs.evolve(GOOD.fix, time=NOW + ROUND)))["week-rollover"]
    assert f"1024 weeks less it would be {NOW:%Y-%m-%d}" in wrong.what


def test_a_clock_that_is_days_off_is_this_machines_unless_it_follows_another_source() -> None:
    later = attrs.evolve(GOOD.fix, time=NOW + dt.timedelta(days=800))
    ours = bad(state=state(fix=later))["clock"]
    assert (ours.severity, "-800.0 days off" in ours.what) == (Severity.WARNING, True)
    assert "makestep" in ours.cure
    assert "clock" not in bad(state=state(fix=later), live=False)
    theirs = bad(state=state(fix=later, offset_s=-100.0), chrony=Service.TALKING, chronys=Chrony(sources=(OTHER,)))
    assert (theirs["clock"].severity, "192.0.2.1" in theirs["clock"].what) == (Severity.PROBLEM, True)
    assert "clock" not in bad(state=state(offset_s=17.5))  # leap seconds at the most


def test_whole_seconds_against_another_source_are_leap_seconds() -> None:
    chronys = Chrony(sources=(OTHER,))
    wrong = bad(state=state(leap_seconds=None, offset_s=2.4), chrony=Service.TALKING, chronys=chronys)
    assert wrong["leap-seconds"].severity is Severity.PROBLEM
    assert "about 2 s" in wrong["leap-seconds"].what
    unsure = bad(state=state(leap_seconds=None, offset_s=0.3), chrony=Service.TALKING, chronys=chronys)
    assert unsure["leap-seconds"].severity is Severity.NOTE


def test_a_place_without_a_day_is_told() -> None:
    assert "RMC" in bad(state=state(fix=attrs.evolve(GOOD.fix, time=None)))["no-date"].cure


def test_gpsd_that_is_missing_silent_or_without_a_receiver_is_told() -> None:
    assert "apt-get install gpsd" in bad(gpsd=Service.MISSING)["gpsd"].cure
    assert "systemctl" in bad(gpsd=Service.SILENT, gpsd_problem="connection refused")["gpsd"].cure
    nothing = GpsState(GOOD.source, problem="gpsd runs, and has no receiver to read")
    assert "no receiver" in bad(gpsd=Service.TALKING, state=nothing)["gpsd"].what
    assert "heard nothing" in bad(gpsd=Service.TALKING, state=None)["gpsd"].what
    deaf = bad(gpsd=Service.TALKING, state=GpsState(GOOD.source))["gpsd"]
    assert "of a receiver at /dev/ttyUSB0" in deaf.what
    assert "`pibramble gps detect /dev/ttyUSB0`" in deaf.cure


def test_chrony_that_is_missing_silent_or_without_the_receiver_is_told() -> None:
    assert "apt-get install chrony" in bad(chrony=Service.MISSING)["chrony"].cure
    assert "systemctl" in bad(chrony=Service.SILENT, chronys=Chrony(problem="506 Cannot talk to daemon"))["chrony"].cure
    assert "refclock" in bad(chrony=Service.TALKING, chronys=Chrony(sources=(OTHER,)))["chrony"].cure


def test_what_chrony_thinks_of_the_receiver_is_told() -> None:
    deaf = attrs.evolve(GPS_CLOCK, reach=0)
    false = attrs.evolve(GPS_CLOCK, chosen=Chosen.FALSE, offset_s=1.0)
    assert "restart gpsd" in bad(chrony=Service.TALKING, chronys=Chrony(sources=(deaf,)))["chrony"].cure
    assert "offset" in bad(chrony=Service.TALKING, chronys=Chrony(sources=(false,)))["chrony"].cure
    early = attrs.evolve(GPS_CLOCK, chosen=Chosen.UNUSABLE, error_s=0.5)
    assert "error of 500.0 ms" in bad(chrony=Service.TALKING, chronys=Chrony(sources=(early,)))["chrony"].what


def test_every_problem_has_a_cure() -> None:
    for severity, cure in [(f.severity, f.cure) for f in examine(Observation(NOW, gpsd=Service.MISSING))]:
        assert severity is Severity.GOOD or cure
