"""Writes the logs of this folder: what receivers say on days that the recorded logs have not. Deterministic.

`python tests/data/gps/generate.py` writes the logs; `python tests/data/gps/answers.py` asks gpsd what it makes of them.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from pathlib import Path

from pibramble.gps.framing import sentence

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "examples"
_BERLIN = (52.516275, 13.377704, 35.0)  # degrees, degrees, metres above the sea
_GEOID_M = 44.2
_SPEED_KNOTS = 3.0
_TRACK_DEG = 63.0

# Talker, NMEA 4.11 signal, and satellites: number, elevation, azimuth, dB-Hz.
_SKY = (
    ("GP", 1, ((3, 62, 118, 44), (7, 35, 291, 38), (14, 21, 60, 33), (22, 11, 190, 27), (30, 71, 240, 47))),
    ("GP", 8, ((3, 62, 118, 41), (30, 71, 240, 45))),
    ("GL", 1, ((66, 40, 80, 36), (82, 18, 310, 29))),
    ("GA", 7, ((5, 55, 150, 42), (9, 33, 200, 37), (24, 12, 340, 0))),
    ("GB", 1, ((11, 48, 95, 40), (34, 25, 225, 34))),
)
_USED = {1: (3, 7, 14, 30), 2: (66,), 3: (5, 9), 4: (11, 34)}


def _angle(degrees: float, width: int) -> str:
    whole = int(abs(degrees))
    return f"{whole:0{width}d}{(abs(degrees) - whole) * 60:08.5f}"


def _place(latitude: float, longitude: float) -> str:
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{_angle(latitude, 2)},{north},{_angle(longitude, 3)},{east}"


def _clock(at: dt.datetime) -> str:
    return f"{at:%H%M%S}.{at.microsecond // 10_000:02d}"


def _moved(seconds: float) -> tuple[float, float]:
    """Return the place after so long a walk."""
    way = seconds * _SPEED_KNOTS * 1852 / 3600 / 6_371_000
    north, east = math.cos(math.radians(_TRACK_DEG)), math.sin(math.radians(_TRACK_DEG))
    latitude = _BERLIN[0] + math.degrees(way * north)
    return latitude, _BERLIN[1] + math.degrees(way * east / math.cos(math.radians(latitude)))


def _gsv() -> Iterator[str]:
    for talker, signal, satellites in _SKY:
        parts = -(-len(satellites) // 4)
        for part in range(parts):
            listed = satellites[part * 4 : part * 4 + 4]
            told = ",".join(f"{n:02d},{el:02d},{az:03d},{ss or ''}" for n, el, az, ss in listed)
            yield f"{talker}GSV,{parts},{part + 1},{len(satellites):02d},{told},{signal:X}"


def _gsa(mode: int) -> Iterator[str]:
    for system, used in _USED.items():
        count = {1: 0, 2: 3 if system == 1 else 0, 3: len(used)}[mode]
        numbers = [f"{n:02d}" for n in used[:count]]
        yield f"GNGSA,A,{mode},{','.join(numbers + [''] * (12 - len(numbers)))},1.90,1.10,1.55,{system}"


def _round(at: dt.datetime, seconds: float, mode: int) -> Iterator[str]:
    """Yield one round of a receiver of NMEA 4.11, as u-blox orders it."""
    place = _place(*_moved(seconds)) if mode > 1 else ",,,"
    state, indicator = ("A", "A") if mode > 1 else ("V", "N")
    motion = f"{_SPEED_KNOTS:.3f},{_TRACK_DEG:.2f}" if mode > 1 else ","
    yield f"GNRMC,{_clock(at)},{state},{place},{motion},{at:%d%m%y},,,{indicator},V"
    if mode > 1:
        yield f"GNVTG,{_TRACK_DEG:.2f},T,,M,{_SPEED_KNOTS:.3f},N,{_SPEED_KNOTS * 1.852:.3f},K,A"
    height = f"{_BERLIN[2] + math.sin(seconds / 7):.1f}" if mode > 2 else ""
    used = {1: 0, 2: 3, 3: 9}[mode]
    geoid = f"{_GEOID_M:.1f},M" if mode > 1 else ","
    yield f"GNGGA,{_clock(at)},{place},{int(mode > 1)},{used:02d},{1.1 if mode > 1 else 99.99},{height},M,{geoid},,"
    yield from _gsa(mode)
    yield from _gsv()
    if mode > 1:
        yield f"GNGST,{_clock(at)},12,,,,1.8,1.4,3.9"
        yield f"GNGLL,{place},{_clock(at)},A,A"


def _walk(start: dt.datetime, count: int, step_s: float = 1.0, mode: int = 3) -> Iterator[str]:
    for number in range(count):
        at = start + dt.timedelta(seconds=number * step_s)
        yield from _round(at, number * step_s, mode)


def walk() -> Iterator[str]:
    """Half a minute under an open sky, four constellations, two bands of GPS."""
    return _walk(dt.datetime(2026, 6, 21, 10, 15, 0, tzinfo=dt.UTC), 30)


def midnight() -> Iterator[str]:
    """Ten fixes a second across the end of a year; GGA comes before the date does."""
    start = dt.datetime(2026, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    for number in range(20):
        at = start + dt.timedelta(seconds=number / 10)
        rmc, vtg, gga, *_ = _round(at, number / 10, 3)
        yield from (gga, rmc, vtg) if number else (rmc, gga, vtg)


def cold_start() -> Iterator[str]:
    """No time, then time without a place, then a place without a height, then all."""
    for _ in range(4):
        yield from ("GNRMC,,V,,,,,,,,,,N,V", "GNGGA,,,,,,0,00,99.99,,,,,,", "GNGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99,1")
    start = dt.datetime(2026, 3, 1, 6, 0, 0, tzinfo=dt.UTC)
    for mode in (1, 2, 3):
        yield from _walk(start + dt.timedelta(seconds=5 * mode), 5, mode=mode)


def rolled_over() -> Iterator[str]:
    """A receiver whose weeks have rolled over: 1024 weeks behind."""
    return _walk(dt.datetime(2026, 11, 25, 12, 0, 0, tzinfo=dt.UTC) - dt.timedelta(weeks=1024), 5)


LOGS = {"walk": walk, "midnight": midnight, "cold-start": cold_start, "rolled-over": rolled_over}


def main() -> None:
    """Write the logs."""
    for name, sentences in LOGS.items():
        (HERE / f"{name}.log").write_bytes(b"".join(map(sentence, sentences())))
    # The one that docs/gps.md shows: ten seconds of the walk.
    walked = list(walk())
    (EXAMPLES / "receiver.log").write_bytes(b"".join(map(sentence, walked[: len(walked) // 3])))


if __name__ == "__main__":
    main()
