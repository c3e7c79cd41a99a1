"""A line behind a TCP port of this machine: telnet with RFC 2217, for programs that know serial lines by it.

A connection is a viewer like every other. It cannot ask for control, so it takes it when it first sends or changes
something, if nobody has it. Else a person (plain telnet) is told in a line of text and keeps watching; a program (one
that has agreed on RFC 2217) hears it as a refused setting, and is hung up on when it writes: an error is better than
bytes that vanish. RFC 2217 has no security of its own, so nothing but loopback is listened on.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
from collections import deque
from collections.abc import Sequence

from pibramble.console import rfc2217
from pibramble.console.backlog import VIEWER_BACKLOG_BYTES
from pibramble.console.comport import ComPort
from pibramble.console.line import Line
from pibramble.console.messages import Event, Notice, StateChanged, WriterChanged
from pibramble.console.model import State
from pibramble.console.telnet import (
    Code,
    Command,
    Decoder,
    Encoder,
    Negotiation,
    Option,
    Options,
    Subnegotiation,
    TelnetError,
)
from pibramble.console.telnet import Event as TelnetEvent
from pibramble.errors import BusyError, PibrambleError, UsageError

LOOPBACK = "127.0.0.1"
_QUEUE_BYTES = 64 << 10  # not yet on the line; then the client is not read from

_READY = frozenset({Option.BINARY, Option.SUPPRESS_GO_AHEAD, Option.COM_PORT})


def listeners(lines: Sequence[Line], first_tcp_port: int | None) -> tuple[Listener, ...]:
    """Return a listener, not yet started, for each line that has a TCP port; with a first one, for every line.

    A line keeps the port of its own; the others get the first one and those after it, in their order.
    """
    taken = {line.port.tcp_port for line in lines}
    free = (port for port in itertools.count(first_tcp_port or 0) if port not in taken)
    wanted = ((line, line.port.tcp_port or (next(free) if first_tcp_port else None)) for line in lines)
    return tuple(Listener(line, port) for line, port in wanted if port is not None)


class Listener:
    """Listens for one line."""

    def __init__(self, line: Line, tcp_port: int, address: str = LOOPBACK) -> None:
        """Serve `line`; port 0 is any that is free. Raises UsageError for an address that others can reach."""
        if not ipaddress.ip_address(address).is_loopback:
            raise UsageError(
                f"RFC 2217 on {address}: it has no security of its own",
                hint="it listens on 127.0.0.1 alone; from elsewhere: `ssh -L 7001:127.0.0.1:7001 HOST`",
            )
        self._line, self._address, self._wanted = line, address, tcp_port
        self._server: asyncio.Server | None = None
        self._peers: set[Peer] = set()

    @property
    def name(self) -> str:
        """Return the line's name."""
        return self._line.port.name

    @property
    def url(self) -> str:
        """Return where it is, as pyserial takes it."""
        return f"rfc2217://{self._address}:{self.tcp_port}"

    @property
    def tcp_port(self) -> int:
        """Return the port that it listens on."""
        return self._server.sockets[0].getsockname()[1] if self._server else self._wanted

    async def start(self) -> None:
        """Listen. Raises BusyError when the port is taken."""
        try:
            self._server = await asyncio.get_running_loop().create_server(self._peer, self._address, self._wanted)
        except OSError as error:
            raise BusyError(
                f"{self._line.port.name}: cannot listen on {self._address}:{self._wanted}: {error.strerror}",
                hint="another `tcp_port`, or another --rfc2217",
            ) from None

    async def close(self) -> None:
        """Listen no longer, and hang up on everybody."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*(peer.end() for peer in list(self._peers)))

    def _peer(self) -> Peer:
        return Peer(self._line, self._peers)


class Peer(asyncio.Protocol):
    """One connection."""

    may_write = True

    def __init__(self, line: Line, peers: set[Peer]) -> None:
        """Wait for it to be made."""
        self.name = "telnet"
        self._line, self._peers = line, peers
        self._transport: asyncio.Transport | None = None
        self._options = Options(ours=_READY | {Option.ECHO}, theirs=_READY)
        self._decoder, self._encoder = Decoder(line.profile.enter), Encoder()
        self._queue: deque[TelnetEvent] = deque()
        self._queued_bytes = 0
        self._working: asyncio.Task[None] | None = None
        self._com_port = ComPort(line, self, self._raw, self._has_control)
        self._kept = bytearray()  # while the client wants nothing
        self._told_that_busy = False

    # --- The transport's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Watch the line, and offer what a telnet needs to pass single keys."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (a stream's)
        self._transport = transport
        self.name = f"telnet from port {transport.get_extra_info('peername')[1]}"
        self._peers.add(self)
        self._line.attach(self)  # without its past: a program would take it for an answer
        offers = (Option.ECHO, Option.SUPPRESS_GO_AHEAD)
        self._raw(self._options.ask(ours=offers, theirs=(Option.SUPPRESS_GO_AHEAD, Option.COM_PORT)))

    def data_received(self, data: bytes) -> None:
        """Queue what it says: everything happens in its order."""
        try:
            for event in self._decoder.feed(data):
                if isinstance(event, Negotiation):  # at once: what follows is to be read by it
                    self._negotiate(event)
                    continue
                if isinstance(event, Subnegotiation) and event.option == Option.COM_PORT and not self._is_program:
                    # pyserial never says WILL when our DO comes before it has begun; it means it all the same.
                    self._negotiate(Negotiation(Code.WILL, Option.COM_PORT))
                self._queue.append(event)
                self._queued_bytes += len(event) if isinstance(event, bytes) else 1
        except TelnetError as error:
            self._hang_up(error.message)
            return
        if self._queue and self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._work())
        if self._queued_bytes > _QUEUE_BYTES and self._transport:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        """Let the line go."""
        self._transport = None
        self._peers.discard(self)
        self._queue.clear()
        self._stop()
        self._line.detach(self)

    async def end(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()
        await asyncio.gather(*self._stop(), return_exceptions=True)

    def _stop(self) -> tuple[asyncio.Task[None], ...]:
        if self._working is None:
            return self._com_port.stop()
        self._working.cancel()
        return self._working, *self._com_port.stop()

    # --- The line's side: line.Viewer ---

    def deliver(self, data: bytes) -> None:
        """Send bytes of the line. Who falls too far behind is hung up on: a program must not read over a hole."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._com_port.suspended:
            self._kept += data
        else:
            self._raw(self._encoder.encode(data))
        if len(self._kept) + self._transport.get_write_buffer_size() > VIEWER_BACKLOG_BYTES:
            self._transport.abort()

    def notice(self, event: Event) -> None:
        """Tell a person what happens; a program is hung up on when its device is gone."""
        match event:
            case StateChanged(state=State.OPEN):
                self._tell(f"{self._line.port.name} is back")
            case StateChanged():
                reason = f"{self._line.port.name} is {event.state}: {event.reason}"
                self._hang_up(reason) if self._is_program else self._tell(reason)
            case WriterChanged(writer=None):
                self._told_that_busy = False
            case Notice():
                self._tell(event.text)

    async def ask(self, question: str) -> bool:  # noqa: ARG002 (nobody can be asked here)
        """Say no."""
        return False

    # --- What the client says, in its order ---

    async def _work(self) -> None:
        try:
            while self._queue:
                event = self._queue.popleft()
                try:
                    await self._do(event)
                except PibrambleError as error:
                    self._refuse(error.message)
                self._queued_bytes -= len(event) if isinstance(event, bytes) else 1
                if self._queued_bytes <= _QUEUE_BYTES and self._transport is not None:
                    self._transport.resume_reading()
        finally:
            self._working = None

    async def _do(self, event: TelnetEvent) -> None:
        match event:
            case bytes():
                await self._com_port.end_break()
                if self._has_control():
                    await self._line.write(self, event)
                else:
                    self._refuse(f"{self._writer} has control; nothing was sent")
            case Command(code=Code.BRK):
                if self._has_control():
                    await self._line.send_break(self)
                else:
                    self._refuse(f"{self._writer} has control; no break was sent")
            case Command(code=Code.AYT):
                self._tell(f"{self._line.port.name}, {self._line.settings}, {self._line.state}")
            case Subnegotiation(option=Option.COM_PORT):
                if (request := rfc2217.parse(event.content)) is not None:
                    if isinstance(request, rfc2217.PurgeBuffers) and rfc2217.Purge.RECEIVED in request.which:
                        self._kept.clear()
                    await self._com_port.do(request)
                    if self._kept and not self._com_port.suspended:
                        kept, self._kept = bytes(self._kept), bytearray()
                        self.deliver(kept)

    def _negotiate(self, said: Negotiation) -> None:
        was_program = self._is_program
        self._raw(self._options.hear(said))
        if self._is_program and not was_program:
            self.name = self.name.replace("telnet", "RFC 2217")
            self._raw(self._options.ask(ours=(Option.BINARY,), theirs=(Option.BINARY,)))
            self._com_port.start()
        # Who sets a serial line means bytes, whether the answer about BINARY is here already or not.
        self._decoder.binary = self._is_program or self._options.theirs(Option.BINARY)
        self._encoder.binary = self._is_program or self._options.ours(Option.BINARY)

    @property
    def _is_program(self) -> bool:
        return self._options.theirs(Option.COM_PORT)

    @property
    def _writer(self) -> str:
        return self._line.writer.name if self._line.writer else "nobody"

    def _has_control(self) -> bool:
        if self._line.writer is None:
            self._line.take_control(self)
        return self._line.writer is self

    # --- What is said to the client ---

    def _raw(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _tell(self, text: str) -> None:
        """Say something to a person; a program would take it for the device's."""
        if not self._is_program:
            self._raw(self._encoder.encode(f"\r\n[pibramble: {text}]\r\n".encode()))

    def _refuse(self, why: str) -> None:
        """Tell a person once, until the control is free; hang up on a program."""
        if self._is_program:
            self._hang_up(why)
        elif not self._told_that_busy:
            self._told_that_busy = True
            self._tell(why)

    def _hang_up(self, why: str) -> None:
        self._tell(why)
        self._queue.clear()
        if self._transport is not None:
            self._transport.close()
