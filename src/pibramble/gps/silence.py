"""Whether a source still says something: a last fix must not be taken for the present one.

A port that gives no byte, one whose bytes make no sentence, a gpsd that has stopped reporting: each looks like a fix
that stands still. So it is told, with the moment since when it is so.
"""

from __future__ import annotations

import datetime as dt
from enum import Enum, auto

import attrs

from pibramble.gps.model import Counts, GpsState, Origin

SILENT_S = 10.0  # some receivers report every fifth second
DEAF_S = 3.0
_NOISE_BYTES = 200


class Hearing(Enum):
    """How it stands with a source."""

    WELL = auto()
    SILENT = auto()  # nothing comes
    DEAF = auto()  # bytes come, and no sentence


@attrs.define
class Ear:
    """Watches one source's counts. It knows no clock: it is told the monotonic time, and the system's for people."""

    silent_s: float = SILENT_S
    deaf_s: float = DEAF_S
    _counts: Counts | None = None  # as there was something last
    _since_s: float = 0.0
    _since: float = 0.0  # the same moment, by the system's clock

    def hear(self, state: GpsState, now_s: float, system_s: float) -> Hearing:
        """Take in a state; say how it stands."""
        counts = state.counts
        before = self._counts
        # gpsd goes on answering for as long as it runs: its reports of a fix are what counts.
        by_gpsd = state.source.origin is Origin.GPSD
        if before is None or _said(counts, by_gpsd) != _said(before, by_gpsd):
            self._counts, self._since_s, self._since = counts, now_s, system_s
            return Hearing.WELL
        for_s = now_s - self._since_s
        if not by_gpsd and counts.bytes - before.bytes > _NOISE_BYTES and for_s > self.deaf_s:
            return Hearing.DEAF
        return Hearing.SILENT if for_s > self.silent_s else Hearing.WELL

    def told(self, state: GpsState, now_s: float, system_s: float) -> GpsState:
        """Return the state with what is wrong with its source, where it has not been said already."""
        hearing = self.hear(state, now_s, system_s)
        if state.problem or hearing is Hearing.WELL:
            return state
        since = f"since {dt.datetime.fromtimestamp(self._since, dt.UTC):%H:%M:%S} UTC"
        name = state.source.name
        if hearing is Hearing.DEAF:
            speed = (
                f"{state.source.baud} baud may be the wrong speed" if state.source.baud else "its speed may be wrong"
            )
            problem = f"no sentence in what comes {since}: {speed}, `pibramble gps detect {name}` finds the right one"
        elif state.source.origin is Origin.GPSD:
            of = f" of {state.source.device}" if state.source.device else ""
            problem = f"gpsd has reported nothing{of} {since}"
        else:
            problem = f"nothing has come {since}"
        return attrs.evolve(state, problem=problem)


def _said(counts: Counts, by_gpsd: bool) -> int:  # noqa: FBT001 (one of two counts)
    return counts.epochs if by_gpsd else counts.sentences
