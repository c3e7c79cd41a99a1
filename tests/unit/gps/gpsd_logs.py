"""Recorded logs held against what gpsd made of them: NAME.log, and NAME.log.chk with its sentences and gpsd's answers.

`python -m tests.unit.gps.gpsd_logs [LOG...]` prints every disagreement, epoch by epoch, for whoever writes the table.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import attrs

from pibramble.gps.gpsd import Client
from pibramble.gps.model import Fix, Mode, Quality, Sky
from pibramble.gps.nmea import Epoch, Reader
from pibramble.gps.protocols import Protocol, listen

REPO = Path(__file__).parents[3]
SHARED = Path(os.environ.get("GPSD_LOGS") or REPO.parent / "shared" / "data" / "gpsd-logs")
OWN = REPO / "tests" / "data" / "gps"

_DEGREE = 2e-9  # gpsd prints nine decimals
_METRE = 1.01e-4
_MPS = 1.01e-3


@attrs.frozen
class Answered:
    """One epoch, and gpsd's last words on it with what the direct reader says after the same sentences."""

    whole: Epoch
    fix: tuple[Fix, Fix] | None = None  # the direct reader's, gpsd's
    sky: tuple[Sky, Sky] | None = None


@attrs.frozen
class Disagreement:
    """One field of one epoch."""

    field: str
    ours: object
    gpsds: object
    epoch: int


def logs(folder: Path) -> list[Path]:
    """Return the logs that have answers beside them."""
    return sorted(path for path in folder.glob("*.log") if path.with_name(path.name + ".chk").exists())


def epochs(data: bytes) -> list[Epoch]:
    reader = Reader()
    found = list(reader.feed(data + b"\n"))  # the last line may have no end
    last = reader.finish()
    return [*found, last] if last else found


def foreign(data: bytes) -> set[Protocol]:
    """Return the languages that are in a log beside NMEA."""
    return set(listen(data).frames) - {Protocol.NMEA, Protocol.BARE_NMEA, Protocol.AIS, Protocol.GPSD}


def answered(chk: bytes) -> list[Answered]:
    """Return the epochs of a .chk file: the sentences as gpsd took them, with the answers that came in between."""
    reader = Reader()
    done: list[Epoch] = []
    fixes: dict[int, tuple[Fix, Fix]] = {}
    skies: dict[int, tuple[Sky, Sky]] = {}
    client = Client("log")
    for line in chk.splitlines():
        if line.startswith(b"{"):
            answer = json.loads(line)
            client.feed(line + b"\n")
            if answer["class"] == "TPV" and answer.get("mode"):
                fixes[len(done)] = (reader.present().fix, client.state.fix)
            elif answer["class"] == "SKY" and "satellites" in answer:
                skies[len(done)] = (reader.present().sky, client.state.sky)
        else:
            done += reader.feed(line + b"\r\n")
    if last := reader.finish():
        done.append(last)
    return [Answered(epoch, fixes.get(number), skies.get(number)) for number, epoch in enumerate(done)]


def disagreements(log: bytes, chk: bytes) -> Iterator[Disagreement]:
    """Yield what the direct reader and gpsd do not say alike."""
    told = answered(chk)
    ours, theirs = [e.fix for e in epochs(log)], [a.whole.fix for a in told]
    if ours != theirs:
        first = next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), -1)
        yield Disagreement("sentences", len(ours), len(theirs), first)
    for number, one in enumerate(told):
        if one.fix is not None:
            yield from _of_fix(*one.fix, number)
        if one.sky is not None:
            yield from _of_sky(*one.sky, number)


def _of_fix(ours: Fix, gpsds: Fix, number: int) -> Iterator[Disagreement]:
    if ours.mode is not gpsds.mode:
        yield Disagreement("mode", ours.mode, gpsds.mode, number)
    if not _same_time(ours.time, gpsds.time):
        yield Disagreement("time", ours.time, gpsds.time, number)
    if min(ours.mode, gpsds.mode) < Mode.TWO_D:
        return
    for field, tolerance in _ALWAYS.items():
        mine, theirs = getattr(ours, field), getattr(gpsds, field)
        if (mine is None) is not (theirs is None) or (mine is not None and abs(mine - theirs) > tolerance):
            yield Disagreement(field, mine, theirs, number)
    for field, tolerance in _WHERE_TOLD.items():
        mine, theirs = getattr(ours, field), getattr(gpsds, field)
        if mine is not None and theirs is not None and abs(mine - theirs) > tolerance:
            yield Disagreement(field, mine, theirs, number)
    if gpsds.quality is not Quality.AUTONOMOUS and ours.quality is not gpsds.quality:
        yield Disagreement("quality", ours.quality, gpsds.quality, number)


_ALWAYS = {"latitude_deg": _DEGREE, "longitude_deg": _DEGREE, "altitude_msl_m": _METRE}

# What a receiver does not say gpsd works out: geoid, speed between fixes, magnetic variation.
_WHERE_TOLD = {
    "altitude_hae_m": _METRE, "geoid_separation_m": 1.01e-3, "speed_mps": _MPS, "track_deg": 1.01e-4,
    "magnetic_variation_deg": 0.0501, "correction_age_s": 0.101,
}  # fmt: skip


def _same_time(ours: dt.datetime | None, gpsds: dt.datetime | None) -> bool:
    if ours is None or gpsds is None:
        return ours is gpsds
    return abs((ours - gpsds).total_seconds()) < 0.0011


def _of_sky(ours: Sky, gpsds: Sky, number: int) -> Iterator[Disagreement]:
    def listed(sky: Sky) -> Counter[tuple[object, ...]]:
        return Counter(
            (
                s.constellation,
                s.number,
                s.prn,
                s.elevation_deg,
                s.azimuth_deg,
                None if s.signal_dbhz is None else int(s.signal_dbhz),
            )
            for s in sky.satellites
        )

    mine, theirs = listed(ours), listed(gpsds)
    if mine != theirs:
        more, fewer = (sorted(some.elements(), key=str)[:3] for some in (mine - theirs, theirs - mine))
        yield Disagreement("satellites", more, fewer, number)
    elif ours.used != gpsds.used:
        yield Disagreement("used", ours.used, gpsds.used, number)
    for field in ("hdop", "pdop", "vdop"):
        mine_dop, theirs_dop = getattr(ours, field), getattr(gpsds, field)
        if mine_dop is not None and theirs_dop is not None and abs(mine_dop - theirs_dop) > 0.0101:
            yield Disagreement(field, mine_dop, theirs_dop, number)


def main() -> None:
    """Print what is found."""
    for log in [Path(name) for name in sys.argv[1:]] or logs(SHARED):
        data = log.read_bytes()
        others = foreign(data)
        if others:
            print(f"{log.name}: also {', '.join(sorted(others))}")
            continue
        found = list(disagreements(data, log.with_name(log.name + ".chk").read_bytes()))
        print(f"{log.name}: {len(epochs(data))} epochs, {dict(Counter(d.field for d in found))}")
        for one in found if len(sys.argv) == 2 else found[:2]:
            print(f"   {one.epoch} {one.field}: {one.ours} | {one.gpsds}")


if __name__ == "__main__":
    main()
