"""A line that is a Unix socket, as the emulator offers its boards' UARTs: QEMU listens, one may connect."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pibramble.console.broker import Broker
from pibramble.console.device import DeviceError
from pibramble.console.messages import Event
from pibramble.console.model import Port, Settings, Source, State
from pibramble.console.profiles import UnknownProfileError
from tests.console.lines import until


class Reader:
    """A viewer that keeps what it gets."""

    name, may_write = "reader", True

    def __init__(self) -> None:
        self.data = b""
        self.events: list[Event] = []

    def deliver(self, data: bytes) -> None:
        self.data += data

    def notice(self, event: Event) -> None:
        self.events.append(event)

    async def ask(self, _question: str) -> bool:
        return False


def board(path: Path) -> subprocess.Popen[bytes]:
    """Start something that listens as QEMU does, and answers in capitals."""
    listen = f"UNIX-LISTEN:{path},unlink-early"
    board = subprocess.Popen(["socat", listen, "SYSTEM:stdbuf -o0 tr a-z A-Z,pty,rawer"], stderr=subprocess.DEVNULL)
    until(path.exists)
    return board


async def holds(what: Callable[[], bool]) -> None:
    """Wait until something holds, while the broker works."""
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110 (nothing tells a test when a line has changed)
            await asyncio.sleep(0.01)


def test_an_emulated_board_is_a_line_that_comes_and_goes(tmp_path: Path) -> None:
    socket = tmp_path / "zero1.console"

    async def scenario() -> None:
        broker = Broker(tmp_path / "state")
        broker.serve([Port("zero1", f"unix:{socket}", "raspberry-pi", Settings(115200), Source.NODE)])
        line, viewer = broker.line("zero1"), Reader()
        assert line.state is State.ABSENT
        line.attach(viewer)
        line.take_control(viewer)
        for _ in range(2):
            emulated = await asyncio.to_thread(board, socket)
            await holds(lambda: line.state is State.OPEN)
            viewer.data = b""
            await line.write(viewer, b"hello")
            await holds(lambda: b"HELLO" in viewer.data)
            with pytest.raises(DeviceError, match="no break"):
                await line.send_break(viewer)
            emulated.kill()
            await asyncio.to_thread(emulated.wait)
            await holds(lambda: line.state is State.ABSENT)
        await broker.close()

    asyncio.run(scenario())
    log = (tmp_path / "state/logs/zero1/console.log").read_text()
    assert log.count("--- opened ") == 2
    assert "HELLO" in log


def test_a_profile_that_there_is_not_keeps_every_line_closed(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = Broker(tmp_path / "state")
        ports = [
            Port("one", f"unix:{tmp_path}/one", "raw", Settings(), Source.NODE),
            Port("two", f"unix:{tmp_path}/two", "nonsense", Settings(), Source.NODE),
        ]
        with pytest.raises(UnknownProfileError, match=r'no profile "nonsense"'):
            broker.serve(ports)
        assert not broker.lines

    asyncio.run(scenario())
