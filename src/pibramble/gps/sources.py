"""Where a state comes from: gpsd, a serial port, a log, standard input; and following it as it changes."""

from __future__ import annotations

import os
import select
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import attrs

from pibramble.errors import NotUpError, PibrambleError, UsageError
from pibramble.gps import detect, gpsd, port
from pibramble.gps.direct import SILENCE_S, Direct
from pibramble.gps.gpsd import Client
from pibramble.gps.model import GpsState, Origin, Source
from pibramble.gps.protocols import Heard, listen
from pibramble.gps.protocols import Protocol as Language
from pibramble.gps.silence import Ear, Hearing
from pibramble.progress import Progress

LOCAL_GPSD = f"127.0.0.1:{gpsd.PORT}"
_CONNECT_S = 5
TOLD_AGAIN_S = 1.0
_AGAIN_S = 1.0  # between tries to find a source that went away
_BLOCK = 65_536


class Follower(Protocol):
    """What makes states of bytes: `Direct` for a receiver's own, `Client` for gpsd's."""

    state: GpsState

    def feed(self, block: bytes, now_s: float | None = None) -> bool:
        """Take in what has come; say whether there is a new fix."""
        ...


def named(text: str, baud: int | None = None) -> Source:
    """Return what a person means: nothing or HOST[:PORT] gpsd, a device a port, a file a log, `-` standard input.

    Raises UsageError for what is none of them.
    """
    if not text:
        return Source(Origin.GPSD, LOCAL_GPSD)
    if text == "-":
        return Source(Origin.LOG, "-")
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = 0
    except OSError as error:
        raise UsageError(f"{text}: {os.strerror(error.errno or 0).lower()}") from None
    if stat.S_ISCHR(mode):
        return Source(Origin.PORT, text, baud=baud)
    if stat.S_ISREG(mode) or stat.S_ISFIFO(mode):
        return Source(Origin.LOG, text)
    if stat.S_ISSOCK(mode) or (not mode and "/" not in text):
        return Source(Origin.GPSD, text)
    if stat.S_ISDIR(mode):
        raise UsageError(f"{text} is a folder", hint="name a port, a log or a gpsd")
    raise UsageError(
        f"{text}: there is no such port, log or gpsd", hint="a port is like /dev/ttyUSB0, a gpsd like HOST or HOST:2947"
    )


def heard_in(source: Source) -> Heard | None:
    """Return what the beginning of a file sounds like; None for what is no file."""
    if source.origin is not Origin.LOG or source.name == "-" or is_live(source):
        return None
    with Path(source.name).open("rb") as stream:
        return listen(stream.read(_BLOCK))


def follower(source: Source) -> Follower:
    """Return what understands this source."""
    return Client(source.name) if source.origin is Origin.GPSD else Direct(source)


def is_live(source: Source) -> bool:
    """Say whether more may come of it: of a file nothing does, of a pipe it may."""
    if source.origin is not Origin.LOG:
        return True
    found = os.fstat(sys.stdin.fileno()) if source.name == "-" else Path(source.name).stat()
    return not stat.S_ISREG(found.st_mode)


def states(source: Source, baud: int = 9600, until: float | None = None) -> Iterator[GpsState]:
    """Yield a state for each new fix, and once a second while there is none.

    `until` is a monotonic time. Raises NotUpError where no gpsd answers, GoneError where a port went away.
    """
    following = follower(source)
    with opened(source, baud) as descriptor:
        if source.origin is Origin.LOG:
            yield from _of_log(descriptor, following, until)
            return
        ear = Ear()
        told_s = time.monotonic()
        for block in port.blocks(descriptor, source.name, pause(source), until):
            changed = following.feed(block, time.time())
            now_s = time.monotonic()
            if changed or now_s - told_s >= TOLD_AGAIN_S:
                told_s = now_s
                yield ear.told(following.state, now_s, time.time())


def pause(source: Source) -> float:
    """Return after how many seconds without a byte a source counts as silent."""
    return TOLD_AGAIN_S if source.origin is Origin.GPSD else SILENCE_S


def _of_log(descriptor: int, following: Follower, until: float | None) -> Iterator[GpsState]:
    """Read a file, or a pipe: what comes through that may come as slowly as from a receiver."""
    while until is None or time.monotonic() < until:
        # A file is always ready.
        wait_s = SILENCE_S if until is None else max(0.0, min(SILENCE_S, until - time.monotonic()))
        if not select.select([descriptor], [], [], wait_s)[0]:
            if following.feed(b""):
                yield following.state
            continue
        block = os.read(descriptor, _BLOCK)
        if not block:
            break
        for line in block.splitlines(keepends=True):  # a state for each epoch, not one for all
            if following.feed(line):
                yield following.state
    for rest in (b"\n", b""):  # the last line may have no end
        if following.feed(rest):
            yield following.state


def follow(source: Source, progress: Progress, for_s: float | None = None) -> Iterator[GpsState]:
    """Yield states for as long as there is a source, or for some seconds from when it was found.

    One that goes away is waited for, and one that changes its speed found again. Raises what opening it does, the first
    time.
    """
    state: GpsState | None = None
    until: float | None = None
    while until is None or time.monotonic() < until:
        try:
            baud = source.baud or (_found(source.name, progress) if source.origin is Origin.PORT else None)
            if for_s is not None and until is None:
                until = time.monotonic() + for_s
            ear = Ear()
            for state in states(attrs.evolve(source, baud=baud), baud or 0, until):
                deaf = ear.hear(state, time.monotonic(), time.time()) is Hearing.DEAF
                yield state
                if deaf and source.baud is None:
                    break
            else:
                return
        except PibrambleError as error:
            if state is None:
                raise
            yield attrs.evolve(state, problem=error.message)
            time.sleep(_AGAIN_S)


def _found(path: str, progress: Progress) -> int:
    """Return a receiver's speed. Raises PibrambleError where none is heard, or none that can be read here."""
    attempt = detect.found(detect.detect(path, progress))
    frames, language = attempt.heard.frames, attempt.heard.protocol
    if Language.NMEA not in frames:
        raise PibrambleError(
            f"{path}: the receiver speaks {language} at {attempt.baud} baud, pibramble's own reader NMEA 0183 only",
            hint="gpsd reads it: `pibramble gps` without a port asks gpsd; `pibramble gps doctor` says how it stands",
        )
    return attempt.baud


@contextmanager
def opened(source: Source, baud: int) -> Iterator[int]:
    """Open a source for reading and give its descriptor. Raises NotUpError, MissingError, UsageError or GoneError."""
    match source.origin:
        case Origin.GPSD:
            with connected(source.name) as link:
                yield link.fileno()
        case Origin.PORT:
            with port.opened(source.name, source.baud or baud) as descriptor:
                yield descriptor
        case Origin.LOG if source.name == "-":
            yield sys.stdin.fileno()
        case Origin.LOG:
            with Path(source.name).open("rb", buffering=0) as stream:
                yield stream.fileno()


@contextmanager
def connected(name: str) -> Iterator[socket.socket]:
    """Connect to gpsd and ask it to tell all it learns. Raises NotUpError."""
    try:
        link = _connect(name)
    except socket.gaierror as error:
        raise NotUpError(
            f"{name}: no file is called so, and no machine either ({(error.strerror or str(error)).lower()})",
            hint="`pibramble gps` reads a log, a port such as /dev/ttyUSB0, or the gpsd of HOST or HOST:2947",
        ) from None
    except OSError as error:
        raise NotUpError(
            f"no gpsd answers at {name}: {(error.strerror or str(error)).lower()}",
            hint="`pibramble gps doctor` says why; `pibramble gps /dev/ttyUSB0` reads a receiver without gpsd",
        ) from None
    with link:
        link.settimeout(_CONNECT_S)
        link.sendall(gpsd.WATCH)
        link.setblocking(False)  # noqa: FBT003 (the standard library's own signature)
        yield link


def _connect(name: str) -> socket.socket:
    if "/" in name:
        link = socket.socket(socket.AF_UNIX)
        try:
            link.settimeout(_CONNECT_S)
            link.connect(name)
        except OSError:
            link.close()
            raise
        return link
    return socket.create_connection(address(name), timeout=_CONNECT_S)


def address(name: str) -> tuple[str, int]:
    """Return host and port of `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`. Raises UsageError."""
    host, _, number = name.rpartition(":") if name.count(":") == 1 or name.startswith("[") else (name, "", "")
    if number and not (number.isascii() and number.isdecimal() and int(number) < 1 << 16):
        raise UsageError(f"`{name}` names no gpsd", hint="HOST or HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(number or gpsd.PORT)
