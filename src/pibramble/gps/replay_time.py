"""A log of NMEA sentences as if it were recorded now: its times moved, its checksums done anew.

A log has the dates of its day, and whoever takes the time from it would go back to that day. What is moved is the time
and nothing else: positions, satellites and nonsense stay as they are. Pure, and of the standard library alone, for the
lab's receiver is a program of that (targets/lab/receiver.py).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pibramble.gps.framing import checksum

LONGEST_GAP_S = 10.0  # logs have holes of hours, for which nobody wants to wait

# Which field of a sentence is the time of day, `hhmmss` with a fraction or without (IEC 61162-1, as gpsd's "NMEA
# Revealed" has it); RMC and ZDA have the date, too.
_CLOCK = {b"RMC": 1, b"GGA": 1, b"GNS": 1, b"ZDA": 1, b"GBS": 1, b"GST": 1, b"GRS": 1, b"GLL": 5}
_RMC_DATE = 9
_ZDA_DATE = 2
_SENTENCE = re.compile(
    rb"\$(?P<kind>[A-Z]{2}(?P<type>[A-Z]{3}),[^$*\r\n]*)(?:\*(?P<sum>[0-9A-Fa-f]{2}))?(?P<end>\r?\n?)"
)
_TIME = re.compile(rb"(\d{2})(\d{2})(\d{2})(\.\d+)?")
_DAY_S = 86_400.0


class Round(NamedTuple):
    """The sentences that a receiver says about one moment."""

    after_s: float  # the moment before it
    lines: tuple[bytes, ...]


def moved(line: bytes, to: dt.datetime) -> bytes:
    """Return a line with its time and date moved to `to` (UTC); as it is, if it has none or its checksum is wrong."""
    found = _SENTENCE.fullmatch(line)
    if found is None or found["type"] not in _CLOCK:
        return line
    content, given = found["kind"], found["sum"]
    if given is not None and int(given, 16) != checksum(content):
        return line
    fields = content.split(b",")
    place = _CLOCK[found["type"]]
    if place < len(fields) and (old := _TIME.fullmatch(fields[place])):
        digits = len(old[4] or b".") - 1
        fields[place] = to.strftime("%H%M%S").encode() + _fraction(to, digits)
    if found["type"] == b"RMC" and len(fields) > _RMC_DATE and fields[_RMC_DATE]:
        fields[_RMC_DATE] = to.strftime("%d%m%y").encode()
    if found["type"] == b"ZDA" and all(fields[_ZDA_DATE : _ZDA_DATE + 3]):
        fields[_ZDA_DATE : _ZDA_DATE + 3] = to.strftime("%d,%m,%Y").encode().split(b",")
    new = b",".join(fields)
    return b"$%b%b%b" % (new, b"*%02X" % checksum(new) if given is not None else b"", found["end"])


def rounds(log: bytes) -> tuple[Round, ...]:
    """Return a log in rounds, one for each moment that it tells. What comes before the first is left out."""
    found: list[Round] = []
    lines: list[bytes] = []
    moment: float | None = None
    after_s = 1.0
    for line in log.splitlines(keepends=True):
        told = _moment_s(line)
        if told is not None and told != moment:
            if moment is not None:
                found.append(Round(after_s, tuple(lines)))
                after_s = min(LONGEST_GAP_S, (told - moment) % _DAY_S)
            moment, lines = told, []
        if moment is not None:
            lines.append(line)
    if moment is not None:
        found.append(Round(after_s, tuple(lines)))
    return tuple(found)


def replayed(log: Sequence[Round], start: dt.datetime) -> Iterator[tuple[dt.datetime, bytes]]:
    """Yield each moment from `start` on and what the receiver says of it, over and over."""
    now, first = start, True
    while log:
        for after_s, lines in log:
            now += dt.timedelta(seconds=0 if first else after_s)
            first = False
            yield now, b"".join(moved(line, now) for line in lines)


def _fraction(time: dt.datetime, digits: int) -> bytes:
    return b".%b" % (f"{time.microsecond:06d}"[:digits].ljust(digits, "0").encode()) if digits else b""


def _moment_s(line: bytes) -> float | None:
    """Return the time of day that a line tells, in seconds."""
    found = _SENTENCE.fullmatch(line)
    if found is None or found["type"] not in _CLOCK:
        return None
    fields = found["kind"].split(b",")
    place = _CLOCK[found["type"]]
    told = _TIME.fullmatch(fields[place]) if place < len(fields) else None
    if told is None:
        return None
    return int(told[1]) * 3600 + int(told[2]) * 60 + int(told[3]) + float(told[4] or 0)
