"""What is known of a receiver: where and when it is, what it sees, and how well its time agrees with ours."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum

import attrs

from pibramble.chronyc import Tracking


class Mode(IntEnum):
    """What a fix fixes; the numbers are those of NMEA's GSA and of gpsd."""

    UNKNOWN = 0
    NO_FIX = 1
    TWO_D = 2
    THREE_D = 3


class Quality(StrEnum):
    """How a fix came about."""

    NONE = "none"
    AUTONOMOUS = "autonomous"
    DIFFERENTIAL = "differential"
    PRECISE = "precise"
    RTK_FIXED = "RTK fixed"
    RTK_FLOAT = "RTK float"
    ESTIMATED = "dead reckoning"
    SURVEYED = "surveyed"
    SIMULATED = "simulated"


class Constellation(StrEnum):
    """Whose satellite it is."""

    GPS = "GPS"
    SBAS = "SBAS"
    GALILEO = "Galileo"
    BEIDOU = "BeiDou"
    IMES = "IMES"
    QZSS = "QZSS"
    GLONASS = "GLONASS"
    NAVIC = "NavIC"


@attrs.frozen
class Satellite:
    """One signal of a satellite in view: a receiver with two bands lists a satellite twice."""

    constellation: Constellation
    number: int  # within its constellation; 0: the receiver used a number that belongs to none
    prn: int  # NMEA's number for it, unique among all constellations
    elevation_deg: float | None = None
    azimuth_deg: float | None = None
    signal_dbhz: float | None = None  # carrier to noise density; None: seen in the almanac, not heard
    used: bool = False
    signal: str = ""  # its name, where the receiver says which one it is

    @property
    def name(self) -> str:
        """Return the satellite's name as in RINEX: G01, R12, E08."""
        letter = _RINEX.get(self.constellation, "?")
        return f"{letter}{self.number or self.prn:02d}"


_RINEX = {
    Constellation.GPS: "G",
    Constellation.SBAS: "S",
    Constellation.GALILEO: "E",
    Constellation.BEIDOU: "C",
    Constellation.QZSS: "J",
    Constellation.GLONASS: "R",
    Constellation.NAVIC: "I",
}


@attrs.frozen
class Sky:
    """The satellites in view, and how well they are spread (dilution of precision; None: not said)."""

    satellites: tuple[Satellite, ...] = ()
    hdop: float | None = None
    pdop: float | None = None
    vdop: float | None = None

    @property
    def used(self) -> int:
        """Return how many satellites the fix rests on: each once, however many of its signals are heard."""
        return len({(s.constellation, s.number, s.prn) for s in self.satellites if s.used})

    @property
    def visible(self) -> int:
        """Return how many satellites are listed, each once."""
        return len({(s.constellation, s.number, s.prn) for s in self.satellites})


@attrs.frozen
class Fix:
    """What a receiver says of one moment. None: it did not say.

    Heights: `altitude_msl_m` above mean sea level, `altitude_hae_m` above the WGS 84 ellipsoid; their difference is
    `geoid_separation_m`.
    """

    time: datetime | None = None  # UTC, as the receiver says: not corrected for a week that rolled over
    mode: Mode = Mode.UNKNOWN
    quality: Quality = Quality.NONE
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_msl_m: float | None = None
    altitude_hae_m: float | None = None
    geoid_separation_m: float | None = None
    speed_mps: float | None = None
    track_deg: float | None = None  # from true north
    climb_mps: float | None = None
    magnetic_variation_deg: float | None = None  # east is positive
    horizontal_error_m: float | None = None  # as the receiver or gpsd estimates it
    vertical_error_m: float | None = None
    satellites_used: int | None = None
    correction_age_s: float | None = None
    correction_station: int | None = None

    @property
    def located(self) -> bool:
        """Say whether there is a position that may be relied upon."""
        return self.mode >= Mode.TWO_D and self.latitude_deg is not None and self.longitude_deg is not None


class Origin(StrEnum):
    """Where what is known comes from."""

    GPSD = "gpsd"
    PORT = "port"
    LOG = "log"


@attrs.frozen
class Source:
    """Where what is known comes from, by name, and what else is known of it."""

    origin: Origin
    name: str  # host:port, path of the port or the log
    device: str = ""  # gpsd's: the port it reads
    driver: str = ""  # gpsd's: what it takes the receiver for
    baud: int | None = None


@attrs.frozen
class Counts:
    """What has been read, right or wrong."""

    bytes: int = 0
    sentences: int = 0  # with a right checksum
    wrong: int = 0  # with a wrong checksum, without one, or too long
    unread: int = 0  # right, but saying nothing that is asked for here, or nothing that can be understood
    foreign: int = 0  # bytes that belong to no sentence
    epochs: int = 0


@attrs.frozen
class Pulse:
    """A pulse a second, as gpsd saw it last: the system's clock against the true second."""

    offset_s: float  # system clock less true time
    precision: int = 0  # as a power of two, in seconds


class Chosen(StrEnum):
    """What chrony makes of a source."""

    BEST = "best"
    COMBINED = "combined"
    REJECTED = "not combined"
    FALSE = "false ticker"
    VARIABLE = "too variable"
    UNUSABLE = "unusable"


@attrs.frozen
class TimeSource:
    """One source of chrony's (`chronyc sources`)."""

    kind: str  # server, peer, reference clock
    name: str
    chosen: Chosen
    stratum: int
    reach: int  # of the last eight tries, one bit a try
    last_sample_s: float | None  # how long ago; None: never
    offset_s: float  # what its last sample said: system clock less the source's time
    error_s: float


@attrs.frozen
class Chrony:
    """All that chrony was asked; `problem` says why there is nothing."""

    tracking: Tracking | None = None
    sources: tuple[TimeSource, ...] = ()
    problem: str = ""


@attrs.frozen
class GpsState:
    """All that is known at one moment: what the screen shows, and the page in the browser."""

    source: Source
    fix: Fix = Fix()
    sky: Sky = Sky()
    counts: Counts = Counts()
    offset_s: float | None = (
        None  # system clock less the receiver's time when its message had come in; late by the wire
    )
    pulse: Pulse | None = None
    leap_seconds: int | None = None  # GPS time less UTC, where the receiver passes it on
    chrony: Chrony | None = None
    problem: str = ""  # why there is nothing: gpsd's own error, a port that went away
