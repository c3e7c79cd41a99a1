"""A receiver followed without gpsd: what the direct reader finds, put together into a state."""

from __future__ import annotations

import attrs

from pibramble.gps.model import GpsState, Source
from pibramble.gps.nmea import Epoch, Reader

# Receivers send all of a moment in one go; at 4800 baud the pauses within it stay below this.
SILENCE_S = 0.15


class Direct:
    """Makes a state of a receiver's bytes. Pure: it knows no clock and no port."""

    def __init__(self, source: Source) -> None:
        """Know nothing yet."""
        self.state = GpsState(source)
        self._reader = Reader()
        self._began_s: float | None = None  # when the first sentence of the present epoch had come
        self._clock_us: int | None = None

    def feed(self, block: bytes, now_s: float | None = None) -> bool:
        """Take in what has come by the system's time `now_s`, or that nothing has; say whether an epoch is complete."""
        if not block:
            return self._take(self._reader.finish())
        completed = False
        for epoch in self._reader.feed(block):
            completed |= self._take(epoch)
        if self._reader.clock_us != self._clock_us:
            self._clock_us, self._began_s = self._reader.clock_us, now_s
        self.state = attrs.evolve(self.state, counts=self._reader.counts, problem="")
        return completed

    def _take(self, epoch: Epoch | None) -> bool:
        if epoch is None:
            return False
        fix, sky, before = epoch.fix, epoch.sky, self.state.sky
        offset_s = None
        if fix.time is not None and self._began_s is not None and epoch.clock_us == self._clock_us:
            offset_s = self._began_s - fix.time.timestamp()
        # Many receivers tell the satellites every fifth second only.
        sky = attrs.evolve(
            sky,
            satellites=sky.satellites or before.satellites,
            hdop=before.hdop if sky.hdop is None else sky.hdop,
            pdop=before.pdop if sky.pdop is None else sky.pdop,
            vdop=before.vdop if sky.vdop is None else sky.vdop,
        )
        self.state = attrs.evolve(self.state, fix=fix, sky=sky, offset_s=offset_s, counts=self._reader.counts)
        return True
