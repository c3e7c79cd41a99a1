"""What one viewer has not been sent yet: bounded, whatever the viewer does.

A viewer that falls too far behind is not sent what it missed, which it could not read anyway, but the screen anew.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pibramble.console.messages import Event, Missed, Reply, Restored

VIEWER_BACKLOG_BYTES = 1 << 20
LARGEST_PIECE_BYTES = 64 << 10  # several small deliveries go out as one
MOST_MESSAGES = 1000

Piece = bytes | Reply


class Backlog:
    """A queue of bytes and messages in their order."""

    def __init__(self, restore: Callable[[], bytes], limit_bytes: int = VIEWER_BACKLOG_BYTES) -> None:
        """Begin empty; `restore` returns what shows the screen as it is now."""
        self._restore = restore
        self._limit_bytes = limit_bytes
        self._pieces: deque[bytearray | Reply] = deque()
        self._bytes = 0
        self._missed_bytes = 0
        self._filled = asyncio.Event()

    def deliver(self, data: bytes) -> None:
        """Queue bytes of the line; too many are dropped, with all before them."""
        if self._missed_bytes:
            self._missed_bytes += len(data)
            return
        if self._bytes + len(data) > self._limit_bytes:
            self._missed_bytes = self._bytes + len(data)
            self._bytes = 0
            self._pieces = deque(piece for piece in self._pieces if not isinstance(piece, bytearray))
        else:
            last = self._pieces[-1] if self._pieces else None
            if isinstance(last, bytearray) and len(last) + len(data) <= LARGEST_PIECE_BYTES:
                last += data
            else:
                self._pieces.append(bytearray(data))
            self._bytes += len(data)
        self._filled.set()

    def say(self, message: Reply | Event) -> None:
        """Queue a message. A viewer that reads none of a thousand misses the oldest."""
        self._pieces.append(message)
        if len(self._pieces) > MOST_MESSAGES:
            oldest = next(piece for piece in self._pieces if not isinstance(piece, bytearray))
            self._pieces.remove(oldest)
        self._filled.set()

    @property
    def empty(self) -> bool:
        """Tell whether nothing waits."""
        return not self._pieces and not self._missed_bytes

    def take(self) -> Piece | None:
        """Return the next piece, or None when nothing waits."""
        if not self._pieces:
            return self._make_up() if self._missed_bytes else None
        piece = self._pieces.popleft()
        if not isinstance(piece, bytearray):
            return piece
        self._bytes -= len(piece)
        return bytes(piece)

    async def next(self) -> Piece:
        """Return the next piece, when there is one."""
        while (piece := self.take()) is None:
            self._filled.clear()
            await self._filled.wait()
        return piece

    def _make_up(self) -> Reply:
        """Put the screen anew in the place of what was missed; return the word of it."""
        screen = self._restore()
        missed, self._missed_bytes = self._missed_bytes, 0
        self._pieces.extend((Restored(len(screen)), bytearray(screen)))
        self._bytes = len(screen)
        return Missed(missed)
