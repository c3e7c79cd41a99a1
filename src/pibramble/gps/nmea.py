"""A receiver read straight from its bytes: sentences merged into epochs, an epoch into a fix and a sky.

A receiver says what it knows of one moment in several sentences, only some of which hold a time. An epoch begins with
the first sentence that holds a new one and ends before the next of those, or when the line falls silent: receivers send
all they have in one go, then wait for the next second. So nothing has to be learned about the order in which a receiver
speaks, and no answer is given twice. What is sent without a time belongs to the epoch it is sent in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import attrs

from pibramble.gps import signals
from pibramble.gps.framing import Framer
from pibramble.gps.model import Counts, Fix, Mode, Quality, Satellite, Sky
from pibramble.gps.satellites import Identity
from pibramble.gps.sentences import Said, Signal, Standing, read
from pibramble.gps.signals import Numbering

_DAY_US = 86_400_000_000
# Some receivers give one moment with more digits in one sentence than in another (Magellan eXplorist: .076 and .08).
_SAME_MOMENT_US = 10_000
_FOR_3D = 4  # satellites that a height takes
_MOST_SIGNALS = 200  # twice what a receiver of four constellations and two bands hears
_RANK = (
    Quality.NONE, Quality.AUTONOMOUS, Quality.DIFFERENTIAL, Quality.RTK_FIXED, Quality.RTK_FLOAT, Quality.ESTIMATED,
    Quality.SURVEYED, Quality.SIMULATED, Quality.PRECISE,
)  # fmt: skip
_BETTER = {quality: rank for rank, quality in enumerate(_RANK)}

# What a later sentence of an epoch says over again replaces what an earlier one said.
_TAKEN_OVER = (
    "altitude_msl_m", "geoid_separation_m", "speed_mps", "track_deg", "magnetic_variation_deg", "satellites_used",
    "correction_age_s", "correction_station", "horizontal_error_m", "vertical_error_m", "hdop", "pdop", "vdop",
)  # fmt: skip


@attrs.frozen
class Epoch:
    """All that a receiver said of one moment."""

    fix: Fix
    sky: Sky
    clock_us: int | None  # time of day: known before the date is


@attrs.define
class _Told:
    """The epoch that is being told."""

    clock_us: int | None = None
    date: dt.date | None = None
    place: tuple[float, float] | None = None
    invalid: bool = False
    hint: Standing | None = None  # the most that sentences with a place said
    mode: Mode | None = None  # GSA's word
    quality: Quality = Quality.NONE
    values: dict[str, float] = attrs.Factory(dict)
    active: dict[Identity, None] | None = None  # a set in order
    in_view: dict[tuple[str, int | None], list[Signal]] | None = None  # by talker and signal
    spoke: set[str] = attrs.Factory(set)  # which sentences it has been told by


class Reader:
    """Reads one receiver's bytes. Pure: it knows no clock and no port."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._framer = Framer()
        self._told = _Told()
        self._date: dt.date | None = None
        self._clock_us: int | None = None  # the last time of day that was told
        self._held = Mode.UNKNOWN
        self._last_gga = ("", -1)
        self._stale = False
        self._previous = ""  # the kind of the sentence before this
        self._active: dict[Identity, None] = {}
        self._unread = 0
        self._epochs = 0
        self._changed = False

    @property
    def counts(self) -> Counts:
        """Return what has been read so far."""
        framer = self._framer
        return Counts(framer.bytes, framer.sentences, framer.wrong, self._unread, framer.foreign, self._epochs)

    @property
    def clock_us(self) -> int | None:
        """Return the time of day of the epoch that is being told, in microseconds."""
        return self._told.clock_us

    def feed(self, block: bytes) -> Iterator[Epoch]:
        """Yield the epochs that this block of bytes completes."""
        for content in self._framer.feed(block):
            said = read(content)
            if said is None:
                self._unread += 1
                self._previous = ""
            elif (epoch := self._take(said)) is not None:
                yield epoch

    def present(self) -> Epoch:
        """Return what has been told of the present epoch so far."""
        return self._epoch()

    def finish(self) -> Epoch | None:
        """Return what has been told of the present epoch, if anything is new: the line is silent, or at its end."""
        if not self._changed:
            return None
        self._changed = False
        return self._epoch()

    def _take(self, said: Said) -> Epoch | None:
        """Merge a sentence; return the epoch that it ends."""
        ended = None
        if self._begins_another(said):
            if self._changed:
                ended = self._epoch()
            self._begin()
        self._merge(said)
        self._changed = True
        self._previous = said.kind
        return ended

    def _begins_another(self, said: Said) -> bool:
        told = self._told
        if said.clock_us is None:
            # A receiver that knows no time marks its rounds by the sentences that should hold it, else by GSA and GSV.
            again = said.talker + said.kind in told.spoke
            if said.kind in {"GSA", "GSV"}:
                return again and told.clock_us is None and self._previous != said.kind
            return again and said.timeless
        if told.clock_us is None:
            return bool(told.spoke) and said.kind != "ZDA"
        return abs(said.clock_us - told.clock_us) > _SAME_MOMENT_US

    def _begin(self) -> None:
        self._epochs += 1
        self._held = self._mode()
        self._told = _Told()

    def _merge(self, said: Said) -> None:
        told = self._told
        self._tell_time(said)
        if said.kind == "GGA":
            # Trimble's Placer repeats its last GGA, time and all, when it loses the satellites.
            moment = -1 if said.clock_us is None else said.clock_us
            self._stale = (said.talker, moment) == self._last_gga
            self._last_gga = (said.talker, moment)
        # Where a receiver without a fix says 0° N 0° E that is no place, though the next round's GSA may make it a fix
        # when the sentences between them were lost (Royaltek RGM-3800).
        nowhere = said.standing is Standing.INVALID and not said.latitude_deg and not said.longitude_deg
        if said.latitude_deg is not None and said.longitude_deg is not None and not nowhere:
            told.place = (said.latitude_deg, said.longitude_deg)
        if said.standing is not None:
            self._weigh(said)
        if said.mode is not None and not self._stale:
            self._weigh_mode(said.mode)
        if said.quality is not None and _BETTER[said.quality] > _BETTER[told.quality]:
            told.quality = said.quality
        for name in _TAKEN_OVER:
            if (value := getattr(said, name)) is not None:
                told.values[name] = value
        if said.active is not None:
            self._gather_active(said)
        if said.in_view is not None:
            self._gather_view(said)
        told.spoke.add(said.talker + said.kind)

    def _tell_time(self, said: Said) -> None:
        told = self._told
        if said.timeless and told.clock_us is None:
            self._date = self._clock_us = None
        if said.clock_us is None:
            return
        if self._clock_us is not None and self._date and said.clock_us < self._clock_us - _DAY_US // 2:
            self._date += dt.timedelta(days=1)  # midnight, until a sentence with the date says so too
        told.clock_us = self._clock_us = said.clock_us
        if said.date is not None:
            self._date = said.date
        told.date = self._date

    def _weigh(self, said: Said) -> None:
        """Put together what the sentences of an epoch say of the fix."""
        told = self._told
        told.invalid = said.standing is Standing.INVALID or (self._stale and said.kind == "GGA")
        if told.invalid:
            told.mode = None
            return
        if told.hint is None or said.standing is Standing.THREE_D:
            told.hint = said.standing
        elif said.standing is Standing.TWO_D and told.hint is Standing.POSITION:
            told.hint = Standing.TWO_D

    def _weigh_mode(self, mode: Mode) -> None:
        """GSA's word is the last, but that of a constellation none of which is used: then others' may be."""
        told = self._told
        if mode is Mode.NO_FIX and self._previous == "GSA" and told.mode is not None and not told.invalid:
            return
        told.invalid = mode is Mode.NO_FIX
        told.mode = None if told.invalid else mode

    def _mode(self) -> Mode:
        told = self._told
        if told.invalid:
            return Mode.NO_FIX
        if told.hint is Standing.THREE_D:
            return Mode.THREE_D  # four satellites and a height, though GSA says 2 (Quectel, Telit, Navior)
        if told.mode is not None:
            return told.mode
        match told.hint:
            case Standing.TWO_D:
                return Mode.TWO_D
            case Standing.POSITION:
                # What RMC and GLL do not say stays as it was.
                enough = len(self._active) >= _FOR_3D  # by the last GSA, maybe of the epoch before
                return Mode.THREE_D if enough or self._held is Mode.THREE_D else Mode.TWO_D
            case _:
                return Mode.UNKNOWN

    def _gather_active(self, said: Said) -> None:
        """GSA comes once for each constellation, one after the other."""
        if self._told.active is None:
            self._active = {}
        self._active.update(dict.fromkeys(said.active or ()))
        self._told.active = self._active

    def _gather_view(self, said: Said) -> None:
        """GSV comes in parts, for each constellation and signal."""
        told = self._told
        if told.in_view is None:
            told.in_view = {}
        heard = said.in_view or ()
        key = (said.talker, heard[0].signal if heard else None)
        if said.part == 1 or key not in told.in_view:
            told.in_view[key] = []
        if sum(map(len, told.in_view.values())) + len(heard) <= _MOST_SIGNALS:
            told.in_view[key].extend(heard)

    def _epoch(self) -> Epoch:
        told = self._told
        values = told.values
        mode = self._mode()
        time = None
        if told.date is not None and told.clock_us is not None:
            midnight = dt.datetime.combine(told.date, dt.time(), dt.UTC)
            time = midnight + dt.timedelta(microseconds=told.clock_us)
        latitude, longitude = (told.place or (None, None)) if mode >= Mode.TWO_D else (None, None)
        altitude = values.get("altitude_msl_m") if mode >= Mode.TWO_D else None
        separation = values.get("geoid_separation_m")
        both = altitude is not None and separation is not None
        used = values.get("satellites_used")
        station = values.get("correction_station")
        fix = Fix(
            time=time,
            mode=mode,
            quality=told.quality,
            latitude_deg=latitude,
            longitude_deg=longitude,
            altitude_msl_m=altitude,
            altitude_hae_m=altitude + separation if both else None,  # type: ignore[operator]
            geoid_separation_m=separation,
            speed_mps=values.get("speed_mps"),
            track_deg=values.get("track_deg"),
            magnetic_variation_deg=values.get("magnetic_variation_deg"),
            horizontal_error_m=values.get("horizontal_error_m"),
            vertical_error_m=values.get("vertical_error_m"),
            satellites_used=len(told.active) if told.active else None if used is None else int(used),
            correction_age_s=values.get("correction_age_s"),
            correction_station=None if station is None else int(station),
        )
        return Epoch(fix, self._sky(), told.clock_us)

    def _sky(self) -> Sky:
        values = self._told.values
        satellites = tuple(
            Satellite(
                constellation=signal.identity.constellation,
                number=signal.identity.number,
                prn=signal.identity.prn,
                elevation_deg=signal.elevation_deg,
                azimuth_deg=signal.azimuth_deg,
                signal_dbhz=signal.signal_dbhz,
                # Which of a satellite's signals is used nobody says: one that is not heard is not.
                used=signal.identity in self._active and bool(signal.signal_dbhz),
                signal=signals.name(signal.identity.constellation, signal.signal, Numbering.NMEA),
            )
            for heard in (self._told.in_view or {}).values()
            for signal in heard
        )
        return Sky(satellites, values.get("hdop"), values.get("pdop"), values.get("vdop"))
