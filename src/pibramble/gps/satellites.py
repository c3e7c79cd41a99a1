"""Which satellite a number means. Receivers number them in many ways, and NMEA itself changed its mind.

Up to NMEA 4.0 one range of numbers serves all constellations; since 4.10 each counts from 1, and the talker or a system
number says which is meant. Sources: u-blox, NMEA numbering of satellites (M10 interface description, appendix A); gpsd's
notes on Quectel, SiRF, Jackson Labs and ALLYSTAR, who number as they please.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pibramble.gps.model import Constellation as C

# NMEA 4.10's system numbers.
SYSTEMS = {1: C.GPS, 2: C.GLONASS, 3: C.GALILEO, 4: C.BEIDOU, 5: C.QZSS, 6: C.NAVIC}

# Talkers that speak for one constellation. GP and GN speak for several; Quectel's PQ for BeiDou or, by the system number, QZSS.
_TALKERS = {
    "GA": C.GALILEO, "GB": C.BEIDOU, "BD": C.BEIDOU, "PQ": C.BEIDOU, "GI": C.NAVIC, "GL": C.GLONASS,
    "GQ": C.QZSS, "QZ": C.QZSS,
}  # fmt: skip

# What is added to a satellite's own number to tell it from all others (NMEA's ranges up to 4.0; NavIC has none there).
_PRN_BASE = {C.GALILEO: 300, C.BEIDOU: 400, C.GLONASS: 64, C.QZSS: 192, C.NAVIC: 500}


class Identity(NamedTuple):
    """A satellite, as meant."""

    constellation: C
    number: int  # within the constellation; 0: unknown
    prn: int  # 0: the number belongs to no satellite


class _Range(NamedTuple):
    first: int
    last: int
    constellation: C
    base: int  # what is taken from a number of this range to get the satellite's own
    prn_moved: int = 0


# Numbers of all constellations in one range.
_SHARED = (
    _Range(1, 32, C.GPS, 0),
    _Range(33, 64, C.SBAS, -87),
    _Range(65, 96, C.GLONASS, 64),
    _Range(120, 158, C.SBAS, 0),
    _Range(173, 182, C.IMES, 172),
    _Range(193, 197, C.QZSS, 192),
    _Range(201, 237, C.BEIDOU, 200, 200),  # SiRF
    _Range(301, 356, C.GALILEO, 300),
    _Range(401, 437, C.BEIDOU, 400),
    _Range(500, 518, C.NAVIC, 500),
    _Range(901, 918, C.NAVIC, 900),  # ALLYSTAR
)

# What receivers send for satellites of a constellation that they have named already.
_NAMED = {
    C.GPS: (
        _Range(1, 32, C.GPS, 0),
        _Range(33, 64, C.SBAS, -87),
        _Range(65, 96, C.GLONASS, 64),
        _Range(101, 136, C.GALILEO, 100),  # Quectel
        _Range(152, 157, C.SBAS, 0),
        _Range(193, 199, C.QZSS, 192),
        _Range(201, 264, C.BEIDOU, 200),  # Quectel
    ),
    C.GLONASS: (_Range(1, 63, C.GLONASS, 0), _Range(65, 128, C.GLONASS, 64)),
    C.GALILEO: (_Range(1, 99, C.GALILEO, 0), _Range(101, 199, C.GALILEO, 100), _Range(301, 399, C.GALILEO, 300)),
    C.BEIDOU: (_Range(1, 99, C.BEIDOU, 0), _Range(201, 299, C.BEIDOU, 200), _Range(401, 499, C.BEIDOU, 400)),
    C.QZSS: (_Range(1, 99, C.QZSS, 0), _Range(193, 202, C.QZSS, 192)),
    C.NAVIC: (_Range(1, 99, C.NAVIC, 0),),
}


def spoken_for(talker: str, system: int | None) -> C | None:
    """Return the constellation that a sentence is about, by its talker and system number; None: it may be any."""
    if talker == "PQ" and system in SYSTEMS:
        return SYSTEMS[system]
    if constellation := _TALKERS.get(talker):
        return constellation
    return SYSTEMS.get(system) if system else None


@lru_cache(maxsize=1024)
def identify(number: int, constellation: C | None) -> Identity:
    """Return whom a receiver means by `number`, in a sentence about `constellation`, or about any (None)."""
    if constellation is None:
        for shared in _SHARED:
            if shared.first <= number <= shared.last:
                return Identity(shared.constellation, number - shared.base, number + shared.prn_moved)
        return Identity(C.GPS, 0, 0)
    for named in _NAMED[constellation]:
        if named.first <= number <= named.last:
            own = number - named.base
            if constellation is C.GPS:  # these keep the number that they came with
                return Identity(named.constellation, own, number)
            return Identity(named.constellation, own, _PRN_BASE[constellation] + own)
    return Identity(constellation, 0, 0)
