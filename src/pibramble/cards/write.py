"""Writes an image to a card: what carries data, what has to be zero, and the partition table last.

    the card is told that its content is no longer needed          (discard)
    its beginning and end become zeros: from here on it is empty   (old partition tables, RAID and file systems)
    zeros that somebody will rely on                               (vacant.py says which do not matter)
    data, in ascending order, checksummed on the way
    the first MiB with the partition table

So a card that was pulled out half way has no partition table: it does not boot, rather than boot a broken system.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import attrs

from pibramble.cards.extents import aligned, complement, difference, pieces, union
from pibramble.cards.image import Extent, Image, ImageError, checksums
from pibramble.cards.medium import GRAIN_BYTES, Medium
from pibramble.cards.vacant import SIGNATURE_BYTES, vacant
from pibramble.errors import PibrambleError
from pibramble.progress import Progress, Step

PIECE_BYTES = 4 * 1024 * 1024  # an erase block of common cards; one write

_BUFFERS = 3  # one is filled, one is being written, one waits

_GAP_BYTES = 64 * 1024  # holes smaller than this are written: two small writes cost a card more than one larger
_ZERO_PIECE_BYTES = 64 * 1024 * 1024  # so that the bar moves and Ctrl-C is heard

UNUSABLE = "The card is not usable as it is: write it again, or write another one."


class WriteError(PibrambleError):
    """A card that could not be written, or does not hold what was written. It is not usable."""


@attrs.frozen
class Schedule:
    """What is done to a card, each in ascending order of offsets; no two of all its runs overlap."""

    data: tuple[Extent, ...]
    zeros: tuple[Extent, ...]

    @property
    def data_bytes(self) -> int:
        """Return how much is written byte by byte; zeros are mostly the disk's own affair, and done at once."""
        return sum(run.length for run in self.data)


@attrs.frozen
class Piece:
    """A run that was written, and the checksums of its content."""

    run: Extent
    checksums: tuple[int, ...]


@attrs.frozen
class Written:
    """What a card must hold now."""

    pieces: tuple[Piece, ...]
    zeros: tuple[Extent, ...]

    @property
    def data_bytes(self) -> int:
        """Return how much was written byte by byte."""
        return sum(piece.run.length for piece in self.pieces)

    @property
    def total_bytes(self) -> int:
        """Return how much there is to verify."""
        return sum(run.length for run in self.zeros) + sum(piece.run.length for piece in self.pieces)


def schedule(image: Image, size_bytes: int) -> Schedule:
    """Decide what is written to a medium of `size_bytes`, which is at least the image's size."""
    data = tuple(aligned(union(image.extents(), gap=_GAP_BYTES), GRAIN_BYTES, size_bytes))
    # The medium's last MiB is where the backup of an older GPT lies, which would be found and believed.
    behind = Extent(image.size_bytes, max(0, size_bytes - SIGNATURE_BYTES - image.size_bytes))
    harmless = [*vacant(image), *([behind] if behind.length else [])]
    needed = difference(complement(data, size_bytes), harmless)
    return Schedule(data, tuple(difference(aligned(needed, GRAIN_BYTES, size_bytes), data)))


def write(image: Image, medium: Medium, progress: Progress) -> Written:
    """Write the image to the medium and return what it must hold now.

    Raises WriteError when the card is too small, fails or is pulled out, ImageError when the image cannot be read.
    """
    if medium.size_bytes < image.size_bytes:
        sizes = f"it has {size_text(medium.size_bytes)}, {image.name} needs {size_text(image.size_bytes)}"
        raise PibrambleError(f"{medium.name} is too small: {sizes}")
    work = schedule(image, medium.size_bytes)
    top = [Extent(0, min(SIGNATURE_BYTES, medium.size_bytes))]
    # Only data count: a rate, and a time that is left, in which zeros count say nothing about the card.
    with progress.step(f"Writing {medium.name}", work.data_bytes, "B") as step:
        medium.discard()
        wipe(medium)
        for run in pieces(work.zeros, _ZERO_PIECE_BYTES):
            step.advance(0, f"emptying at {size_text(run.offset)}")
            with failures(medium, "writing", run.offset):
                medium.zero(run.offset, run.length)
        step.advance(0)
        try:
            body = _write_runs(image, medium, difference(work.data, top), step)
            _flush(medium)
            beginning = _write_runs(image, medium, difference(work.data, difference(work.data, top)), step)
        except ImageError as error:
            error.hint = "\n".join([*([error.hint] if error.hint else []), UNUSABLE])
            raise
        _flush(medium)
    return Written((*beginning, *body), work.zeros)


def wipe(medium: Medium) -> None:
    """Make the medium empty to all who look for partitions and file systems. Raises WriteError."""
    length = min(SIGNATURE_BYTES, medium.size_bytes)
    for offset in {0, medium.size_bytes - length}:
        with failures(medium, "writing", offset):
            medium.zero(offset, length)
    _flush(medium)


def _write_runs(image: Image, medium: Medium, runs: Iterable[Extent], step: Step) -> list[Piece]:
    """Write the runs while the next one is read and summed; return what was written."""
    done: list[Piece] = []
    waiting: deque[tuple[Future[None], mmap.mmap, int]] = deque()
    free = [mmap.mmap(-1, PIECE_BYTES) for _ in range(_BUFFERS)]  # at a page's beginning, as O_DIRECT wants
    with ThreadPoolExecutor(1) as hand:  # one, so that the card gets its blocks in order

        def one_written() -> None:
            future, buffer, length = waiting.popleft()
            future.result()
            free.append(buffer)
            step.advance(length)

        try:
            for run in pieces(runs, PIECE_BYTES):
                content, summed = _content(image, run)
                if not free:
                    one_written()
                buffer = free.pop()
                buffer[: run.length] = content
                view = memoryview(buffer)[: run.length]
                waiting.append((hand.submit(_write_all, medium, run.offset, view), buffer, run.length))
                done.append(Piece(run, summed))
            while waiting:
                one_written()
        finally:
            hand.shutdown(cancel_futures=True)
    return done


def _content(image: Image, run: Extent) -> tuple[bytes, tuple[int, ...]]:
    """Return the image's bytes, zeros behind its end, which need not be that of a block; and their checksums."""
    content, summed = image.read_summed(run.offset, min(run.length, image.size_bytes - run.offset))
    if len(content) < run.length:
        content = content.ljust(run.length, b"\0")
        summed = checksums(run.offset, content)
    return content, summed


def _write_all(medium: Medium, offset: int, data: memoryview) -> None:
    """Write all of `data`, however little the medium takes at a time."""
    while data:
        with failures(medium, "writing", offset):
            taken = medium.write(offset, data)
            if taken <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        offset += taken
        data = data[taken:]


def _flush(medium: Medium) -> None:
    with failures(medium, "writing", None):
        medium.flush()


@contextmanager
def failures(medium: Medium, doing: str, offset: int | None) -> Iterator[None]:
    """Turn what the kernel says about a failing medium into a WriteError."""
    try:
        yield
    except OSError as error:
        where = f" at {size_text(offset)}" if offset else ""
        match error.errno:
            case errno.ENODEV | errno.ENXIO | errno.ENOMEDIUM | errno.ESTALE:
                said = f"the card in {medium.name} is gone: it was pulled out{where} of {doing} it"
            case errno.ENOSPC:
                said = (
                    f"{medium.name} is full{where}: it is smaller than it says, or the disk that the file is on is full"
                )
            case _:
                said = f"{doing} {medium.name} failed{where}: {error.strerror}"
        raise WriteError(said, hint=UNUSABLE) from None


def size_text(count: int) -> str:
    """Return a size as it stands on a card: decimal units."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:  # noqa: PLR2004
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
