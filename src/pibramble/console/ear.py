"""Keeps the bytes of a line for one that waits for something in them."""

from __future__ import annotations

import asyncio

from pibramble.errors import PibrambleError

KEPT_BYTES = 4 << 20  # of more that nobody takes, the oldest go


class Ear:
    """Keeps what comes until somebody takes it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._kept = bytearray()
        self._filled = asyncio.Event()
        self._failure: PibrambleError | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        self._kept += data
        del self._kept[:-KEPT_BYTES]
        self._filled.set()

    def fail(self, failure: PibrambleError) -> None:
        """Say why nothing that follows can be heard."""
        self._failure = self._failure or failure
        self._filled.set()

    def check(self) -> None:
        """Raise the failure, if there is one."""
        if self._failure is not None:
            raise self._failure

    async def take(self) -> bytes:
        """Return all that has come, at least a byte; then raise the failure. May be cancelled without losing any."""
        while not self._kept:
            self.check()
            self._filled.clear()
            await self._filled.wait()
        data = bytes(self._kept)
        self._kept.clear()
        return data
