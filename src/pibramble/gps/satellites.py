"""Which satellite a number means. Receivers number them in many ways, and NMEA itself changed its mind.

Up to NMEA 4.0 one range of numbers serves all constellations; since 4.10 each counts from 1, and the talker or a system
number says which is meant. Sources: u-blox, NMEA numbering of satellites (M10 interface description, appendix A);
gpsd's notes on Quectel, SiRF, Jackson Labs and ALLYSTAR, who number as they please.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pibramble.gps.model import Constellation

# NMEA 4.10's system numbers.
SYSTEMS = {
    1: Constellation.GPS,
    2: Constellation.GLONASS,
    3: Constellation.GALILEO,
    4: Constellation.BEIDOU,
    5: Constellation.QZSS,
    6: Constellation.NAVIC,
}

# Talkers that speak for one constellation. GP and GN speak for several; Quectel's PQ for BeiDou or, by the system
# number, QZSS.
_TALKERS = {
    "GA": Constellation.GALILEO,
    "GB": Constellation.BEIDOU,
    "BD": Constellation.BEIDOU,
    "PQ": Constellation.BEIDOU,
    "GI": Constellation.NAVIC,
    "GL": Constellation.GLONASS,
    "GQ": Constellation.QZSS,
    "QZ": Constellation.QZSS,
}

# What is added to a satellite's own number to tell it from all others (NMEA's ranges up to 4.0; NavIC has none there).
_PRN_BASE = {
    Constellation.GALILEO: 300,
    Constellation.BEIDOU: 400,
    Constellation.GLONASS: 64,
    Constellation.QZSS: 192,
    Constellation.NAVIC: 500,
}


class Identity(NamedTuple):
    """A satellite, as meant."""

    constellation: Constellation
    number: int  # within the constellation; 0: unknown
    prn: int  # 0: the number belongs to no satellite


class _Range(NamedTuple):
    first: int
    last: int
    constellation: Constellation
    base: int  # what is taken from a number of this range to get the satellite's own
    prn_moved: int = 0


# Numbers of all constellations in one range.
_SHARED = (
    _Range(1, 32, Constellation.GPS, 0),
    _Range(33, 64, Constellation.SBAS, -87),
    _Range(65, 96, Constellation.GLONASS, 64),
    _Range(120, 158, Constellation.SBAS, 0),
    _Range(173, 182, Constellation.IMES, 172),
    _Range(193, 197, Constellation.QZSS, 192),
    _Range(201, 237, Constellation.BEIDOU, 200, 200),  # SiRF
    _Range(301, 356, Constellation.GALILEO, 300),
    _Range(401, 437, Constellation.BEIDOU, 400),
    _Range(500, 518, Constellation.NAVIC, 500),
    _Range(901, 918, Constellation.NAVIC, 900),  # ALLYSTAR
)

# What receivers send for satellites of a constellation that they have named already.
_NAMED = {
    Constellation.GPS: (
        _Range(1, 32, Constellation.GPS, 0),
        _Range(33, 64, Constellation.SBAS, -87),
        _Range(65, 96, Constellation.GLONASS, 64),
        _Range(101, 136, Constellation.GALILEO, 100),  # Quectel
        _Range(152, 157, Constellation.SBAS, 0),
        _Range(193, 199, Constellation.QZSS, 192),
        _Range(201, 264, Constellation.BEIDOU, 200),  # Quectel
    ),
    Constellation.GLONASS: (_Range(1, 63, Constellation.GLONASS, 0), _Range(65, 128, Constellation.GLONASS, 64)),
    Constellation.GALILEO: (
        _Range(1, 99, Constellation.GALILEO, 0),
        _Range(101, 199, Constellation.GALILEO, 100),
        _Range(301, 399, Constellation.GALILEO, 300),
    ),
    Constellation.BEIDOU: (
        _Range(1, 99, Constellation.BEIDOU, 0),
        _Range(201, 299, Constellation.BEIDOU, 200),
        _Range(401, 499, Constellation.BEIDOU, 400),
    ),
    Constellation.QZSS: (_Range(1, 99, Constellation.QZSS, 0), _Range(193, 202, Constellation.QZSS, 192)),
    Constellation.NAVIC: (_Range(1, 99, Constellation.NAVIC, 0),),
}


def spoken_for(talker: str, system: int | None) -> Constellation | None:
    """Return the constellation that a sentence is about, by its talker and system number; None: it may be any."""
    if talker == "PQ" and system in SYSTEMS:
        return SYSTEMS[system]
    if constellation := _TALKERS.get(talker):
        return constellation
    return SYSTEMS.get(system) if system else None


@lru_cache(maxsize=1024)
def identify(number: int, constellation: Constellation | None) -> Identity:
    """Return whom a receiver means by `number`, in a sentence about `constellation`, or about any (None)."""
    if constellation is None:
        for shared in _SHARED:
            if shared.first <= number <= shared.last:
                return Identity(shared.constellation, number - shared.base, number + shared.prn_moved)
        return Identity(Constellation.GPS, 0, 0)
    for named in _NAMED[constellation]:
        if named.first <= number <= named.last:
            own = number - named.base
            if constellation is Constellation.GPS:  # these keep the number that they came with
                return Identity(named.constellation, own, number)
            return Identity(named.constellation, own, _PRN_BASE[constellation] + own)
    return Identity(constellation, 0, 0)
