"""A receiver's serial port: opened raw, at some speed, for reading."""

from __future__ import annotations

import os
import select
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pibramble.errors import BusyError, PibrambleError, UsageError
from pibramble.serialport import opening

# The most likely first: what receivers ship with (u-blox up to 8, MTK, SiRF; the standard's own; u-blox 9; the rest).
SPEEDS = (9600, 4800, 38400, 115200, 57600, 19200, 230400, 460800, 921600)
_BLOCK = 4096
_IF_GPSD = "if that is gpsd: `pibramble gps` asks it; `sudo systemctl stop gpsd.socket gpsd` frees the port"


class GoneError(PibrambleError):
    """The port went away: unplugged, or its driver gave up."""


@contextmanager
def opened(path: str, baud: int) -> Iterator[int]:
    """Open a port raw at `baud`, ours alone, and give its descriptor.

    Raises BusyError, and whatever else `serialport.opening` does.
    """
    try:
        port = opening.Opened(path)
    except BusyError as error:
        raise BusyError(error.message, hint="\n".join(filter(None, (error.hint, _IF_GPSD)))) from None
    try:
        set_speed(port.descriptor, baud, path)
        yield port.descriptor
    finally:
        port.close()


def set_speed(descriptor: int, baud: int, path: str) -> None:
    """Make the port raw, 8N1, at `baud`; forget what came before. Raises UsageError for a speed it does not know."""
    speed = getattr(termios, f"B{baud}", None)
    if speed is None:
        raise UsageError(f"{baud} baud is no speed of a serial port", hint=", ".join(map(str, sorted(SPEEDS))))
    attributes = termios.tcgetattr(descriptor)
    opening.set_raw(attributes, speed)
    try:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, attributes)
    except termios.error as error:
        raise UsageError(f"{path} cannot do {baud} baud: {error.args[-1]}") from None


def blocks(descriptor: int, name: str, silence_s: float, until: float | None = None) -> Iterator[bytes]:
    """Yield what comes, in blocks; an empty one after `silence_s` without any. Ends at the monotonic time `until`.

    Raises GoneError when the other end went away.
    """
    while until is None or time.monotonic() < until:
        wait_s = silence_s if until is None else max(0.0, min(silence_s, until - time.monotonic()))
        ready, _, _ = select.select([descriptor], [], [], wait_s)
        yield take(descriptor, name) if ready else b""


def take(descriptor: int, name: str) -> bytes:
    """Return what has come; nothing when nothing has. Raises GoneError when the other end went away."""
    try:
        block = os.read(descriptor, _BLOCK)
    except BlockingIOError:
        return b""
    except OSError:  # EIO: the adapter was unplugged
        block = b""
    if not block:
        named = "plugged in again, it may have another name: see /dev/serial/by-id/" if name.startswith("/dev/") else ""
        raise GoneError(f"{name} went away", hint=named)
    return block
