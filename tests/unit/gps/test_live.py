"""The screen shows what there is, and fits."""

from __future__ import annotations

from io import StringIO

import attrs
import pytest
from rich.console import Console

from pibramble.chronyc import Tracking
from pibramble.gps import sources, words
from pibramble.gps.live import screen
from pibramble.gps.model import Chosen, Chrony, GpsState, Origin, Pulse, Source, TimeSource
from tests.unit.gps.gpsd_logs import OWN


@pytest.fixture
def state() -> GpsState:
    *_, last = sources.states(Source(Origin.LOG, str(OWN / "walk.log")))
    tracking = Tracking("GPS", 1, 0.000012, 0.0001, 0.0, 0.001, "Normal")
    clock = TimeSource("reference clock", "GPS", Chosen.BEST, 0, 0o377, 4, -0.0002, 0.05)
    return attrs.evolve(last, chrony=Chrony(tracking, (clock,)), offset_s=0.25)


def shown(state: GpsState, width: int = 110, height: int = 30) -> str:
    out = StringIO()
    Console(file=out, width=width, height=height).print(screen(state, width, height))
    return out.getvalue()


def test_everything_is_on_it(state: GpsState) -> None:
    text = shown(state)
    for part in ("3D fix", "52.516458° N", "2026-06-21 10:15:29", "+250.0 ms", "5.6 km/h", "C11", "█", "best", "377"):
        assert part in text


def test_satellites_that_are_used_and_loud_come_first(state: GpsState) -> None:
    lines = [line for line in shown(state).splitlines() if "█" in line]
    assert "G30" in lines[0]
    assert len(lines) == 13  # each signal of a satellite with two bands


def test_a_small_terminal_shows_fewer_satellites_and_says_so(state: GpsState) -> None:
    text = shown(state, height=14)
    assert text.count("█ ") + text.count("█\n") <= 8
    assert "+" in text


def test_without_anything_nothing_fails() -> None:
    text = shown(GpsState(Source(Origin.GPSD, "127.0.0.1:2947"), problem="gpsd runs, and has no receiver to read"))
    assert "no receiver" in text


@pytest.mark.parametrize(
    ("offset_s", "said"),
    [
        (None, "-"),
        (2e-9, "+2.0 ns"),
        (-3.2e-5, "-32.0 us"),
        (0.25, "+250.0 ms"),
        (2.0, "+2.000 s"),
        (-86400.0 * 3, "-3.0 days"),
    ],
)
def test_differences_of_clocks_have_a_unit_that_fits(offset_s: float | None, said: str) -> None:
    assert words.seconds(offset_s) == said


def test_a_pulse_is_trusted_more_than_a_message(state: GpsState) -> None:
    assert words.offset(attrs.evolve(state, pulse=Pulse(1.5e-6))) == "+1.5 us by its pulse"


def test_a_source_that_chrony_has_never_heard_has_no_offset() -> None:
    silent = TimeSource("reference clock", "GPS", Chosen.UNUSABLE, 0, 0, None, 0.0, 0.0)
    assert words.time_source(silent)[-2:] == ("-", "-")
