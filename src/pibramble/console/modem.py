"""What a tty tells besides bytes: its modem lines, and its driver's counts of errors and breaks.

Not every driver has them; a pseudo-terminal and a socket have neither.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from enum import IntFlag

import attrs

# asm-generic/ioctls.h, linux/serial.h: what Python's termios does not name.
_TIOCGICOUNT = 0x545D
_COUNTS = struct.Struct("@20i")  # struct serial_icounter_struct
_LINES = struct.Struct("@i")


class Lines(IntFlag):
    """The modem lines, by their bits in TIOCMGET."""

    DTR = termios.TIOCM_DTR
    RTS = termios.TIOCM_RTS
    CTS = termios.TIOCM_CTS
    CD = termios.TIOCM_CD
    RI = termios.TIOCM_RI
    DSR = termios.TIOCM_DSR


@attrs.frozen
class Counts:
    """What the driver has counted since it was loaded."""

    framing_errors: int = 0
    overruns: int = 0
    parity_errors: int = 0
    breaks: int = 0
    buffer_overruns: int = 0

    def since(self, before: Counts) -> Counts:
        """Return how many have come since `before`."""
        return Counts(*(now - then for now, then in zip(attrs.astuple(self), attrs.astuple(before), strict=True)))


def lines(descriptor: int) -> Lines | None:
    """Return which modem lines are on; None where there are none."""
    try:
        (bits,) = _LINES.unpack(fcntl.ioctl(descriptor, termios.TIOCMGET, bytes(_LINES.size)))
    except OSError:
        return None
    return Lines(bits & sum(Lines))


def switch(descriptor: int, line: Lines, *, on: bool) -> bool:
    """Switch DTR or RTS; false where there is none."""
    try:
        fcntl.ioctl(descriptor, termios.TIOCMBIS if on else termios.TIOCMBIC, _LINES.pack(line))
    except OSError:
        return False
    return True


def counts(descriptor: int) -> Counts | None:
    """Return the driver's counts; None where it does not count."""
    try:
        fields = _COUNTS.unpack(fcntl.ioctl(descriptor, _TIOCGICOUNT, bytes(_COUNTS.size)))
    except OSError:
        return None
    return Counts(*fields[6:11])
