"""The wires between emulated boards, over real sockets: nothing waits, nothing is lost without being counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from pibramble.targets.emulator.relay import Cables, Line, serve_line

PATIENCE_S = 20
MIB = 1 << 20
TOKEN = "0123456789abcdef"  # noqa: S105 (a test's)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


async def until(true: Callable[[], bool]) -> None:
    """Wait for the other side's part. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 (no event tells of what the relay's own end has heard)
            await asyncio.sleep(0.005)


@attrs.frozen
class End:
    """A connection as QEMU would have it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def sent(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(PATIENCE_S):
            await self.writer.drain()

    async def receive(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(count)

    async def rest(self) -> bytes:
        """Return what comes until the other side closes."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()


# -- serial lines ------------------------------------------------------------------------------------------------------


@attrs.frozen
class Wired:
    """A line that is served, and the sockets of its ends."""

    line: Line
    sockets: dict[str, Path]

    async def connect(self, which: str) -> End:
        return End(*await asyncio.open_unix_connection(self.sockets[which]))

    async def both(self) -> tuple[End, End]:
        """Connect both ends, and return when the line knows them."""
        head, worker = await self.connect("head"), await self.connect("worker")
        # Each has heard the other once: so both are plugged in.
        while not self.line.passed["head"].bytes:
            head.send(b"?")
            await asyncio.sleep(0.01)
        await worker.receive(self.line.passed["head"].bytes)
        await worker.sent(b"!")
        await head.receive(1)
        for counted in self.line.passed.values():
            counted.bytes = counted.lost_bytes = 0
        return head, worker


@asynccontextmanager
async def wired(folder: Path, baud: int | None = None) -> AsyncIterator[Wired]:
    line = Line(baud)
    sockets = {which: folder / which for which in ("head", "worker")}
    servers = await serve_line(line, sockets)
    try:
        yield Wired(line, sockets)
    finally:
        for server in servers:
            server.close()


def test_a_line_passes_every_byte_both_ways(tmp_path: Path) -> None:
    every = bytes(range(256)) * 1000

    async def test() -> None:
        async with wired(tmp_path) as wires:
            head, worker = await wires.both()
            await asyncio.gather(head.sent(every), worker.sent(every[::-1]))
            assert await worker.receive(len(every)) == every
            assert await head.receive(len(every)) == every[::-1]
            passed = wires.line.passed
            assert [passed[end].bytes for end in ("head", "worker")] == [len(every)] * 2
            assert [passed[end].lost_bytes for end in ("head", "worker")] == [0, 0]

    run(test)


def test_a_sender_never_waits_for_an_end_that_does_not_read_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    async def test() -> None:
        async with wired(tmp_path) as wires:
            head, worker = await wires.both()
            worker.writer.transport.pause_reading()  # type: ignore[attr-defined]
            for _ in range(64):  # 4 MiB
                await head.sent(b"x" * (MIB // 16))
            counted = wires.line.passed["head"]
            await until(lambda: counted.bytes + counted.lost_bytes == 4 * MIB)
            # What the line keeps, and what the sockets' own buffers have taken already.
            assert MIB // 2 < counted.bytes < 2.5 * MIB
            worker.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert len(await worker.receive(counted.bytes)) == counted.bytes

    run(test)


def test_what_is_sent_to_nobody_is_lost_and_counted(tmp_path: Path) -> None:
    async def test() -> None:
        async with wired(tmp_path) as wires:
            head = await wires.connect("head")
            await head.sent(b"anybody?")
            await until(lambda: wires.line.passed["head"].lost_bytes == 8)
            assert wires.line.passed["head"].bytes == 0

    run(test)


def test_how_often_both_ends_came_together_is_counted(tmp_path: Path) -> None:
    async def test() -> None:
        async with wired(tmp_path) as wires:
            _, worker = await wires.both()
            assert wires.line.plugged == 1
            wires.line.cut()
            wires.line.join()
            wires.line.join()  # it is whole already
            assert wires.line.plugged == 2
            worker.writer.close()
            await wires.connect("worker")  # a board that has started anew
            await until(lambda: wires.line.plugged == 3)

    run(test)


def test_a_cut_line_loses_what_is_sent_and_a_joined_one_carries_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with wired(tmp_path) as wires:
            head, worker = await wires.both()
            wires.line.cut()
            assert not wires.line.joined
            await head.sent(b"lost")
            await until(lambda: wires.line.passed["head"].lost_bytes == 4)
            wires.line.join()
            await head.sent(b"found")
            assert await worker.receive(5) == b"found"
            assert wires.line.joined
            assert wires.line.passed["head"].bytes == 5

    run(test)


def test_a_paced_line_takes_as_long_as_its_baud_rate_says(tmp_path: Path) -> None:
    data = b"p" * 5000  # at 50,000 baud, ten bits a byte: one second

    async def test() -> None:
        async with wired(tmp_path, baud=50_000) as wires:
            head, worker = await wires.both()
            began = time.monotonic()
            await head.sent(data)
            first = await worker.receive(50)
            assert time.monotonic() - began < 0.7  # it trickles, rather than to come at once in the end
            assert first + await worker.receive(len(data) - 50) == data
            assert 0.85 < time.monotonic() - began < 5  # a busy machine may be late, never early

    run(test)


def test_a_second_connection_replaces_the_first(tmp_path: Path) -> None:
    async def test() -> None:
        async with wired(tmp_path) as wires:
            head, before = await wires.both()
            after = await wires.connect("worker")
            assert await before.rest() == b""  # closed
            await head.sent(b"to the new one")
            assert await after.receive(14) == b"to the new one"
            # That the old one has gone must not take the new one along.
            await after.sent(b"back")
            assert await head.receive(4) == b"back"

    run(test)


# -- USB cables --------------------------------------------------------------------------------------------------------


@attrs.frozen
class Socket:
    """The cables, and the port where they are plugged in."""

    cables: Cables
    port: int

    async def connect(self, greeting: bytes) -> End:
        end = End(*await asyncio.open_connection("127.0.0.1", self.port))
        end.send(greeting)
        return end

    async def pair(self, node: str) -> tuple[End, End]:
        worker = await self.connect(f"{TOKEN} worker {node}\n".encode())
        head = await self.connect(f"{TOKEN} head {node}\n".encode())
        assert await head.receive(3) == await worker.receive(3) == b"go\n"
        return head, worker


@asynccontextmanager
async def plugged() -> AsyncIterator[Socket]:
    cables = Cables(TOKEN)
    server = await asyncio.get_running_loop().create_server(cables.end, "127.0.0.1", 0)
    try:
        yield Socket(cables, server.sockets[0].getsockname()[1])
    finally:
        server.close()


@pytest.mark.parametrize(
    "greeting",
    [
        pytest.param(b"wrong worker zero1\n", id="a wrong token"),
        pytest.param("schlüssel worker zero1\n".encode(), id="a token that is not ASCII"),
        pytest.param(b"\xff\xfe worker zero1\n", id="a token that is no text"),
        pytest.param(f"{TOKEN} middle zero1\n".encode(), id="a wrong role"),
        pytest.param(f"{TOKEN} worker\n".encode(), id="no name"),
        pytest.param(f"{TOKEN} worker zero1 again\n".encode(), id="a worker that says what a head says"),
        pytest.param(f"{TOKEN} head zero1 hello\n".encode(), id="a word too many"),
        pytest.param(b"\n", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="a browser"),
        pytest.param(b"x" * 300, id="a long one"),
        pytest.param(f"{TOKEN} worker {'z' * 300}".encode(), id="a long one that knows the token"),
    ],
)
def test_who_does_not_greet_as_an_end_of_a_cable_is_shown_the_door(
    greeting: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with plugged() as socket:
            stranger = await socket.connect(greeting)
            assert await stranger.rest() == b""
            # And it is not what a true end is paired with.
            await socket.pair("zero1")
            assert socket.cables.plugged == {"zero1": 1}

    run(test)
    assert not caplog.records  # asyncio logs what a protocol raises


def test_a_greeting_may_come_in_pieces() -> None:
    async def test() -> None:
        async with plugged() as socket:
            worker = await socket.connect(f"{TOKEN} wor".encode())
            await asyncio.sleep(0.05)
            worker.send(b"ker zero1\n")
            head = await socket.connect(f"{TOKEN} head zero1\n".encode())
            assert await head.receive(3) == await worker.receive(3) == b"go\n"

    run(test)


def test_a_cable_carries_what_comes_after_go_both_ways() -> None:
    async def test() -> None:
        async with plugged() as socket:
            head, worker = await socket.pair("zero1")
            big = bytes(range(256)) * 8192  # 2 MiB: more than any buffer holds, so the relay has to wait for its reader
            sending = asyncio.gather(head.sent(big), worker.sent(b"answer\n"))
            assert await worker.receive(len(big)) == big
            assert await head.receive(7) == b"answer\n"
            await sending

    run(test)


def test_cables_of_two_workers_are_not_confused() -> None:
    async def test() -> None:
        async with plugged() as socket:
            one, two = await socket.pair("zero1"), await socket.pair("zero2")
            await one[0].sent(b"to one")
            await two[0].sent(b"to two")
            assert (await one[1].receive(6), await two[1].receive(6)) == (b"to one", b"to two")
            assert socket.cables.connected == {"zero1", "zero2"}

    run(test)


@pytest.mark.parametrize("first", [0, 1], ids=["head", "worker"])
def test_when_one_end_goes_the_other_is_told_and_the_cable_can_be_plugged_again(first: int) -> None:
    async def test() -> None:
        async with plugged() as socket:
            ends = await socket.pair("zero1")
            ends[first].writer.close()
            assert await ends[1 - first].rest() == b""
            await until(lambda: not socket.cables.connected)
            await socket.pair("zero1")
            assert socket.cables.connected == {"zero1"}
            assert socket.cables.plugged == {"zero1": 2}
            assert socket.cables.vain == {}

    run(test)


def test_a_head_that_plugs_again_because_nothing_came_of_it_is_counted() -> None:
    async def test() -> None:
        async with plugged() as socket:
            head, _ = await socket.pair("zero1")
            head.writer.close()
            await until(lambda: not socket.cables.connected)
            worker = await socket.connect(f"{TOKEN} worker zero1\n".encode())
            head = await socket.connect(f"{TOKEN} head zero1 again\n".encode())
            assert await head.receive(3) == await worker.receive(3) == b"go\n"
            assert (socket.cables.plugged, socket.cables.vain) == ({"zero1": 2}, {"zero1": 1})

    run(test)


def test_an_end_that_waits_is_replaced_by_one_that_came_later() -> None:
    # As when a worker is switched off before the head has come up.
    async def test() -> None:
        async with plugged() as socket:
            before = await socket.connect(f"{TOKEN} worker zero1\n".encode())
            await asyncio.sleep(0.05)
            after = await socket.connect(f"{TOKEN} worker zero1\n".encode())
            assert await before.rest() == b""
            head = await socket.connect(f"{TOKEN} head zero1\n".encode())
            assert await head.receive(3) == await after.receive(3) == b"go\n"

    run(test)


def test_an_end_that_talks_before_it_is_told_to_is_closed() -> None:
    async def test() -> None:
        async with plugged() as socket:
            hasty = await socket.connect(f"{TOKEN} worker zero1\n".encode())
            await asyncio.sleep(0.1)
            hasty.send(b"data")
            assert await hasty.rest() == b""

    run(test)
