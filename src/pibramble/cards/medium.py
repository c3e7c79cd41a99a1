"""What a card is written to, opened: a disk by way of O_DIRECT, or a regular file in its place.

O_DIRECT, because the page cache would tell us that data is written which is still in memory, and would answer when the
card is asked what it holds.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import struct
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pibramble.errors import BusyError, MissingError, PibrambleError

GRAIN_BYTES = 4096  # offsets and lengths that every disk and file system takes for O_DIRECT

_BLKRRPART, _BLKSSZGET, _BLKDISCARD, _BLKZEROOUT = 0x125F, 0x1268, 0x1277, 0x127F  # linux/fs.h
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # fallocate(2)
_ZEROS = bytes(1024 * 1024)

_libc = ctypes.CDLL(None, use_errno=True)


class Medium(Protocol):
    """Something that a card's content is written to and read back from. Whatever fails raises OSError."""

    name: str
    size_bytes: int

    def write(self, offset: int, data: memoryview) -> int:
        """Write the beginning of `data`; return how much of it. `data` lies at a page's beginning."""
        ...

    def read(self, offset: int, buffer: memoryview) -> int:
        """Read what the medium, not a cache, holds; return how much came."""
        ...

    def zero(self, offset: int, length: int) -> None:
        """Make the region read as zeros."""
        ...

    def discard(self) -> None:
        """Tell the medium that nothing it holds is needed any more; what it reads as afterwards is not said."""
        ...

    def flush(self) -> None:
        """Wait until everything is on the medium."""
        ...


class OpenDisk:
    """A disk, or a regular file of the card's size, that nobody else has open for the same purpose."""

    def __init__(self, path: Path) -> None:
        """Name the device; `with` opens it."""
        self.path = path
        self.name = str(path)
        self.size_bytes = 0
        self._cached = self._direct = -1
        self._grain = GRAIN_BYTES
        self._is_disk = False

    def __enter__(self) -> Self:
        """Open the device for us alone. Raises BusyError, MissingError, PibrambleError."""
        try:
            self._open()
        except OSError as error:
            self.close()
            raise _refusal(self.path, error) from None
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the device."""
        self.close()

    def close(self) -> None:
        """Close the device; once is enough."""
        for handle in (self._direct, self._cached):
            if handle >= 0:
                os.close(handle)
        self._cached = self._direct = -1

    def _open(self) -> None:
        # O_EXCL: the kernel refuses a disk that is mounted or part of something else (open(2)); a file ignores it.
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK
        self._cached = os.open(self.path, flags | os.O_EXCL)
        mode = os.fstat(self._cached).st_mode
        if not (stat.S_ISBLK(mode) or stat.S_ISREG(mode)):
            message = f"{self.path} is neither a disk nor a file"
            raise PibrambleError(message)
        self._is_disk = stat.S_ISBLK(mode)
        # Also keeps udev from looking into the disk while it is written (systemd's "Locking Block Device Access").
        fcntl.flock(self._cached, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.size_bytes = os.lseek(self._cached, 0, os.SEEK_END)
        if self._is_disk:
            self._grain = struct.unpack("i", fcntl.ioctl(self._cached, _BLKSSZGET, bytes(4)))[0]
        with contextlib.suppress(OSError):  # a file system without O_DIRECT: written through the cache, then flushed
            self._direct = os.open(self.path, flags | os.O_DIRECT)

    def write(self, offset: int, data: memoryview) -> int:
        """Write the beginning of `data`; return how much of it. Raises OSError."""
        if self._suits_direct(offset, len(data)):
            return os.pwrite(self._direct, data, offset)
        written = os.pwrite(self._cached, data, offset)
        os.fdatasync(self._cached)
        return written

    def read(self, offset: int, buffer: memoryview) -> int:
        """Read what the medium holds; return how much came. Raises OSError."""
        if self._suits_direct(offset, len(buffer)):
            return os.preadv(self._direct, [buffer], offset)
        os.posix_fadvise(self._cached, offset, len(buffer), os.POSIX_FADV_DONTNEED)
        return os.preadv(self._cached, [buffer], offset)

    def zero(self, offset: int, length: int) -> None:
        """Make the region read as zeros, by the disk's or file system's own means if it has any. Raises OSError."""
        try:
            if self._is_disk:
                fcntl.ioctl(self._cached, _BLKZEROOUT, struct.pack("QQ", offset, length))
            else:
                _punch(self._cached, offset, length)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL}:
                raise
            end = offset + length
            while offset < end:
                offset += os.pwrite(self._cached, _ZEROS[: end - offset], offset)

    def discard(self) -> None:
        """Erase what the disk or file holds, where that is quick: a card writes faster to erased blocks."""
        with contextlib.suppress(OSError):  # many readers cannot pass it on; nothing depends on it
            if self._is_disk:
                whole = self.size_bytes // self._grain * self._grain
                fcntl.ioctl(self._cached, _BLKDISCARD, struct.pack("QQ", 0, whole))
            else:
                _punch(self._cached, 0, self.size_bytes)

    def flush(self) -> None:
        """Wait until everything is on the medium. Raises OSError."""
        os.fsync(self._cached)

    def show_partitions(self) -> None:
        """Let the kernel look at the new partition table."""
        if self._is_disk:
            with contextlib.suppress(OSError):  # disks without partitions, such as most loop devices
                fcntl.ioctl(self._cached, _BLKRRPART)

    def _suits_direct(self, offset: int, length: int) -> bool:
        return self._direct >= 0 and offset % self._grain == 0 and length % self._grain == 0


def _punch(handle: int, offset: int, length: int) -> None:
    wide = ctypes.c_int64
    if _libc.fallocate64(handle, _PUNCH_HOLE | _KEEP_SIZE, wide(offset), wide(length)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _refusal(path: Path, error: OSError) -> PibrambleError:
    """Return the error for a device that would not open."""
    match error.errno:
        case errno.EBUSY | errno.EWOULDBLOCK:
            return BusyError(f"{path} is in use", hint=f"`lsblk {path}` and `lsof {path}` say by whom")
        case errno.EACCES | errno.EPERM:
            return MissingError(f"you may not write to {path}", hint="use sudo, or become a member of its group (disk)")
        case errno.ENOENT:
            return PibrambleError(f"there is no {path}", hint="`lsblk` lists the disks")
        case errno.EROFS:
            return PibrambleError(f"{path} is write-protected", hint="SD cards and readers have a small switch for it")
        case errno.ENOMEDIUM | errno.ENXIO | errno.ENODEV:
            return PibrambleError(f"there is no card in {path}")
        case _:
            return PibrambleError(f"{path} cannot be opened: {error.strerror}")
