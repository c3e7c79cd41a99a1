"""A receiver's serial port: opened raw, at some speed, for reading."""

from __future__ import annotations

import errno
import os
import select
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pibramble.errors import BusyError, MissingError, PibrambleError, UsageError

# The most likely first: what receivers ship with (u-blox up to 8, MTK, SiRF; the standard's own; u-blox 9; the rest).
SPEEDS = (9600, 4800, 38400, 115200, 57600, 19200, 230400, 460800, 921600)
_BLOCK = 4096

_IFLAG, _OFLAG, _CFLAG, _LFLAG, _ISPEED, _OSPEED, _CC = range(7)


class GoneError(PibrambleError):
    """The port went away: unplugged, or its driver gave up."""


@contextmanager
def opened(path: str, baud: int) -> Iterator[int]:
    """Open a port raw at `baud` and give its descriptor. Raises BusyError, MissingError, UsageError or GoneError."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise MissingError(
            f"{path}: permission denied",
            hint="the group dialout may: `sudo usermod -aG dialout $USER`, then log in anew",
        ) from None
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise BusyError(
                f"{path} is in use by another program",
                hint="if that is gpsd: `pibramble gps` asks it; `sudo systemctl stop gpsd.socket gpsd` frees the port",
            ) from None
        said = os.strerror(error.errno or 0).lower()
        raise GoneError(f"{path}: {said}", hint="is it plugged in? `ls /dev/serial/by-id/` lists what is") from None
    try:
        if not os.isatty(descriptor):
            raise UsageError(f"{path} is no serial port")
        set_speed(descriptor, baud, path)
        yield descriptor
    finally:
        os.close(descriptor)


def set_speed(descriptor: int, baud: int, path: str) -> None:
    """Make the port raw, 8N1, at `baud`. Raises UsageError for a speed that it does not know."""
    speed = getattr(termios, f"B{baud}", None)
    if speed is None:
        raise UsageError(f"{baud} baud is no speed of a serial port", hint=", ".join(map(str, sorted(SPEEDS))))
    attributes = termios.tcgetattr(descriptor)
    cflag = attributes[_CFLAG] & ~(termios.CSIZE | termios.PARENB | termios.CSTOPB | termios.CRTSCTS)
    attributes[_IFLAG] = attributes[_OFLAG] = attributes[_LFLAG] = 0
    attributes[_CFLAG] = cflag | termios.CS8 | termios.CREAD | termios.CLOCAL
    attributes[_ISPEED] = attributes[_OSPEED] = speed
    # With VMIN 0 a read of nothing would look like a port that is gone.
    attributes[_CC][termios.VMIN], attributes[_CC][termios.VTIME] = 1, 0
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
