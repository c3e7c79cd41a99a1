"""A serial device as the console drives it: any speed and framing, breaks, and what is not on the wire yet."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from pathlib import Path

from pibramble.console.device import READ_BYTES, DeviceError
from pibramble.console.model import Flow, Parity, Settings, State
from pibramble.errors import BusyError, PibrambleError
from pibramble.serialport import lockfiles, opening

# asm-generic/ioctls.h and asm-generic/termbits.h (x86, ARM): what Python's termios does not name.
_TIOCSBRK, _TIOCCBRK = 0x5427, 0x5428
_TCGETS2, _TCSETS2 = 0x802C542A, 0x402C542B
_TERMIOS2 = struct.Struct("@4IB19s2I")
_CBAUD, _BOTHER = 0o10017, 0o10000

_CFLAG = 2  # where the control modes are, in both of them
_SIZES = {5: termios.CS5, 6: termios.CS6, 7: termios.CS7, 8: termios.CS8}


class Tty:
    """An open serial device."""

    def __init__(self, path: str, settings: Settings, lock_folder: Path = lockfiles.FOLDER) -> None:
        """Open, lock and configure it. Raises DeviceError, whose state says how the port is."""
        self._path = path
        try:
            self._opened = opening.Opened(path, lock_folder)
        except PibrambleError as error:
            state = _state(error)
            code = None if state is State.ABSENT else error.exit_code
            raise DeviceError(error.message, state=state, hint=error.hint, exit_code=code) from None
        self._fd = self._opened.descriptor
        try:
            self.configure(settings)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def read(self) -> bytes:
        """Return what has come; nothing when the device is gone."""
        return os.read(self._fd, READ_BYTES)

    def write(self, data: bytes | memoryview) -> int:
        """Write what fits."""
        return os.write(self._fd, data)

    def configure(self, settings: Settings) -> None:
        """Make it raw, with this speed and framing. Raises DeviceError."""
        try:
            attributes = termios.tcgetattr(self._fd)
            named = getattr(termios, f"B{settings.baud}", None)
            pauses = termios.IXON | termios.IXOFF if settings.flow is Flow.SOFTWARE else 0
            opening.set_raw(attributes, termios.B38400 if named is None else named, _framing(settings), pauses)
            termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
            if named is None:
                self._set_any_speed(settings.baud)
        except (termios.error, OSError) as error:
            raise DeviceError(
                f"{self._path} does not take {settings}: {_words(error)}", hint="another speed, or another adapter"
            ) from None

    def hold_low(self, *, low: bool) -> None:
        """Begin or end a break. Raises DeviceError where the driver has none."""
        try:
            fcntl.ioctl(self._fd, _TIOCSBRK if low else _TIOCCBRK)
        except OSError as error:
            message = f"{self._path}: this adapter's driver sends no break: {_words(error)}"
            raise DeviceError(message, hint="NULs at a low speed look like one to many devices") from None

    def unsent(self) -> int:
        """Return how many bytes wait in the kernel's buffer (a chip's own FIFO is not counted)."""
        waiting = fcntl.ioctl(self._fd, termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(waiting, "little")

    def close(self) -> None:
        """Let go of the device and its locks."""
        self._opened.close()

    def _set_any_speed(self, baud: int) -> None:
        """Set a speed that has no name of its own."""
        fields = list(_TERMIOS2.unpack(fcntl.ioctl(self._fd, _TCGETS2, bytes(_TERMIOS2.size))))
        fields[_CFLAG] = fields[_CFLAG] & ~_CBAUD | _BOTHER
        fields[-2:] = [baud, baud]
        fcntl.ioctl(self._fd, _TCSETS2, _TERMIOS2.pack(*fields))


def _framing(settings: Settings) -> int:
    """Return what these settings are among the control modes."""
    bits = _SIZES[settings.data_bits]
    if settings.parity is not Parity.NONE:
        bits |= termios.PARENB | (termios.PARODD if settings.parity is Parity.ODD else 0)
    if settings.stop_bits == 2:  # noqa: PLR2004
        bits |= termios.CSTOPB
    return bits | (opening.CRTSCTS if settings.flow is Flow.HARDWARE else 0)


def _state(error: PibrambleError) -> State:
    match error:
        case BusyError():
            return State.BUSY
        case opening.AbsentError():
            return State.ABSENT
        case _:
            return State.FAILED


def _words(error: OSError | termios.error) -> str:
    return str(error.args[1] if len(error.args) > 1 else error)
