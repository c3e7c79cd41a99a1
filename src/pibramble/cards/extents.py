"""Sums with runs of bytes. Every list here is ascending, without overlaps and without empty runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter

from pibramble.cards.image import Extent

_OFFSET = attrgetter("offset")  # comparing whole runs is slow, and a file allocation table has 100,000


def union(extents: Iterable[Extent], *, gap: int = 0) -> Iterator[Extent]:
    """Yield the runs that cover all of `extents` (in any order); those at most `gap` bytes apart become one."""
    start = end = -1
    for extent in sorted(extents, key=_OFFSET):
        if start >= 0 and extent.offset <= end + gap:
            end = max(end, extent.end)
            continue
        if end > start:
            yield Extent(start, end - start)
        start, end = extent.offset, extent.end
    if end > start:
        yield Extent(start, end - start)


def difference(minuend: Iterable[Extent], subtrahend: Iterable[Extent]) -> Iterator[Extent]:
    """Yield what is in `minuend` and not in `subtrahend`."""
    holes = iter(subtrahend)
    hole = next(holes, None)
    for extent in minuend:
        start = extent.offset
        while hole is not None and hole.offset < extent.end:
            if hole.offset > start:
                yield Extent(start, hole.offset - start)
            start = max(start, hole.end)
            if hole.end > extent.end:
                break  # it may reach into the next one too
            hole = next(holes, None)
        if start < extent.end:
            yield Extent(start, extent.end - start)


def complement(extents: Iterable[Extent], size: int) -> Iterator[Extent]:
    """Yield what is between `extents` in a disk of `size` bytes."""
    return difference([Extent(0, size)] if size else [], extents)


def aligned(extents: Iterable[Extent], grain: int, size: int) -> Iterator[Extent]:
    """Yield the runs grown to whole grains of a disk of `size` bytes."""
    grown = (
        Extent(start, min(-(-extent.end // grain) * grain, size) - start)
        for extent in extents
        if (start := extent.offset // grain * grain) < size
    )
    return union(grown)


def pieces(extents: Iterable[Extent], length: int) -> Iterator[Extent]:
    """Yield the runs cut wherever an offset is a multiple of `length`: none is longer, and most are aligned."""
    for extent in extents:
        start = extent.offset
        while start < extent.end:
            end = min(extent.end, (start // length + 1) * length)
            yield Extent(start, end - start)
            start = end
