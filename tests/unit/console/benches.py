"""A broker on a loop of its own, so that a test can use blocking clients such as pyserial beside it."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import threading
import time
import tty
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from pibramble.console.broker import Broker
from pibramble.console.line import Line
from pibramble.console.model import Port, Settings, Source, State

_T = TypeVar("_T")


class Device:
    """The far end of a serial line: what a test lets it say, and what has come to it."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave

    def say(self, data: bytes) -> None:
        os.write(self.master, data)

    def heard(self, count: int, seconds: float = 5) -> bytes:
        """Return what has come, when it is so much or the time is over."""
        data, deadline = b"", time.monotonic() + seconds
        while len(data) < count and select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
            data += os.read(self.master, 65536)
        return data

    def close(self) -> None:
        for descriptor in (self.master, self._slave):
            os.close(descriptor)


class Bench:
    """A broker that serves devices, in a thread."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.broker = Broker(folder)
        self.devices: list[Device] = []

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine on the broker's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def call(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Call a function on the broker's loop."""

        async def called() -> _T:
            return function(*arguments)

        return self.do(called())

    def device(self) -> Device:
        """Return one more device, that no line has yet."""
        device = Device()
        self.devices.append(device)
        return device

    def line(self, device: Device, profile: str = "cisco-ios", name: str = "sw1") -> Line:
        """Serve a device as a line."""
        port = Port(name, device.path, profile, Settings(), Source.CLUSTER_FILE)
        self.call(self.broker.serve, [port])
        line = self.broker.lines[name]
        assert line.state is State.OPEN, line.reason
        return line

    def close(self) -> None:
        self.do(self.broker.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()
        for device in self.devices:
            device.close()


def wait_until(true: Callable[[], object], seconds: float = 5) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)
