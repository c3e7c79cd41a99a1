"""What `chronyc -c tracking` says of a clock, for whoever asked: this machine (gps/) or a node (operate/). Pure."""

from __future__ import annotations

from typing import Self

import attrs

NOT_SYNCHRONISED = "Not synchronised"
_NOBODY = {"00000000", "7F7F0101"}  # reference ids: of a clock that was never set, and of one that follows itself
_COMMAS = 13


@attrs.frozen
class Tracking:
    """What chrony says of the system's clock."""

    reference: str  # the source it follows, by name; empty: none
    stratum: int
    offset_s: float  # system clock less what chrony takes for true time: negative is behind
    rms_offset_s: float
    root_delay_s: float
    root_dispersion_s: float
    leap: str  # Normal, Insert second, Delete second, Not synchronised

    @classmethod
    def read(cls, line: str) -> Self | None:
        """Return what chronyc printed (chronyc(1), -c); None for what it never prints."""
        fields = line.strip().split(",")
        try:
            return cls(
                reference="" if fields[0] in _NOBODY else fields[1],
                stratum=int(fields[2]),
                offset_s=-float(fields[4]),  # chronyc says what is to be added: positive is slow
                rms_offset_s=float(fields[6]),
                root_delay_s=float(fields[10]),
                root_dispersion_s=float(fields[11]),
                leap=fields[13],
            )
        except (IndexError, ValueError):
            return None

    @property
    def doubt_s(self) -> float:
        """Return how far its source may itself be from the truth (chronyc(1): root dispersion and half the delay)."""
        return self.root_delay_s / 2 + self.root_dispersion_s

    @property
    def follows(self) -> bool:
        """Say whether the clock follows anything."""
        return bool(self.reference) and self.leap != NOT_SYNCHRONISED


def is_report(line: str) -> bool:
    """Say whether a line is at least made like chronyc's report; it prints other lines when chronyd is silent."""
    return line.count(",") >= _COMMAS
