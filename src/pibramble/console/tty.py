"""A serial device: opened once, locked in every way that other programs know, raw.

The three locks are flock (picocom, tio, gpsd), TIOCEXCL (the kernel refuses later openers) and the lock file of
`lockfiles` (minicom, cu, pppd). The first two end with the process, however it ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
from contextlib import suppress
from pathlib import Path

from pibramble.console import lockfiles
from pibramble.console.device import READ_BYTES, DeviceError
from pibramble.console.model import Flow, Parity, Settings, State

# asm-generic/ioctls.h and asm-generic/termbits.h (x86, ARM): what Python's termios does not name.
_TIOCSBRK, _TIOCCBRK = 0x5427, 0x5428
_TCGETS2, _TCSETS2 = 0x802C542A, 0x402C542B
_TERMIOS2 = struct.Struct("@4IB19s2I")
_CBAUD, _BOTHER = 0o10017, 0o10000
_CRTSCTS = 0o20000000000

_IFLAG, _OFLAG, _CFLAG, _LFLAG, _ISPEED, _OSPEED, _CC = range(7)
_SIZES = {5: termios.CS5, 6: termios.CS6, 7: termios.CS7, 8: termios.CS8}


class Tty:
    """An open serial device."""

    def __init__(self, path: str, settings: Settings, lock_folder: Path = lockfiles.FOLDER) -> None:
        """Open, lock and configure it. Raises DeviceError, whose state says how the port is."""
        self._path = path
        self._lock_file: Path | None = None
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _unopened(path, error) from None
        try:
            self._claim(lock_folder)
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
            _make_raw(attributes, settings)
            attributes[_ISPEED] = attributes[_OSPEED] = named if named is not None else termios.B38400
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
        with suppress(OSError):
            fcntl.ioctl(self._fd, termios.TIOCNXCL)
        with suppress(OSError):
            os.close(self._fd)
        lockfiles.release(self._lock_file)

    def _claim(self, lock_folder: Path) -> None:
        if not os.isatty(self._fd):
            raise DeviceError(
                f"{self._path} is no serial device", hint="as /dev/ttyUSB0, or a name of /dev/serial/by-path/"
            )
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeviceError(f"{self._path} is in use by another program", state=State.BUSY) from None
        try:
            self._lock_file = lockfiles.take(Path(self._path), lock_folder)
        except lockfiles.LockedError as error:
            message = f"{self._path} is in use by {error.owner}"
            raise DeviceError(message, state=State.BUSY, hint=f"its lock is {error.file}") from None
        with suppress(OSError):
            fcntl.ioctl(self._fd, termios.TIOCEXCL)

    def _set_any_speed(self, baud: int) -> None:
        """Set a speed that has no name of its own."""
        fields = list(_TERMIOS2.unpack(fcntl.ioctl(self._fd, _TCGETS2, bytes(_TERMIOS2.size))))
        fields[_CFLAG] = fields[_CFLAG] & ~_CBAUD | _BOTHER
        fields[-2:] = [baud, baud]
        fcntl.ioctl(self._fd, _TCSETS2, _TERMIOS2.pack(*fields))


def _make_raw(attributes: list[int | list[bytes | int]], settings: Settings) -> None:
    """Take all processing out (cfmakeraw(3)); set the framing. HUPCL stays as it is found."""
    cflag = attributes[_CFLAG]
    assert isinstance(cflag, int)  # noqa: S101 (tcgetattr's list holds numbers and, last, one list)
    cflag &= ~(termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB | _CRTSCTS)
    cflag |= _SIZES[settings.data_bits] | termios.CREAD | termios.CLOCAL
    if settings.parity is not Parity.NONE:
        cflag |= termios.PARENB | (termios.PARODD if settings.parity is Parity.ODD else 0)
    if settings.stop_bits == 2:  # noqa: PLR2004
        cflag |= termios.CSTOPB
    if settings.flow is Flow.HARDWARE:
        cflag |= _CRTSCTS
    attributes[_IFLAG] = termios.IXON | termios.IXOFF if settings.flow is Flow.SOFTWARE else 0
    attributes[_OFLAG] = 0
    attributes[_CFLAG] = cflag
    attributes[_LFLAG] = 0
    characters = attributes[_CC]
    assert isinstance(characters, list)  # noqa: S101 (see above)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0  # else "nothing has come" would look like "gone"


def _unopened(path: str, error: OSError) -> DeviceError:
    words = f"{path}: {_words(error)}"
    if error.errno in {errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO}:
        return DeviceError(words, state=State.ABSENT, hint="is it plugged in? `ls /dev/serial/by-path/` lists what is")
    if error.errno == errno.EBUSY:
        return DeviceError(f"{path} is in use by another program", state=State.BUSY)
    if error.errno in {errno.EACCES, errno.EPERM}:
        return DeviceError(
            words, hint="serial devices belong to the group dialout: `sudo adduser $USER dialout`, log in anew"
        )
    return DeviceError(words)


def _words(error: OSError | termios.error) -> str:
    return str(error.args[1] if len(error.args) > 1 else error)
