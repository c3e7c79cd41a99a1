"""What a line has printed lately, so that who comes later sees the screen as if he had watched from the start.

The bytes themselves are kept, so a replay is exact. What is dropped, when they become too many, ends where the screen
depends on what follows alone: at a reset, at a clear with the cursor sent home, or before so many plain lines that all
older ones have scrolled away. What lasts beyond such a point (colours, modes, character sets) is put before the rest.
Where a full-screen program leaves no such point, a terminal emulator has to say what the screen looks like
(`emulation.redraw`), which costs: so it is asked then only, and by the caller, who may do it in a thread.
"""

from __future__ import annotations

import re

import attrs

from pibramble.console.sequences import last_line, tokens, without_queries
from pibramble.console.sticky import Sticky

ROWS, COLUMNS = 24, 80  # a serial line cannot tell anybody its window's size: a VT100's holds

LIMIT_BYTES = 256 << 10
KEPT_BYTES = 128 << 10
HARD_LIMIT_BYTES = 1 << 20  # what may come while the emulator works

TALLEST_VIEWER = 128  # rows; a viewer's window may be taller than 24
_SCROLLED_LINES = (
    2 * TALLEST_VIEWER
)  # one screen of line feeds until the cursor is at the bottom, one to scroll it away
_LINES_APART = 32  # of candidates in coloured text, where every word is a stretch of its own


@attrs.define
class _Cuts:
    """Where the bytes may be cut, and what goes before the rest."""

    reach: int  # a cut up to here leaves enough
    latest: tuple[int, bytes] | None = None  # the last one within reach
    earliest: tuple[int, bytes] | None = None  # the first one behind it

    def offer(self, at: int, prologue: bytes) -> None:
        """Take a point."""
        if at <= self.reach:
            if self.latest is None or at > self.latest[0]:
                self.latest = (at, prologue)
        elif self.earliest is None or at < self.earliest[0]:
            self.earliest = (at, prologue)


class History:
    """The kept bytes of one line."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES, kept_bytes: int = KEPT_BYTES) -> None:
        """Begin with nothing; a dropping leaves about `kept_bytes`."""
        self._limit_bytes, self._kept_bytes = limit_bytes, kept_bytes
        self._raw = bytearray()
        self._look_again_at = limit_bytes
        self.needs_redraw = False  # `redraw` should be asked what the screen looks like
        self.inexact = 0  # how often something had to be dropped that may be missed
        self.droppings = 0

    def __len__(self) -> int:
        """Return how many bytes are kept."""
        return len(self._raw)

    @property
    def last_line(self) -> str:
        """Return the last line with something on it."""
        return last_line(bytes(self._raw[-4096:]))

    def feed(self, data: bytes) -> None:
        """Take what the device has printed."""
        self._raw += data
        if len(self._raw) > self._look_again_at:
            self._drop()

    def restore(self) -> bytes:
        """Return what shows the screen and what has scrolled off it, on a terminal that was just reset."""
        return without_queries(bytes(self._raw))

    def outgrown(self) -> bytes:
        """Return the part, from the front, that `redrawn` may replace."""
        raw, reach = self._raw, max(0, len(self._raw) - self._kept_bytes)
        at = raw.rfind(b"\x1b", 0, reach)
        while at > 0 and raw[at + 1 : at + 2] == b"\\":  # the end of a string, not the beginning of a sequence
            at = raw.rfind(b"\x1b", 0, at)
        at = max(raw.rfind(b"\n", 0, reach) + 1, at)
        return bytes(raw[: at if at > 0 else reach])

    def redrawn(self, length: int, screen: bytes) -> None:
        """Replace the first `length` bytes by `screen`, which must leave a terminal in the same state."""
        self._raw[:length] = screen
        self.droppings += 1
        self.needs_redraw = False
        self._look_again_at = max(self._limit_bytes, len(screen) + self._kept_bytes)
        if len(self._raw) > self._look_again_at:
            self._drop()

    def _drop(self) -> None:
        size = len(self._raw)
        cuts = _scan(bytes(self._raw), size - self._kept_bytes)
        worth = (
            self._limit_bytes - self._kept_bytes
        ) // 4  # a cut that drops less would have to be followed by another
        fitting = [cut for cut in (cuts.latest, cuts.earliest) if cut and cut[0] - len(cut[1]) >= worth]
        if fitting:
            at, prologue = fitting[0]
            self._raw[:at] = prologue
            self.droppings += 1
            self.needs_redraw = False
            self._look_again_at = max(self._limit_bytes, len(self._raw) + worth)
        elif size < HARD_LIMIT_BYTES:
            self.needs_redraw = True
            self._look_again_at = HARD_LIMIT_BYTES  # looking costs, and the redrawing is on its way
        else:  # nobody has redrawn it in time
            self._raw[: len(self.outgrown())] = b""
            self.droppings += 1
            self.inexact += 1
            self.needs_redraw = False
            self._look_again_at = max(self._limit_bytes, len(self._raw) + worth)


def _scan(raw: bytes, reach: int) -> _Cuts:
    """Find where the bytes may be cut."""
    walk = _Walk(raw, _Cuts(reach))
    at = 0
    for token in tokens(raw):
        walk.plain(at, token.start())
        walk.sequence(token)
        at = token.end()
        if walk.cuts.earliest is not None:
            return walk.cuts
    walk.plain(at, len(raw))
    return walk.cuts


class _Walk:
    """Goes over a stream from its beginning, and offers the cuts that it passes."""

    def __init__(self, raw: bytes, cuts: _Cuts) -> None:
        self._raw, self.cuts = raw, cuts
        self._sticky = Sticky()
        self._lines = 0
        self._waiting: list[tuple[int, int, bytes]] = []  # line starts, their number, that wait for lines to follow

    def plain(self, start: int, end: int) -> None:
        """Pass plain text."""
        feeds = self._raw.count(b"\n", start, end)
        if not feeds:
            return
        enough = not self._waiting or self._lines - self._waiting[-1][1] >= _LINES_APART or feeds >= _LINES_APART
        if enough and self._sticky.may_be_cut:
            place = _line_start(self._raw, start, min(end, max(self.cuts.reach, start)), end)
            if place is not None:
                number = self._lines + self._raw.count(b"\n", start, place)
                self._waiting.append((place, number, self._sticky.prologue()))
        self._lines += feeds
        while self._waiting and self._lines - self._waiting[0][1] >= _SCROLLED_LINES:
            place, _, prologue = self._waiting.pop(0)
            self.cuts.offer(place, prologue)

    def sequence(self, token: re.Match[bytes]) -> None:
        """Pass a control sequence."""
        sticky = self._sticky
        if sticky.may_be_cut and sticky.clears(self._raw, token.start()):
            self.cuts.offer(token.start(), sticky.prologue())
        if not sticky.take(token):
            self._waiting.clear()
            self._lines = 0
        if sticky.was_reset:
            self.cuts.offer(token.end(), b"")


def _line_start(raw: bytes, start: int, reach: int, end: int) -> int | None:
    """Return where a line begins, after CR LF, in a stretch: the last one up to `reach`, else the first one after."""
    place = raw.rfind(b"\r\n", start, reach)
    if place < 0:
        place = raw.find(b"\r\n", reach, end)
    return place + 2 if place >= 0 else None
