"""What a disk image is to everything that writes, verifies, exports or inspects one: extents of data between zeros.

Nobody who has an `Image` needs a full copy of it: a raw file is one, and so is a base with one node's changed blocks
over it.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import attrs

from pibramble.errors import PibrambleError

GRAIN_BYTES = 64 * 1024  # what is zero is left out of copies and digests by so much
_ZEROS = bytes(GRAIN_BYTES)


@attrs.frozen(order=True)
class Extent:
    """A run of bytes."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """Return the offset of the first byte behind it."""
        return self.offset + self.length


class ImageError(PibrambleError):
    """An image that cannot be read as a whole; the message names it."""


class Image(Protocol):
    """The content of a disk. Where there is no extent it reads as zeros."""

    @property
    def name(self) -> str:
        """Return what messages call it: a path, or a node's name."""
        ...

    @property
    def size_bytes(self) -> int:
        """Return the size of the disk, zeros included."""
        ...

    def extents(self) -> Iterator[Extent]:
        """Yield the regions that may carry data: ascending, not overlapping, none empty, all inside the image."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes, zeros where there is no extent. Raises ImageError, also beyond the end."""
        ...

    def read_summed(self, offset: int, length: int) -> tuple[bytes, tuple[int, ...]]:
        """Return the same, and its checksums (`checksums`): a medium must hold it later. Raises ImageError."""
        ...

    def __enter__(self) -> Self:
        """Open it."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        ...


class RawImage:
    """A plain image file (`.img`), sparse or not, or a disk that is read."""

    def __init__(self, path: Path) -> None:
        """Name the file; `with` opens it."""
        self.path = path
        self._handle = -1
        self._size_bytes = 0

    def __enter__(self) -> Self:
        """Open the file. Raises ImageError."""
        try:
            # Without O_NONBLOCK a named pipe would be waited for instead of refused.
            self._handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            mode = os.fstat(self._handle).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
                self.close()
                message = f"{self.path} is no disk image"
                raise ImageError(message)
            self._size_bytes = os.lseek(self._handle, 0, os.SEEK_END)  # st_size of a disk is 0
        except OSError as error:
            self.close()
            message = f"{self.path} cannot be read: {error.strerror}"
            raise ImageError(message) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; once is enough."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    @property
    def name(self) -> str:
        """Return the path."""
        return str(self.path)

    @property
    def size_bytes(self) -> int:
        """Return the size of the file or disk as it was when opened."""
        return self._size_bytes

    def extents(self) -> Iterator[Extent]:
        """Yield what the file system has not kept as a hole; of a disk, everything."""
        end = 0
        while (start := self._seek(end, os.SEEK_DATA)) < self._size_bytes:
            end = self._seek(start, os.SEEK_HOLE)
            yield Extent(start, end - start)

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes. Raises ImageError: beyond the end, or when the disk it is on fails."""
        parts = []
        missing = length
        while missing:
            try:
                part = os.pread(self._handle, missing, offset + length - missing)
            except OSError as error:
                message = f"{self.path} cannot be read at byte {offset + length - missing}: {error.strerror}"
                raise ImageError(message) from None
            if not part:
                message = f"{self.path} ends at byte {offset + length - missing}: it became shorter while it was read"
                raise ImageError(message)
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_summed(self, offset: int, length: int) -> tuple[bytes, tuple[int, ...]]:
        """Return the same, and its checksums. Raises ImageError."""
        data = self.read(offset, length)
        return data, checksums(offset, data)

    def _seek(self, offset: int, whence: int) -> int:
        """Return where the next data or hole begins, at most the image's size."""
        try:
            return min(os.lseek(self._handle, offset, whence), self._size_bytes)
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data behind `offset`
                return self._size_bytes
            if error.errno == errno.EINVAL:  # disks know no holes (lseek(2))
                return offset if whence == os.SEEK_DATA else self._size_bytes
            raise


def checksums(offset: int, content: bytes | memoryview) -> tuple[int, ...]:
    """Return the checksum of each grain's part of `content`, which lies at `offset` of a disk.

    Of four thousand million grains that went wrong one would pass. SHA-256 would take longer than a fast disk.
    """
    view, end = memoryview(content), offset + len(content)
    cuts = [offset, *range((offset // GRAIN_BYTES + 1) * GRAIN_BYTES, end, GRAIN_BYTES), end]
    return tuple(zlib.crc32(view[begin - offset : stop - offset]) for begin, stop in pairwise(cuts))


def write_sparse(handle: int, data: bytes, offset: int) -> None:
    """Write `data` at `offset` of a file that is new there: what is zero stays a hole."""
    for at in range(0, len(data), GRAIN_BYTES):
        part = data[at : at + GRAIN_BYTES]
        if part != _ZEROS[: len(part)]:
            os.pwrite(handle, part, offset + at)
