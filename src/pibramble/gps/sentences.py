"""One sentence of NMEA 0183, into what it says. Fields that are empty or make no sense say nothing.

Read are the sentences from which a fix, the sky and the time can be told: GGA, GNS, RMC, GLL, GSA, GSV, VTG, ZDA, GST,
GBS, of whatever talker. The field lists are those of gpsd's "NMEA Revealed" and of u-blox's interface descriptions; the
standard itself is not public.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from enum import Enum, auto
from math import isfinite
from typing import NamedTuple

from pibramble.gps.model import Mode, Quality
from pibramble.gps.satellites import Identity, identify, spoken_for

_KNOT_MPS = 1852 / 3600
_US = 1_000_000
# Receivers say 99.99 or 0.00 where they know no dilution (BT-451, Jackson Labs; Skytraq).
_LEAST_DOP, _MOST_DOP = 0.01, 89.99
_CENTURY_TURNS = 69  # RMC's two digits: 69 is 1969, 68 is 2068, as in POSIX
_YEARS = range(1900, 2201)
_FOR_3D = 4  # satellites that a height takes
_FOR_2D = 3


class Standing(Enum):
    """What a sentence says of the fix."""

    INVALID = auto()  # what it holds is not to be used
    POSITION = auto()  # there is one; whether with a height it does not say
    TWO_D = auto()
    THREE_D = auto()


class Signal(NamedTuple):
    """One of the satellites in view."""

    identity: Identity
    elevation_deg: float | None
    azimuth_deg: float | None
    signal_dbhz: float | None
    signal: int | None


class Said(NamedTuple):
    """All that one sentence says."""

    kind: str  # the three letters
    talker: str
    clock_us: int | None = None  # time of day, UTC
    date: dt.date | None = None
    timeless: bool = False  # it should hold a time, and does not: the receiver knows none
    standing: Standing | None = None
    mode: Mode | None = None  # GSA's word for it
    quality: Quality | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_msl_m: float | None = None
    geoid_separation_m: float | None = None
    speed_mps: float | None = None
    track_deg: float | None = None
    magnetic_variation_deg: float | None = None
    satellites_used: int | None = None
    hdop: float | None = None
    pdop: float | None = None
    vdop: float | None = None
    correction_age_s: float | None = None
    correction_station: int | None = None
    horizontal_error_m: float | None = None
    vertical_error_m: float | None = None
    active: tuple[Identity, ...] | None = None  # GSA: those that the fix rests on
    part: int = 0  # GSV: one of `parts`
    parts: int = 0
    in_view: tuple[Signal, ...] | None = None


def read(content: bytes) -> Said | None:
    """Return what a sentence says; None for one that is not asked for here or cannot be understood.

    `content` is what stands between `$` and `*`, its checksum found right (see framing.py).
    """
    reader = _READERS.get(content[2:5]) if content[5:6] == b"," else None
    # P begins what a maker speaks for himself: Garmin's $PGRMC is no RMC. Quectel's $PQGSA is what it seems.
    if reader is None or (content[:1] == b"P" and content[:2] != b"PQ"):
        return None
    try:
        fields = content.decode("ascii").split(",")
    except UnicodeDecodeError:
        return None
    return reader(fields[0][:2], fields)


# --- fields ----------------------------------------------------------------------------------------------------------


def _at(fields: Sequence[str], place: int) -> str:
    return fields[place] if place < len(fields) else ""


def _number(text: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _whole(text: str) -> int | None:
    if not text:  # many are; an exception costs ten times as much
        return None
    try:
        return int(text)
    except ValueError:
        return None


def _dop(text: str) -> float | None:
    number = _number(text)
    return number if number is not None and _LEAST_DOP <= number <= _MOST_DOP else None


def clock_us(text: str) -> int | None:
    """Return the time of day of `hhmmss` or `hhmmss.sss` in microseconds; a leap second is one more than the last."""
    if len(text) < 6 or not text[:6].isdecimal():  # noqa: PLR2004 (hhmmss)
        return None
    hours, minutes, seconds = int(text[:2]), int(text[2:4]), int(text[4:6])
    fraction = text[7:] if text[6:7] == "." else ""
    if hours > 23 or minutes > 59 or seconds > 60:  # noqa: PLR2004 (a day's)
        return None
    us = int(fraction[:6].ljust(6, "0")) if fraction.isdecimal() and fraction.isascii() else 0
    return ((hours * 60 + minutes) * 60 + seconds) * _US + us


def _date(day: int | None, month: int | None, year: int | None) -> dt.date | None:
    if day is None or month is None or year is None or year not in _YEARS:
        return None
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _short_date(text: str) -> dt.date | None:
    if len(text) != 6 or not text.isdecimal():  # noqa: PLR2004 (ddmmyy)
        return None
    year = int(text[4:])
    return _date(int(text[:2]), int(text[2:4]), year + (2000 if year < _CENTURY_TURNS else 1900))


def _angle(text: str, side: str, negative: str, most: float) -> float | None:
    """Return degrees from `dddmm.mmmm` and its hemisphere."""
    point = text.find(".")
    if point < 0 or not side:
        return None
    try:
        degrees = int(text[: point - 2]) if point > 2 else 0  # noqa: PLR2004 (mm)
        angle = degrees + float(text[max(0, point - 2) :]) / 60
    except ValueError:
        return None
    if not 0 <= angle <= most:  # not a number is neither
        return None
    return -angle if side == negative else angle


def _place(fields: Sequence[str], first: int) -> tuple[float, float] | None:
    """Return latitude and longitude from four fields: both or none."""
    latitude = _angle(_at(fields, first), _at(fields, first + 1), "S", 90)
    longitude = _angle(_at(fields, first + 2), _at(fields, first + 3), "W", 180)
    return None if latitude is None or longitude is None else (latitude, longitude)


# --- sentences -------------------------------------------------------------------------------------------------------

_GGA_QUALITIES = {
    "0": Quality.NONE, "1": Quality.AUTONOMOUS, "2": Quality.DIFFERENTIAL, "3": Quality.PRECISE, "4": Quality.RTK_FIXED,
    "5": Quality.RTK_FLOAT, "6": Quality.ESTIMATED, "7": Quality.SURVEYED, "8": Quality.SIMULATED,
}  # fmt: skip

# The mode indicator of NMEA 2.3 and later. What is not in the list (Quectel's C and U) is a fix all the same.
_INDICATORS = {
    "": Quality.NONE, "N": Quality.NONE, "V": Quality.NONE, "O": Quality.NONE, "D": Quality.DIFFERENTIAL,
    "E": Quality.ESTIMATED, "F": Quality.RTK_FLOAT, "M": Quality.SURVEYED, "P": Quality.DIFFERENTIAL,
    "R": Quality.RTK_FIXED, "S": Quality.SIMULATED,
}  # fmt: skip


def _indicated(letter: str) -> Quality:
    return _INDICATORS.get(letter, Quality.AUTONOMOUS)


def _gga(talker: str, fields: Sequence[str]) -> Said | None:
    if len(fields) < 13:  # noqa: PLR2004 (up to the geoid)
        return None
    clock = clock_us(fields[1])
    place = _place(fields, 2)
    used = _whole(fields[7]) or 0
    altitude = _number(fields[9])
    quality = _GGA_QUALITIES.get(fields[6].lstrip("0") or fields[6][:1])
    # A receiver without a fix repeats its last place. Who speaks for one constellation may use none of its satellites.
    if place is None or (used < _FOR_2D and talker in {"GP", "GN"}):
        standing = Standing.INVALID
    else:
        standing = Standing.THREE_D if altitude is not None and used >= _FOR_3D else Standing.TWO_D
    latitude, longitude = place or (None, None)
    age, station = _number(_at(fields, 13)), _whole(_at(fields, 14))
    corrected = age is not None and station is not None and (age > 0.09 or station > 0)  # noqa: PLR2004 (zeros: none)
    return Said(
        "GGA", talker, clock,
        timeless=not fields[1] and quality is Quality.NONE,
        standing=standing, quality=quality,
        latitude_deg=latitude, longitude_deg=longitude,
        altitude_msl_m=altitude if place else None,
        geoid_separation_m=_number(fields[11]) if place else None,
        satellites_used=used, hdop=_dop(fields[8]),
        correction_age_s=age if corrected else None,
        correction_station=station if corrected else None,
    )  # fmt: skip


def _gns(talker: str, fields: Sequence[str]) -> Said | None:
    if len(fields) < 11:  # noqa: PLR2004 (up to the geoid)
        return None
    clock = clock_us(fields[1])
    if fields[6][:1] in {"", "N"}:
        return Said("GNS", talker, clock, standing=Standing.INVALID)
    if _at(fields, 13) in {"U", "V"}:  # the navigational status of NMEA 4.1: unsafe, not valid
        return Said("GNS", talker, clock)
    place = _place(fields, 2)
    used = _whole(fields[7]) or 0
    altitude = _number(fields[9])
    latitude, longitude = place or (None, None)
    standing = Standing.THREE_D if altitude is not None and used >= _FOR_3D else Standing.TWO_D
    age, station = _number(_at(fields, 11)), _whole(_at(fields, 12))
    both = age is not None and station is not None
    return Said(
        "GNS", talker, clock,
        standing=standing if place else Standing.INVALID, quality=_indicated(fields[6][:1]),
        latitude_deg=latitude, longitude_deg=longitude,
        altitude_msl_m=altitude if place else None,
        geoid_separation_m=_number(fields[10]) if place else None,
        satellites_used=used, hdop=_dop(fields[8]),
        correction_age_s=age if both else None, correction_station=station if both else None,
    )  # fmt: skip


def _rmc(talker: str, fields: Sequence[str]) -> Said | None:
    if len(fields) < 9:  # noqa: PLR2004 (up to the course)
        return None
    date, clock = _short_date(_at(fields, 9)), clock_us(fields[1])
    if fields[2] != "A":
        timeless = not fields[1] or not _at(fields, 9)
        # Some receivers send any time while they have no fix (MTK 3301, Royaltek RGM-3800): it is not taken.
        return Said("RMC", talker, timeless=timeless, standing=Standing.INVALID)
    place = _place(fields, 3)
    latitude, longitude = place or (None, None)
    speed = _number(fields[7])
    variation = _number(_at(fields, 10))
    side = _at(fields, 11)[:1]
    if variation is not None:
        # Zero with a direction is what receivers say that know no variation.
        known = abs(variation) > 0.09 and side in {"E", "W"}  # noqa: PLR2004
        variation = (-variation if side == "W" else variation) if known else None
    quality = Quality.AUTONOMOUS if place else Quality.NONE
    if letter := _at(fields, 12)[:1]:
        quality = _indicated(letter)
    dated = date is not None and clock is not None
    return Said(
        "RMC", talker, clock if dated else None, date if dated else None,
        standing=Standing.POSITION if place else Standing.INVALID, quality=quality,
        latitude_deg=latitude, longitude_deg=longitude,
        speed_mps=None if speed is None else speed * _KNOT_MPS,
        track_deg=_number(fields[8]), magnetic_variation_deg=variation,
    )  # fmt: skip


def _gll(talker: str, fields: Sequence[str]) -> Said | None:
    if len(fields) < 7:  # noqa: PLR2004 (up to the status)
        return None
    clock = clock_us(fields[5])
    place = _place(fields, 1)
    if fields[6] != "A" or _at(fields, 7) == "N" or place is None:
        return Said("GLL", talker, clock, standing=Standing.INVALID)
    quality = _indicated(fields[7][:1]) if len(fields) > 7 else Quality.AUTONOMOUS  # noqa: PLR2004 (NMEA 2.3)
    return Said(
        "GLL", talker, clock,
        standing=Standing.POSITION, quality=quality, latitude_deg=place[0], longitude_deg=place[1],
    )  # fmt: skip


def _gsa(talker: str, fields: Sequence[str]) -> Said | None:
    """Read GSA: 12 satellites by the standard, more from some receivers; three dilutions; NMEA 4.10's system."""
    if len(fields) < 6:  # noqa: PLR2004
        return None
    standard = len(fields) <= 19  # noqa: PLR2004
    mode = {"1": Mode.NO_FIX, "2": Mode.TWO_D, "3": Mode.THREE_D}.get(fields[2])
    system = _whole(_at(fields, 18)) if standard else None  # SiRF's Atlas VI puts a number with a point there
    constellation = spoken_for(talker, 1 if talker == "GP" else system)
    active = []
    last = len(fields) - 3 if standard else len(fields)
    for text in fields[3:last]:
        if "." in text:  # the dilutions begin
            break
        number = _whole(text)
        if number and 0 < number <= 600:  # noqa: PLR2004 (as far as anybody numbers)
            identity = identify(number, constellation)
            if identity.prn:
                active.append(identity)
    return Said(
        "GSA", talker, mode=mode, active=tuple(active),
        pdop=_dop(_at(fields, 15)) if standard else None,
        hdop=_dop(_at(fields, 16)) if standard else None,
        vdop=_dop(_at(fields, 17)) if standard else None,
    )  # fmt: skip


def _gsv(talker: str, fields: Sequence[str]) -> Said | None:
    if len(fields) < 4:  # noqa: PLR2004 (the counts)
        return None
    parts, part = _whole(fields[1]) or 0, _whole(fields[2]) or 0
    if not 1 <= part <= parts <= 10:  # noqa: PLR2004 (36 satellites, and some more)
        return None
    system, signal = None, None
    match len(fields) % 4:
        case 0:
            pass
        case 1:  # NMEA 4.10: the signal at the end
            signal = _hex(fields[-1])
        case 2:  # Quectel's $PQGSV: signal and system
            signal, system = _hex(fields[-2]), _whole(fields[-1])
        case _:
            return None
    constellation = spoken_for(talker, system)
    in_view = []
    for first in range(4, len(fields) - 3, 4):
        number = _whole(fields[first])
        if not number:  # an empty place, to fill the sentence
            continue
        elevation: float | None = _whole(fields[first + 1])
        azimuth: float | None = _whole(fields[first + 2])
        if elevation is None or azimuth is None:  # both or none
            elevation = azimuth = None
        else:
            # Floats: a field of `--json` has one type, wherever it comes from.
            elevation = float(elevation) if abs(elevation) <= 90 else None  # noqa: PLR2004
            azimuth = azimuth % 360.0 if 0 <= azimuth <= 360 else None  # noqa: PLR2004
        strength = _number(fields[first + 3])
        in_view.append(Signal(identify(number, constellation), elevation, azimuth, strength, signal))
    return Said("GSV", talker, part=part, parts=parts, in_view=tuple(in_view))


def _hex(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None


def _vtg(talker: str, fields: Sequence[str]) -> Said | None:
    if len(fields) < 6 or _at(fields, 9) in {"E", "N"}:  # noqa: PLR2004 (up to the speed in knots)
        return None
    track, speed = _number(fields[1]), _number(fields[5])
    if track is None or speed is None:
        return None
    return Said("VTG", talker, track_deg=track, speed_mps=speed * _KNOT_MPS)


def _zda(talker: str, fields: Sequence[str]) -> Said | None:
    if len(fields) < 5:  # noqa: PLR2004 (up to the year)
        return None
    clock = clock_us(fields[1])
    date = _date(_whole(fields[2]), _whole(fields[3]), _whole(fields[4]))
    return None if clock is None or date is None else Said("ZDA", talker, clock, date)


def _gst(talker: str, fields: Sequence[str]) -> Said | None:
    """Read GST: standard deviations; its time is that of the fix it speaks of."""
    if len(fields) < 9:  # noqa: PLR2004
        return None
    return _errors("GST", talker, fields, first=6)


def _gbs(talker: str, fields: Sequence[str]) -> Said | None:
    """Read GBS: expected errors."""
    if len(fields) < 5:  # noqa: PLR2004
        return None
    return _errors("GBS", talker, fields, first=2)


def _errors(kind: str, talker: str, fields: Sequence[str], first: int) -> Said | None:
    north, east, up = (_number(_at(fields, place)) for place in range(first, first + 3))
    if north is None or east is None:
        return None
    return Said(kind, talker, horizontal_error_m=(north**2 + east**2) ** 0.5, vertical_error_m=up)


_READERS: dict[bytes, Callable[[str, Sequence[str]], Said | None]] = {
    b"GGA": _gga, b"GNS": _gns, b"RMC": _rmc, b"GLL": _gll, b"GSA": _gsa,
    b"GSV": _gsv, b"VTG": _vtg, b"ZDA": _zda, b"GST": _gst, b"GBS": _gbs,
}  # fmt: skip
