"""What the doctor looks at, gathered: the port, gpsd, chrony."""

from __future__ import annotations

import datetime as dt
import shutil
import time

from pibramble import proc
from pibramble.errors import NotUpError
from pibramble.gps import chrony, detect, sources
from pibramble.gps.detect import LISTEN_S
from pibramble.gps.findings import FEW, Observation, Service
from pibramble.gps.model import GpsState, Mode, Origin, Source
from pibramble.gps.port import GoneError
from pibramble.gps.protocols import Sound
from pibramble.progress import Progress

WATCH_S = 5.0


def observe(
    source: Source, progress: Progress, wanted_baud: int | None = None, watch_s: float = WATCH_S
) -> Observation:
    """Look at a source for so many seconds, and at chrony. Raises what opening a port does."""
    now = dt.datetime.now(dt.UTC)
    match source.origin:
        case Origin.PORT:
            return _of_port(source, progress, now, wanted_baud, watch_s)
        case Origin.LOG:
            state = None
            until = time.monotonic() + watch_s if sources.is_live(source) else None
            for state in sources.states(source, until=until):  # noqa: B007 (the last one counts)
                pass
            log = sources.heard_in(source) if state is None else None
            return Observation(now, source.name, log=log, state=state, live=False)
        case Origin.GPSD:
            return _of_gpsd(source, progress, now, watch_s)


def _of_port(
    source: Source, progress: Progress, now: dt.datetime, wanted_baud: int | None, watch_s: float
) -> Observation:
    detection = detect.detect(source.name, progress, listen_s=max(LISTEN_S, watch_s / 2))
    state = None
    if (best := detection.best) and best.heard.sound is Sound.RECEIVER:
        state = _watch(source, progress, watch_s, best.baud)
    # Whether chrony runs is asked where gpsd is; here, whether this machine's clock follows something else.
    return Observation(now, source.name, wanted_baud, detection.attempts, state=state, chronys=chrony.ask())


def _of_gpsd(source: Source, progress: Progress, now: dt.datetime, watch_s: float) -> Observation:
    service, problem, state = Service.TALKING, "", None
    try:
        state = _watch(source, progress, watch_s)
    except (NotUpError, GoneError) as error:
        # A gpsd on another machine is not looked for here.
        local = source.name == sources.LOCAL_GPSD
        missing = local and shutil.which("gpsd", path=proc.system_path()) is None
        service, problem = (Service.MISSING if missing else Service.SILENT), error.message
    asked = chrony.ask()
    match asked.problem:
        case "":
            kept = Service.TALKING
        case chrony.NOT_INSTALLED:
            kept = Service.MISSING
        case _:
            kept = Service.SILENT
    return Observation(now, state=state, gpsd=service, gpsd_problem=problem, chrony=kept, chronys=asked)


def _watch(source: Source, progress: Progress, watch_s: float, baud: int = 9600) -> GpsState | None:
    """Follow a source until all is known: a 3D fix, the satellites, of a wire how good it is; or the time is over."""
    state = None
    with progress.step(f"watching {source.device or source.name}"):
        for state in sources.states(source, baud, until=time.monotonic() + watch_s):
            counts = state.counts
            known = source.origin is Origin.GPSD or counts.sentences + counts.wrong >= FEW
            if known and state.fix.mode >= Mode.THREE_D and state.sky.satellites and state.fix.time:
                break
    return state
