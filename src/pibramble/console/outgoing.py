"""What a person's terminal sends to the broker, in its order: it waits here while the line is slow."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pibramble.console.client import Client
from pibramble.console.messages import Paste
from pibramble.errors import PibrambleError

LARGEST_BYTES = 32 << 20  # more than that waits in the terminal


class Outgoing:
    """A queue of what was typed, and of pastes among it."""

    def __init__(self, client: Client, *, full: Callable[[], None], empty: Callable[[], None]) -> None:
        """Begin empty; `full` and `empty` are told when nothing more shall come, and when it may again."""
        self._client, self._full, self._empty = client, full, empty
        self._parts: deque[bytes | Paste] = deque()
        self._bytes = 0
        self._pouring: asyncio.Task[None] | None = None

    def add(self, part: bytes | Paste) -> None:
        """Send something after all that was sent before."""
        self._parts.append(part)
        self._bytes += len(part) if isinstance(part, bytes) else 0
        if self._pouring is None:
            self._pouring = asyncio.get_running_loop().create_task(self._pour())
        if self._bytes > LARGEST_BYTES:
            self._full()

    def drop(self) -> int:
        """Throw away what waits here; return how many bytes were typed of it."""
        dropped, self._bytes = self._bytes, 0
        self._parts.clear()
        return dropped

    def stop(self) -> int:
        """Throw it away, and what is on its way to the broker."""
        if self._pouring is not None:
            self._pouring.cancel()
            self._pouring = None
        return self.drop()

    async def _pour(self) -> None:
        try:
            while self._parts:
                part = self._parts.popleft()
                if isinstance(part, Paste):
                    self._client.send(part)
                else:
                    await self._client.write(part)
                    self._bytes = max(0, self._bytes - len(part))
            self._empty()
        except PibrambleError:
            self.drop()  # `client.lost` ends the shell
        finally:
            if self._pouring is asyncio.current_task():
                self._pouring = None
