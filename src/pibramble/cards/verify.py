"""Reads a card back and compares what it holds with what was written to it.

Cards that lie about their size, worn-out ones and bad readers take every byte without a word and give back others.
"""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from pibramble.cards.extents import pieces
from pibramble.cards.image import Extent, checksums
from pibramble.cards.medium import Medium
from pibramble.cards.write import PIECE_BYTES, UNUSABLE, WriteError, Written, failures, size_text, wipe
from pibramble.progress import Progress

_BUFFERS = 3  # one is read into, one waits, one is summed
_ZEROS = bytes(PIECE_BYTES)


class VerifyError(WriteError):
    """A card that does not hold what was written to it."""


def verify(medium: Medium, written: Written, progress: Progress) -> None:
    """Read all that was written and compare; a card that differs is left empty, so that nothing boots from it.

    Raises VerifyError that says where, WriteError when the card fails or is pulled out.
    """
    expected: list[tuple[Extent, tuple[int, ...] | None]] = [(piece.run, piece.checksums) for piece in written.pieces]
    expected += [(run, None) for run in pieces(written.zeros, PIECE_BYTES)]
    expected.sort(key=lambda item: item[0])  # the order in which a card reads quickest
    with progress.step(f"Verifying {medium.name}", written.total_bytes, "B") as step:
        for (run, summed), content in zip(expected, _read_ahead(medium, [run for run, _ in expected]), strict=True):
            if not (checksums(run.offset, content) == summed if summed else bytes(content) == _ZEROS[: run.length]):
                wipe(medium)
                where = f"between {size_text(run.offset)} and {size_text(run.end)}"
                message = f"{medium.name} does not hold what was written to it, {where}"
                raise VerifyError(message, hint=_CAUSES)
            step.advance(run.length)


_CAUSES = f"The card is worn out, smaller than it says, or the reader is bad.\n{UNUSABLE}"


def _read_ahead(medium: Medium, runs: list[Extent]) -> Iterator[memoryview]:
    """Yield the content of each run, while the next ones are being read; each is good until the next is asked for."""
    buffers = deque(mmap.mmap(-1, PIECE_BYTES) for _ in range(_BUFFERS))
    with ThreadPoolExecutor(1) as hand:
        waiting: deque[Future[memoryview]] = deque()
        try:
            for run in runs:
                if len(waiting) == _BUFFERS - 1:
                    yield waiting.popleft().result()
                view = memoryview(buffers[0])[: run.length]
                buffers.rotate(-1)
                waiting.append(hand.submit(_read_all, medium, run.offset, view))
            while waiting:
                yield waiting.popleft().result()
        finally:
            hand.shutdown(cancel_futures=True)


def _read_all(medium: Medium, offset: int, buffer: memoryview) -> memoryview:
    """Fill the buffer, however little the medium gives at a time."""
    missing = buffer
    while missing:
        with failures(medium, "reading", offset):
            came = medium.read(offset, missing)
        if came <= 0:
            message = f"{medium.name} ends at {size_text(offset)}"
            raise VerifyError(message, hint=_CAUSES)
        offset += came
        missing = missing[came:]
    return buffer
