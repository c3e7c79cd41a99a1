"""What chronyc says: a clock's state, and the sources that chronyd hears. Pure; who asks, and how, is others' business.

Its comma-separated reports (`chronyc -c`) are stable, one field for each figure of the report for people
(chronyc(1), OPTIONS and COMMANDS).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

import attrs

LOCAL = "7F7F0101"  # the reference id of a clock that follows nobody but itself (`local` in chrony.conf)
_TRACKING_FIELDS = 14
_SOURCE_FIELDS = 10
_NOT_SYNCHRONISED = "Not synchronised"


@attrs.frozen
class Tracking:
    """`chronyc -c tracking`: how a clock stands to what it follows."""

    reference_id: str  # eight hexadecimal digits
    reference: str  # an address, a name, or of a receiver its refid: GPS
    stratum: int
    offset_s: float  # how far the clock is ahead of the time, as chronyd sees it; negative: behind
    last_offset_s: float
    rms_offset_s: float
    frequency_ppm: float  # how much too fast the clock would run if nobody corrected it
    skew_ppm: float
    root_delay_s: float
    root_dispersion_s: float
    synchronised: bool

    @classmethod
    def read(cls, line: str) -> Self | None:
        """Read a report; None if it is none."""
        fields = line.strip().split(",")
        if len(fields) != _TRACKING_FIELDS:
            return None
        try:
            _reference_time, correction, last, rms, frequency, _residual, skew, delay, dispersion, _interval = map(
                float, fields[3:13]
            )
            return cls(
                reference_id=fields[0],
                reference=fields[1],
                stratum=int(fields[2]),
                offset_s=-correction,  # what is to be added to the clock
                last_offset_s=last,
                rms_offset_s=rms,
                frequency_ppm=frequency,
                skew_ppm=skew,
                root_delay_s=delay,
                root_dispersion_s=dispersion,
                synchronised=fields[13] != _NOT_SYNCHRONISED,
            )
        except ValueError:
            return None

    @property
    def local(self) -> bool:
        """Say whether the clock follows nobody but itself."""
        return self.reference_id == LOCAL

    @property
    def doubt_s(self) -> float:
        """Return how far the time may be from the truth, as far as the sources know: RFC 5905's root distance."""
        return self.root_delay_s / 2 + self.root_dispersion_s


class Kind(StrEnum):
    """What a source is."""

    SERVER = "^"
    PEER = "="
    RECEIVER = "#"  # a reference clock of the machine's own


class Selection(StrEnum):
    """What chronyd makes of a source."""

    SELECTED = "*"
    COMBINED = "+"
    NOT_COMBINED = "-"
    UNREACHABLE = "?"
    FALSE = "x"
    UNSTEADY = "~"


@attrs.frozen
class Source:
    """A line of `chronyc -c sources`."""

    kind: Kind
    selection: Selection
    name: str
    stratum: int
    poll_s: int
    reach: int  # the last eight polls, a bit each; 255: all were answered
    heard_s: int  # seconds since the last answer
    offset_s: float  # how far the clock was ahead of the source at the last answer; negative: behind
    error_s: float

    @classmethod
    def read(cls, line: str) -> Self | None:
        """Read one line; None if it is none."""
        fields = line.strip().split(",")
        if len(fields) != _SOURCE_FIELDS:
            return None
        try:
            return cls(
                kind=Kind(fields[0]),
                selection=Selection(fields[1]),
                name=fields[2],
                stratum=int(fields[3]),
                poll_s=round(2 ** int(fields[4])),
                reach=int(fields[5], 8),
                heard_s=int(fields[6]),
                offset_s=float(fields[7]),
                error_s=float(fields[9]),
            )
        except ValueError:
            return None
