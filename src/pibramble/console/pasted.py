"""Tells what is pasted at a terminal from what is typed there. Pure.

The terminal marks what is pasted, once it is asked to (bracketed paste, xterm's "Control Sequences"). Of one that knows
no marks, a block that no hand types at once is taken for a paste.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from pibramble.console.messages import LARGEST_PASTE_BYTES

ASK_FOR_MARKS = b"\x1b[?2004h"
BEGIN_MARK, END_MARK = b"\x1b[200~", b"\x1b[201~"
BLOCK_BYTES = 256  # with an Enter in it: more than what a slow network delivers of somebody's typing at once

_MODE = re.compile(rb"\x1b\[\?2004([hl])|\x1bc|\x1b\[!p")  # DECSET, DECRST, RIS, DECSTR


@attrs.frozen
class Pasted:
    """A whole paste. Of one that is too large only the size is kept."""

    data: bytes
    size: int

    @property
    def too_large(self) -> bool:
        """Tell whether it is more than the broker takes."""
        return self.size > LARGEST_PASTE_BYTES


class Gathered:
    """Gathers a paste that comes in pieces, in bounded memory."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._data = bytearray()
        self._size = 0

    def __bool__(self) -> bool:
        """Tell whether anything has come."""
        return self._size > 0

    def add(self, data: bytes) -> None:
        """Take a piece."""
        self._size += len(data)
        self._data += data[: LARGEST_PASTE_BYTES - len(self._data)]

    def take(self) -> Pasted:
        """Return all that has come, and begin anew."""
        pasted = Pasted(bytes(self._data) if self._size <= LARGEST_PASTE_BYTES else b"", self._size)
        self._data, self._size = bytearray(), 0
        return pasted


class Marks:
    """Takes a terminal's input apart by the marks in it."""

    def __init__(self) -> None:
        """Begin outside a paste."""
        self._inside = False
        self._held = b""  # what may be the beginning of the mark at the end
        self._gathered = Gathered()

    def feed(self, data: bytes) -> Iterator[bytes | Pasted]:
        """Yield what was typed, and each paste when it is whole."""
        rest = self._held + data
        self._held = b""
        while rest:
            before, mark, rest = rest.partition(END_MARK if self._inside else BEGIN_MARK)
            if not self._inside:
                if before:
                    yield before
            else:
                self._held = b"" if mark else _beginning_of(END_MARK, before)
                self._gathered.add(before.removesuffix(self._held) if self._held else before)
                if mark:
                    yield self._gathered.take()
            if mark:
                self._inside = not self._inside

    def give_up(self) -> Pasted | None:
        """Return a paste whose end has not come, and take what follows for typed."""
        if not self._inside:
            return None
        self._inside, self._held = False, b""
        return self._gathered.take()


def is_block(data: bytes) -> bool:
    """Tell whether so much at once was pasted, though nothing marks it."""
    return len(data) >= BLOCK_BYTES and re.search(rb"[\r\n].", data, re.DOTALL) is not None


class Mode:
    """Whether the device's program wants marks; the person's terminal is kept at giving them, whatever it wants."""

    def __init__(self) -> None:
        """Begin as a terminal does: nobody wants marks."""
        self.wanted = False

    def kept(self, data: bytes) -> bytes:
        """Return the device's output, after which the terminal still marks what is pasted."""
        if b"\x1b" not in data:
            return data
        return _MODE.sub(self._kept, data)

    def _kept(self, found: re.Match[bytes]) -> bytes:
        self.wanted = found[1] == b"h"
        return found[0] if self.wanted else found[0] + ASK_FOR_MARKS


def _beginning_of(mark: bytes, data: bytes) -> bytes:
    """Return how much of a mark the data end with."""
    return next((mark[:length] for length in range(len(mark) - 1, 0, -1) if data.endswith(mark[:length])), b"")
