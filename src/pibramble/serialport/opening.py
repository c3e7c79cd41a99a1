"""A serial device: opened once, locked in every way that other programs know, raw.

The three locks are flock (picocom, tio, gpsd), TIOCEXCL (the kernel refuses later openers) and the lock file of
`lockfiles` (minicom, cu, pppd). The first two end with the process, however it ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import termios
from contextlib import suppress
from pathlib import Path

from pibramble.errors import BusyError, MissingError, PibrambleError, UsageError
from pibramble.serialport import lockfiles

_IFLAG, _OFLAG, _CFLAG, _LFLAG, _ISPEED, _OSPEED, _CC = range(7)
CRTSCTS = termios.CRTSCTS  # as Python counts: where a C long has 32 bits (ARMv6, ARMv7), it is its sign
_NOT_THERE = {errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO}


class AbsentError(PibrambleError):
    """The device is not plugged in."""


class Opened:
    """A serial device that is open, and ours alone until it is closed."""

    def __init__(self, path: str, lock_folder: Path = lockfiles.FOLDER) -> None:
        """Open and lock it. Raises BusyError, AbsentError, MissingError (may not), UsageError (is none) or others."""
        self._lock_file: Path | None = None
        try:
            self.descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _unopened(path, error, lock_folder) from None
        try:
            self._claim(path, lock_folder)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the device and its locks."""
        with suppress(OSError):
            fcntl.ioctl(self.descriptor, termios.TIOCNXCL)
        with suppress(OSError):
            os.close(self.descriptor)
        lockfiles.release(self._lock_file)

    def _claim(self, path: str, lock_folder: Path) -> None:
        if not os.isatty(self.descriptor):
            raise UsageError(f"{path} is no serial device", hint="as /dev/ttyUSB0, or a name of /dev/serial/by-path/")
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(path, lock_folder) from None
        self._stop_echo()
        try:
            self._lock_file = lockfiles.take(Path(path), lock_folder)
        except lockfiles.LockedError as error:
            raise _in_use_by(path, error) from None
        with suppress(OSError):
            fcntl.ioctl(self.descriptor, termios.TIOCEXCL)

    def _stop_echo(self) -> None:
        """Before anything slow: Linux opens a port as if somebody sat there, so that what comes goes back."""
        with suppress(termios.error):
            attributes = termios.tcgetattr(self.descriptor)
            attributes[_LFLAG] = 0
            termios.tcsetattr(self.descriptor, termios.TCSANOW, attributes)


def set_raw(attributes: list[int | list[bytes | int]], speed: int, framing: int = termios.CS8, iflag: int = 0) -> None:
    """Take all processing out of tcgetattr's list (cfmakeraw(3)); set speed and framing. HUPCL stays as it is found.

    `speed` is termios' own number of it (B9600); `framing` are bits of the control modes, `iflag` all input modes.
    """
    cflag, characters = attributes[_CFLAG], attributes[_CC]
    assert isinstance(cflag, int)  # noqa: S101 (tcgetattr's list holds numbers and, last, one list)
    assert isinstance(characters, list)  # noqa: S101 (see above)
    cflag &= ~(termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB | CRTSCTS)
    attributes[_IFLAG], attributes[_OFLAG], attributes[_LFLAG] = iflag, 0, 0
    attributes[_CFLAG] = cflag | framing | termios.CREAD | termios.CLOCAL
    attributes[_ISPEED] = attributes[_OSPEED] = speed
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0  # else "nothing has come" would look like "gone"


def _unopened(path: str, error: OSError, lock_folder: Path) -> PibrambleError:
    words = f"{path}: {error.strerror}"
    if error.errno == errno.EBUSY:
        return _in_use(path, lock_folder)
    if error.errno in _NOT_THERE:
        return AbsentError(words, hint="is it plugged in? `ls /dev/serial/by-path/` lists what is")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return MissingError(
            words, hint="serial devices belong to the group dialout: `sudo adduser $USER dialout`, log in anew"
        )
    return PibrambleError(words)


def _in_use(path: str, lock_folder: Path) -> BusyError:
    """Say who holds a device, where its lock file tells."""
    try:
        lockfiles.look(Path(path), lock_folder)
    except lockfiles.LockedError as error:
        return _in_use_by(path, error)
    return BusyError(f"{path} is in use by another program")


def _in_use_by(path: str, error: lockfiles.LockedError) -> BusyError:
    return BusyError(f"{path} is in use by {error.owner}", hint=f"its lock is {error.file}")
