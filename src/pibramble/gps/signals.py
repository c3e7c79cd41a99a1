"""The names of satellites' signals. NMEA and gpsd number them differently; names are the same for both."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from functools import cache
from pathlib import Path

from pibramble.gps.model import Constellation


class Numbering(StrEnum):
    """Whose numbers they are."""

    NMEA = "nmea"
    GPSD = "gpsd"


def name(constellation: Constellation, number: int | None, numbering: Numbering) -> str:
    """Return a signal's name; empty where nobody said which one it is, or the number has no name."""
    return _names().get((constellation.value, numbering.value, number), "") if number is not None else ""


@cache
def _names() -> dict[tuple[str, str, int | None], str]:
    tables = tomllib.loads(Path(__file__).with_name("signals.toml").read_text(encoding="utf-8"))
    return {
        (constellation, numbering, int(number)): signal
        for constellation, numberings in tables.items()
        for numbering, signals in numberings.items()
        for number, signal in signals.items()
    }
