"""Wires of the tests: a device that is a function, and one that is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class DeviceWire:
    """A wire whose other end answers each write at once, by a function."""

    def __init__(self, answer: Callable[[bytes], bytes] = lambda _data: b"") -> None:
        self.sent = b""
        self.writes: list[bytes] = []
        self._answer = answer
        self._came = bytearray()
        self._filled = asyncio.Event()

    async def write(self, data: bytes) -> None:
        self.sent += data
        self.writes.append(data)
        self.say(self._answer(data))

    def say(self, data: bytes) -> None:
        """Let the device print something by itself."""
        self._came += data
        if data:
            self._filled.set()

    async def read(self) -> bytes:
        while not self._came:
            self._filled.clear()
            await self._filled.wait()
        data = bytes(self._came)
        self._came.clear()
        return data
