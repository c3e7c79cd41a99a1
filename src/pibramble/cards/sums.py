"""Checksums of a disk that is kept for long, block by block: rot is found where it is read, not when a board fails.

CRC-32, as for cards (`write.py`): disks err but do not forge, and whoever writes a card has to sum its blocks anyway.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Self

from pibramble.cards.extents import aligned, pieces
from pibramble.cards.image import GRAIN_BYTES, Extent, ImageError, RawImage, checksums
from pibramble.errors import PibrambleError


def save(path: Path, size_bytes: int, known: dict[int, int]) -> None:
    """Keep the checksums of a disk of that size: `known` by the block's number, all other blocks are zeros."""
    full, rest = divmod(size_bytes, GRAIN_BYTES)
    zeros = zlib.crc32(bytes(GRAIN_BYTES))
    sums = [known.get(number, zeros) for number in range(full)]
    sums += [known.get(full, zlib.crc32(bytes(rest)))] if rest else []
    path.write_bytes(array("I", sums).tobytes())  # in this machine's order of bytes: the cache stays on it


class CheckedImage(RawImage):
    """An image that is held against the checksums that were kept when it was made; without any it is as it is."""

    def __init__(self, path: Path, sums: Path | None, damaged: Callable[[int], PibrambleError]) -> None:
        """Name the file and where its checksums are. `damaged` makes the error for what was found at an offset."""
        super().__init__(path)
        self._file = sums
        self._damaged = damaged
        self._sums: Sequence[int] = ()
        self._sound: set[int] = set()  # blocks of which parts were read: each is read as a whole once

    def __enter__(self) -> Self:
        """Open the image. Raises ImageError, and what `damaged` makes where the checksums are not those of a disk."""
        super().__enter__()
        if self._file is not None:
            try:
                data = self._file.read_bytes()
            except OSError as error:
                self.close()
                message = f"{self._file} cannot be read: {error.strerror}"
                raise ImageError(message) from None
            if len(data) != -(-self.size_bytes // GRAIN_BYTES) * 4:
                self.close()
                raise self._damaged(0)
            self._sums = array("I", data)
        return self

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes that are as they were made. Raises ImageError, and what `damaged` makes."""
        data = self.read_unchecked(offset, length)
        self.check(offset, length, checksums(offset, data))
        return data

    def read_unchecked(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes, for whoever calls `check` afterwards. Raises ImageError."""
        return super().read(offset, length)

    def check(self, offset: int, length: int, found: Sequence[int], changed: Collection[int] = ()) -> None:
        """Compare the checksums of what was read. Raises what `damaged` makes.

        What `found` says of blocks that are in `changed`, or that were read in part, does not count: they are read.
        """
        if not self._sums:
            return
        first = offset // GRAIN_BYTES
        for number, checksum in enumerate(found, start=first):
            begin, end = number * GRAIN_BYTES, min((number + 1) * GRAIN_BYTES, self.size_bytes)
            if number in changed or begin < offset or end > offset + length:
                if number in self._sound:
                    continue
                [checksum] = checksums(begin, self.read_unchecked(begin, end - begin))  # noqa: PLW2901
                self._sound.add(number)
            if checksum != self._sums[number]:
                raise self._damaged(begin)

    def check_all(self) -> None:
        """Read everything. Raises ImageError, and what `damaged` makes."""
        for run in pieces(aligned(self.extents(), GRAIN_BYTES, self.size_bytes), 16 * GRAIN_BYTES):
            self.read(run.offset, run.length)


def blocks(runs: Sequence[Extent]) -> set[int]:
    """Return the numbers of all blocks that the runs touch."""
    return {number for run in runs for number in range(run.offset // GRAIN_BYTES, (run.end - 1) // GRAIN_BYTES + 1)}
