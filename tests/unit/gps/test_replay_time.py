"""Logs moved to another time."""

from __future__ import annotations

import datetime as dt
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.gps.framing import checksum, sentence
from pibramble.gps.replay_time import LONGEST_GAP_S, moved, replayed, rounds
from pibramble.targets.lab.receiver import made_up

THEN = dt.datetime(2031, 2, 3, 4, 5, 6, 780_000, tzinfo=dt.UTC)

LOG = b"".join(
    sentence(content)
    for content in (
        b"GPGSA,A,3,04,05,09,12,24,25,29,,,,,,2.1,1.2,1.7",
        b"GPGGA,235958.00,4807.038,N,01131.000,E,1,07,1.2,545.4,M,46.9,M,,",
        b"GPRMC,235958.00,A,4807.038,N,01131.000,E,000.0,000.0,310310,,,A",
        b"GPGGA,235959.00,4807.038,N,01131.000,E,1,07,1.2,545.4,M,46.9,M,,",
        b"GPRMC,235959.00,A,4807.038,N,01131.000,E,000.0,000.0,310310,,,A",
        b"GPGGA,000000.00,4807.038,N,01131.000,E,1,07,1.2,545.4,M,46.9,M,,",
        b"GPGGA,010000.00,4807.038,N,01131.000,E,1,07,1.2,545.4,M,46.9,M,,",
    )
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            b"GPRMC,235959,A,4807.038,N,01131.000,E,0,0,310310,,,A",
            b"GPRMC,040506,A,4807.038,N,01131.000,E,0,0,030231,,,A",
        ),
        (b"GNGGA,235959.9,4807.038,N,,,1,07,1.2,5,M,4,M,,", b"GNGGA,040506.7,4807.038,N,,,1,07,1.2,5,M,4,M,,"),
        (b"GPZDA,235959.000,31,03,2010,00,00", b"GPZDA,040506.780,03,02,2031,00,00"),
        (b"GLGLL,4807.0,N,01131.0,E,235959.00,A,A", b"GLGLL,4807.0,N,01131.0,E,040506.78,A,A"),
        (b"GPGST,235959,1,1,1,1,1,1,1", b"GPGST,040506,1,1,1,1,1,1,1"),
        # A receiver that knows no time yet goes on knowing none.
        (b"GPRMC,,V,,,,,,,,,,N", b"GPRMC,,V,,,,,,,,,,N"),
        (b"GPZDA,,,,,00,00", b"GPZDA,,,,,00,00"),
        (b"GPGSV,1,1,01,04,62,303,44", b"GPGSV,1,1,01,04,62,303,44"),
        (b"PMTK001,235959,3", b"PMTK001,235959,3"),
    ],
)
def test_time_and_date_are_moved_and_nothing_else(content: bytes, expected: bytes) -> None:
    assert moved(sentence(content), THEN) == sentence(expected)


@pytest.mark.parametrize(
    "line",
    [b"$GPRMC,235959,A,,,,,,,310310,,,A*00\r\n", b"\xb5b\x06\x00\n", b"", b"$GPRMC", b"# 235959\n", b"$GPRMC,*47"],
)
def test_noise_stays_noise(line: bytes) -> None:
    assert moved(line, THEN) == line


def test_a_sentence_without_a_checksum_gets_none() -> None:
    assert moved(b"$GPGST,235959,1\n", THEN) == b"$GPGST,040506,1\n"


@given(st.binary(max_size=120), st.integers(0, 3_000_000_000))
def test_whatever_a_line_holds_it_comes_out_with_a_right_checksum_or_as_it_was(junk: bytes, when_s: int) -> None:
    when = dt.datetime.fromtimestamp(when_s, dt.UTC)
    for line in (junk, sentence(b"GPRMC," + junk), sentence(b"GPZDA," + junk), sentence(b"GNGLL," + junk)):
        out = moved(line, when)
        if out != line:
            found = re.fullmatch(rb"\$(.*)\*(..)\r\n", out, re.DOTALL)
            assert found is not None
            assert found[2] == b"%02X" % checksum(found[1])


def test_a_log_falls_into_rounds_with_the_time_between_them() -> None:
    found = rounds(LOG)
    assert [len(one.lines) for one in found] == [2, 2, 1, 1]
    assert [one.after_s for one in found] == [1.0, 1.0, 1.0, LONGEST_GAP_S]  # over midnight; nobody waits an hour


def test_a_log_without_a_time_has_no_rounds() -> None:
    assert rounds(b"$GPGSV,1,1,00*79\r\nnonsense\n") == ()
    assert list(itertools.islice(replayed((), THEN), 1)) == []


def test_a_replay_goes_on_from_its_start_without_an_end() -> None:
    start = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
    times = [when for when, _ in itertools.islice(replayed(rounds(LOG), start), 6)]
    assert [(when - start).total_seconds() for when in times] == [0, 1, 2, 12, 13, 14]
    _, said = next(replayed(rounds(LOG), start))
    assert b"$GPRMC,000000.00,A,4807.038,N,01131.000,E,000.0,000.0,251126,,,A*" in said


def test_a_single_round_is_said_every_second() -> None:
    start = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
    times = [when for when, _ in itertools.islice(replayed((made_up(fix=True),), start), 3)]
    assert [(when - start).total_seconds() for when in times] == [0, 1, 2]
