"""What gpsd answers, as JSON lines (gpsd_json(5)), into what is known.

Heights are taken from altHAE and altMSL: what `alt` means has changed from one gpsd to the next.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from math import isfinite
from typing import Any

import attrs

from pibramble.gps import signals
from pibramble.gps.model import Constellation, Fix, GpsState, Mode, Origin, Pulse, Quality, Satellite, Sky, Source
from pibramble.gps.signals import Numbering

PORT = 2947
WATCH = b'?WATCH={"enable":true,"json":true,"pps":true};\n'
_LONGEST = 65_536  # bytes of a line: a sky of all constellations has some 15,000

# gpsd numbers constellations as u-blox does.
CONSTELLATIONS = {
    0: Constellation.GPS, 1: Constellation.SBAS, 2: Constellation.GALILEO, 3: Constellation.BEIDOU,
    4: Constellation.IMES, 5: Constellation.QZSS, 6: Constellation.GLONASS, 7: Constellation.NAVIC,
}  # fmt: skip
QUALITIES = {
    1: Quality.AUTONOMOUS, 2: Quality.DIFFERENTIAL, 3: Quality.RTK_FIXED, 4: Quality.RTK_FLOAT, 5: Quality.ESTIMATED,
    6: Quality.ESTIMATED, 7: Quality.SURVEYED, 8: Quality.SIMULATED, 9: Quality.PRECISE,
}  # fmt: skip


class Client:
    """Makes a state of what gpsd sends. Pure: it knows no clock and no socket."""

    def __init__(self, name: str) -> None:
        """Know nothing yet; `name` says where gpsd is."""
        self.state = GpsState(Source(Origin.GPSD, name))
        self.version = ""
        self._rest = b""

    def feed(self, block: bytes, now_s: float | None = None) -> bool:
        """Take in what has come, at the system's time `now_s`; say whether a new fix was among it."""
        fixed = False
        for line in self._lines(block):
            try:
                answer = json.loads(line)
            except (ValueError, RecursionError):
                self._count(wrong=1)
                continue
            if isinstance(answer, dict):
                self._count(sentences=1)
                fixed |= self._take(answer, now_s)
        return fixed

    def _lines(self, block: bytes) -> Iterator[bytes]:
        counts = self.state.counts
        self.state = attrs.evolve(self.state, counts=attrs.evolve(counts, bytes=counts.bytes + len(block)))
        *lines, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > _LONGEST:
            self._rest = b""
            self._count(wrong=1)
        yield from filter(bytes.strip, lines)

    def _count(self, *, sentences: int = 0, wrong: int = 0, epochs: int = 0) -> None:
        counts = self.state.counts
        counts = attrs.evolve(
            counts,
            sentences=counts.sentences + sentences,
            wrong=counts.wrong + wrong,
            epochs=counts.epochs + epochs,
        )
        self.state = attrs.evolve(self.state, counts=counts)

    def _take(self, answer: dict[str, Any], now_s: float | None) -> bool:
        kind = answer.get("class")
        if kind == "TPV":
            self._count(epochs=1)
        elif kind == "VERSION":
            self.version = str(answer.get("release", ""))
        if read := _READERS.get(str(kind)):
            self.state = attrs.evolve(self.state, **read(answer, self.state))
        time = self.state.fix.time
        if kind == "TPV" and time and now_s is not None:
            self.state = attrs.evolve(self.state, offset_s=now_s - time.timestamp())
        return kind == "TPV"


# --- answers, each as what it changes --------------------------------------------------------------------------------


def _tpv(answer: dict[str, Any], state: GpsState) -> dict[str, Any]:
    leap = _number(answer, "leapseconds")
    return {
        "fix": _fix(answer, state.fix),
        "leap_seconds": state.leap_seconds if leap is None else int(leap),
        "problem": "",
    }


def _skies(answer: dict[str, Any], state: GpsState) -> dict[str, Any]:
    sky = _sky(answer, state.sky)
    return {"sky": sky, "fix": attrs.evolve(state.fix, satellites_used=_used(answer, sky))}


def _toff(answer: dict[str, Any], state: GpsState) -> dict[str, Any]:
    offset_s = _difference(answer)
    return {"offset_s": state.offset_s if offset_s is None else offset_s}


def _pps(answer: dict[str, Any], state: GpsState) -> dict[str, Any]:
    offset_s = _difference(answer)
    return {"pulse": state.pulse if offset_s is None else Pulse(offset_s, int(_number(answer, "precision") or 0))}


def _devices(answer: dict[str, Any], state: GpsState) -> dict[str, Any]:
    devices = answer.get("devices")
    known = [device for device in devices if isinstance(device, dict)] if isinstance(devices, list) else []
    if not known:
        return {"problem": "gpsd runs, and has no receiver to read"}
    return {"source": _device(known[0], state.source)}


def _activated(answer: dict[str, Any], state: GpsState) -> dict[str, Any]:
    if answer.get("activated") == 0:
        return {"problem": f"gpsd has lost the receiver at {answer.get('path', '?')}"}
    return {"source": _device(answer, state.source), "problem": ""}


def _error(answer: dict[str, Any], _state: GpsState) -> dict[str, Any]:
    return {"problem": f"gpsd says: {answer.get('message', 'error')}"}


_READERS = {
    "TPV": _tpv,
    "SKY": _skies,
    "TOFF": _toff,
    "PPS": _pps,
    "DEVICES": _devices,
    "DEVICE": _activated,
    "ERROR": _error,
}


def _number(answer: dict[str, Any], key: str) -> float | None:
    value = answer.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


def _device(answer: dict[str, Any], source: Source) -> Source:
    driver = " ".join(str(answer[key]) for key in ("driver", "subtype") if answer.get(key))
    baud = _number(answer, "bps")
    return attrs.evolve(
        source,
        device=str(answer.get("path", source.device)),
        driver=driver or source.driver,
        baud=source.baud if baud is None else int(baud),
    )


def _time(text: object) -> dt.datetime | None:
    if not isinstance(text, str):
        return None
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None


def _fix(answer: dict[str, Any], before: Fix) -> Fix:
    mode = _number(answer, "mode")
    known = mode is not None and mode in set(Mode)
    station = _number(answer, "dgpsSta")
    located = known and mode is not None and mode >= Mode.TWO_D
    status = _number(answer, "status")
    default = Quality.AUTONOMOUS if located else Quality.NONE  # gpsd says nothing of what is plain
    return Fix(
        time=_time(answer.get("time")),
        mode=Mode(int(mode)) if known and mode is not None else Mode.UNKNOWN,
        quality=default if status is None else QUALITIES.get(int(status), default),
        latitude_deg=_number(answer, "lat"),
        longitude_deg=_number(answer, "lon"),
        altitude_msl_m=_number(answer, "altMSL"),
        altitude_hae_m=_number(answer, "altHAE"),
        geoid_separation_m=_number(answer, "geoidSep"),
        speed_mps=_number(answer, "speed"),
        track_deg=_number(answer, "track"),
        climb_mps=_number(answer, "climb"),
        magnetic_variation_deg=_number(answer, "magvar"),
        horizontal_error_m=_number(answer, "eph"),
        vertical_error_m=_number(answer, "epv"),
        satellites_used=before.satellites_used,
        correction_age_s=_number(answer, "dgpsAge"),
        correction_station=None if station is None else int(station),
    )


def _sky(answer: dict[str, Any], before: Sky) -> Sky:
    """Return the sky; an answer without satellites tells dilutions only, and leaves the satellites as they were."""
    listed = answer.get("satellites")
    if isinstance(listed, list):
        satellites = tuple(_satellite(entry) for entry in listed if isinstance(entry, dict))
    else:
        satellites = () if answer.get("nSat") == 0 else before.satellites
    hdop, pdop, vdop = (_number(answer, key) for key in ("hdop", "pdop", "vdop"))
    return Sky(satellites, hdop, pdop, vdop)


def _satellite(entry: dict[str, Any]) -> Satellite:
    prn, number, constellation = (int(_number(entry, key) or 0) for key in ("PRN", "svid", "gnssid"))
    whose = CONSTELLATIONS.get(constellation, Constellation.GPS)
    signal = _number(entry, "sigid")
    return Satellite(
        constellation=whose,
        number=number,
        prn=prn,
        elevation_deg=_number(entry, "el"),
        azimuth_deg=_number(entry, "az"),
        signal_dbhz=_number(entry, "ss"),
        used=entry.get("used") is True,
        signal=signals.name(whose, None if signal is None else int(signal), Numbering.GPSD),
    )


def _used(answer: dict[str, Any], sky: Sky) -> int | None:
    used = _number(answer, "uSat")
    return sky.used if used is None and sky.satellites else None if used is None else int(used)


def _difference(answer: dict[str, Any]) -> float | None:
    """Return the system's clock less true time, both told in seconds and nanoseconds."""
    seconds = [_number(answer, key) for key in ("clock_sec", "real_sec")]
    parts = [_number(answer, key) for key in ("clock_nsec", "real_nsec")]
    if None in seconds or None in parts:
        return None
    clock, real = seconds
    clock_part, real_part = parts
    # Whole seconds first: together with nanoseconds they are more than a float can hold.
    return (clock or 0) - (real or 0) + ((clock_part or 0) - (real_part or 0)) / 1e9
