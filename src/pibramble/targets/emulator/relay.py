"""The wires between emulated boards: serial lines that buffer, and USB cables that are paired by their worker.

Two QEMUs on the two ends of one socket stop each other for good as soon as both write more than the socket holds. So
every byte passes through here, where reading never waits for the other end.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections.abc import Callable
from pathlib import Path

import attrs

_BITS_A_BYTE = 10  # on a UART, 8N1
_TICK_S = 0.01  # how often a paced line passes bytes on
_MOST_WAITING = 1 << 20  # bytes; what comes on top is lost, as on a UART that nobody reads
_GREETING_BYTES = 256
_AGAIN = "again"  # the head's word: nothing came of the time before
_ENDS = ("head", "worker")


@attrs.define
class Counted:
    """What has passed one way."""

    bytes: int = 0
    lost_bytes: int = 0


class Line:
    """A serial line: what comes in at one end goes out at the other; if it is paced, at its baud rate."""

    def __init__(self, baud: int | None = None) -> None:
        """Make the line; `baud` paces it, None lets it be as fast as it can."""
        self._bytes_per_s = baud / _BITS_A_BYTE if baud else math.inf
        self._ends: dict[str, _LineEnd] = {}
        self._joined = True
        self.passed = {end: Counted() for end in _ENDS}  # by the end where it came in
        self.plugged = 0  # how often both ends came together: a board that starts anew, a cut that was mended

    @property
    def joined(self) -> bool:
        """Say whether the wire is whole."""
        return self._joined

    def cut(self) -> None:
        """Cut the wire: what is sent is lost."""
        self._joined = False

    def join(self) -> None:
        """Make the wire whole again."""
        if not self._joined:
            self._joined = True
            self._count()

    def end(self, which: str) -> Callable[[], asyncio.BaseProtocol]:
        """Return what makes the protocol of one end's connection; a new connection replaces the one before."""
        return lambda: _LineEnd(self, which)

    def plug(self, which: str, end: _LineEnd) -> None:
        """Take the connection as the line's end."""
        if before := self._ends.get(which):
            before.close()
        self._ends[which] = end
        self._count()

    def unplug(self, which: str, end: _LineEnd) -> None:
        """Forget the connection."""
        if self._ends.get(which) is end:
            del self._ends[which]

    def _count(self) -> None:
        if self._joined and len(self._ends) == len(_ENDS):
            self.plugged += 1

    def carry(self, which: str, data: bytes) -> None:
        """Pass on what came in at one end."""
        other = self._ends.get(_ENDS[1 - _ENDS.index(which)])
        counted = self.passed[which]
        if not self._joined or other is None or not other.send(data, self._bytes_per_s):
            counted.lost_bytes += len(data)
        else:
            counted.bytes += len(data)


class _LineEnd(asyncio.Protocol):
    def __init__(self, line: Line, which: str) -> None:
        self._line = line
        self._which = which
        self._transport: asyncio.Transport | None = None
        self._waiting = bytearray()  # paced: what the line has not carried yet
        self._pacing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (a stream's)
        self._transport = transport
        self._line.plug(self._which, self)

    def data_received(self, data: bytes) -> None:
        self._line.carry(self._which, data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._line.unplug(self._which, self)
        if self._pacing:
            self._pacing.cancel()
        self._transport = None

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def send(self, data: bytes, bytes_per_s: float) -> bool:
        """Send now or at the line's pace; false when too much is waiting already."""
        if self._transport is None:
            return False
        if self._transport.get_write_buffer_size() + len(self._waiting) + len(data) > _MOST_WAITING:
            return False
        if bytes_per_s == math.inf:
            self._transport.write(data)
            return True
        self._waiting += data
        if self._pacing is None or self._pacing.done():
            self._pacing = asyncio.get_running_loop().create_task(self._pace(bytes_per_s))
        return True

    async def _pace(self, bytes_per_s: float) -> None:
        sent, began = 0, time.monotonic()
        while self._waiting and self._transport:
            due = int((time.monotonic() - began + _TICK_S) * bytes_per_s) - sent
            if due > 0:
                self._transport.write(bytes(self._waiting[:due]))
                sent += len(self._waiting[:due])
                del self._waiting[:due]
            await asyncio.sleep(_TICK_S)


class Cables:
    """The USB cables: a head's and a worker's TCP connections, paired by the worker's name."""

    def __init__(self, token: str) -> None:
        """Let in only who knows the token."""
        self._token = token
        self._waiting: dict[tuple[str, str], _CableEnd] = {}
        self.plugged: dict[str, int] = {}  # how often each worker's cable was plugged in
        self.vain: dict[str, int] = {}  # how often no interface came of that, as the head says
        self.connected: set[str] = set()

    def end(self) -> asyncio.BaseProtocol:
        """Return the protocol of one connection."""
        return _CableEnd(self)

    def greet(self, greeting: bytes, end: _CableEnd) -> bool:
        """Hear who it is, and pair it with its other end if that waits; false for somebody who is no end."""
        words = greeting.decode(errors="replace").split()
        again = words[3:] == [_AGAIN] and words[1] == _ENDS[0]
        if not greeting.endswith(b"\n") or len(words) != 3 + again or words[1] not in _ENDS:
            return False
        if not hmac.compare_digest(words[0].encode(), self._token.encode()):  # as text it raises on what is not ASCII
            return False
        _, which, node = words[:3]
        end.node = node
        if again:
            self.vain[node] = self.vain.get(node, 0) + 1
        other = self._waiting.pop((_ENDS[1 - _ENDS.index(which)], node), None)
        if other is None:
            if before := self._waiting.get((which, node)):
                before.close()
            self._waiting[which, node] = end
        else:
            self.plugged[node] = self.plugged.get(node, 0) + 1
            self.connected.add(node)
            end.pair(other)
        return True

    def gone(self, end: _CableEnd) -> None:
        """Forget a connection."""
        self._waiting = {key: waiting for key, waiting in self._waiting.items() if waiting is not end}
        if end.paired:
            self.connected.discard(end.node)


class _CableEnd(asyncio.Protocol):
    def __init__(self, cables: Cables) -> None:
        self._cables = cables
        self._transport: asyncio.Transport | None = None
        self._other: _CableEnd | None = None
        self._greeting = b""
        self.node = ""

    @property
    def paired(self) -> bool:
        return self._other is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (a stream's)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._other is not None:
            self._other.write(data)
            return
        self._greeting += data
        if b"\n" in self._greeting and self.node:
            self.close()  # it talks before it was told to
        elif b"\n" not in self._greeting and len(self._greeting) <= _GREETING_BYTES:
            pass  # the rest is still to come
        elif not self._cables.greet(self._greeting, self):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._cables.gone(self)
        if self._other is not None:
            self._other.close()

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other.listen(on=False)

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other.listen(on=True)

    def listen(self, *, on: bool) -> None:
        """Read on, or let the other side's kernel wait."""
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading() if on else self._transport.pause_reading()

    def pair(self, other: _CableEnd) -> None:
        """Join two ends; both sides' kernels take over when they are told."""
        self._other, other._other = other, self
        for end in (self, other):
            end.write(b"go\n")

    def write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport:
            self._transport.close()


async def serve_line(line: Line, sockets: dict[str, Path]) -> list[asyncio.Server]:
    """Listen for both ends of a line, each on its socket."""
    loop = asyncio.get_running_loop()
    return [await loop.create_unix_server(line.end(which), path) for which, path in sockets.items()]
