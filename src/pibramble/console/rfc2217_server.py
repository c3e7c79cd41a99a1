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
import termios
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import attrs

from pibramble import __version__
from pibramble.console import modem, rfc2217
from pibramble.console.backlog import VIEWER_BACKLOG_BYTES
from pibramble.console.line import Line
from pibramble.console.messages import Event, Notice, StateChanged, WriterChanged
from pibramble.console.model import Settings, State
from pibramble.console.rfc2217 import Control, LineState, ModemState, Purge, Verb
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
LOOK_SECONDS = 0.25  # between two looks at the modem lines
LONGEST_BREAK_SECONDS = 10.0  # of a client that never ends it
_QUEUE_BYTES = 64 << 10  # not yet on the line; then the client is not read from

_READY = frozenset({Option.BINARY, Option.SUPPRESS_GO_AHEAD, Option.COM_PORT})
# A line whose device has no modem lines looks like a cable that joins them at its end, as three-wire cables do.
_JOINED = modem.Lines.CTS | modem.Lines.DSR | modem.Lines.CD | modem.Lines.DTR | modem.Lines.RTS

_STATES = {
    modem.Lines.CTS: ModemState.CTS,
    modem.Lines.DSR: ModemState.DSR,
    modem.Lines.RI: ModemState.RI,
    modem.Lines.CD: ModemState.CD,
}


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
        self._looking: asyncio.Task[None] | None = None
        self._breaking: asyncio.Task[None] | None = None
        self._suspended = False
        self._kept = bytearray()  # while the client wants nothing
        self._modem_mask, self._line_mask = 0xFF, 0  # section 3's defaults
        self._lines_told = ModemState(0)
        self._counted: modem.Counts | None = None
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
        for task in (self._working, self._looking, self._breaking):
            if task is not None:
                task.cancel()
        self._line.detach(self)

    async def end(self) -> None:
        """Hang up."""
        tasks = [task for task in (self._working, self._looking, self._breaking) if task is not None]
        if self._transport is not None:
            self._transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- The line's side: line.Viewer ---

    def deliver(self, data: bytes) -> None:
        """Send bytes of the line. Who falls too far behind is hung up on: a program must not read over a hole."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._suspended:
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
                await self._end_break()
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
                    await self._answer(request)

    def _negotiate(self, said: Negotiation) -> None:
        was_program = self._is_program
        self._raw(self._options.hear(said))
        if self._is_program and not was_program:
            self.name = self.name.replace("telnet", "RFC 2217")
            self._raw(self._options.ask(ours=(Option.BINARY,), theirs=(Option.BINARY,)))
            self._looking = asyncio.get_running_loop().create_task(self._look())
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

    # --- RFC 2217 ---

    async def _answer(self, request: rfc2217.Request) -> None:  # noqa: C901 (one case for each request)
        match request:
            case rfc2217.Signature(text=""):
                self._raw(rfc2217.answer(Verb.SIGNATURE, f"pibramble {__version__} {self._line.port.name}".encode()))
            case rfc2217.AskSettings():
                self._raw(rfc2217.setting_answer(request.verb, self._line.settings))
            case rfc2217.ChangeSettings():
                await self._change(request.applied(self._line.settings))
                self._raw(rfc2217.setting_answer(request.verb, self._line.settings))
            case rfc2217.SetControl():
                await self._control(request.control)
            case rfc2217.AskState(verb=Verb.NOTIFY_MODEM_STATE):
                self._tell_modem_lines()
            case rfc2217.AskState():
                self._raw(rfc2217.answer(Verb.NOTIFY_LINE_STATE, bytes((self._line_state(),))))
            case rfc2217.SetMask(verb=Verb.SET_MODEM_STATE_MASK):
                self._modem_mask = request.mask
                self._raw(rfc2217.answer(request.verb, bytes((request.mask,))))
            case rfc2217.SetMask():
                self._line_mask = request.mask
                self._raw(rfc2217.answer(request.verb, bytes((request.mask,))))
            case rfc2217.Suspend():
                self._suspended = request.on
                if not request.on and self._kept:
                    kept, self._kept = bytes(self._kept), bytearray()
                    self.deliver(kept)
            case rfc2217.PurgeBuffers():
                self._purge(request.which)

    async def _change(self, settings: Settings) -> None:
        """Change the settings if they are others and may be changed; the answer tells the client which they are."""
        if settings == self._line.settings or not self._has_control():
            return
        with suppress(PibrambleError):  # the device does not take them: the answer says so
            await self._line.change(self, settings)

    async def _control(self, control: Control) -> None:
        descriptor = self._line.descriptor
        lines = (modem.lines(descriptor) if descriptor is not None else None) or _JOINED
        match control:
            case Control.BREAK_ON:
                if self._breaking is None and self._has_control():
                    self._breaking = asyncio.get_running_loop().create_task(self._hold_low())
            case Control.BREAK_OFF:
                await self._end_break()
            case Control.DTR_ON | Control.DTR_OFF:
                lines = self._switch(modem.Lines.DTR, lines, on=control is Control.DTR_ON)
            case Control.RTS_ON | Control.RTS_OFF:
                lines = self._switch(modem.Lines.RTS, lines, on=control is Control.RTS_ON)
            case _ if (flow := rfc2217.flow_of(control)) is not None:
                await self._change(attrs.evolve(self._line.settings, flow=flow))
        self._raw(self._control_answer(control, lines))

    def _control_answer(self, control: Control, lines: modem.Lines) -> bytes:
        """Say how it is now, whatever was asked for."""
        match control:
            case Control.ASK_BREAK | Control.BREAK_ON | Control.BREAK_OFF:
                now = Control.BREAK_OFF if self._breaking is None else Control.BREAK_ON
            case Control.ASK_DTR | Control.DTR_ON | Control.DTR_OFF:
                now = Control.DTR_ON if modem.Lines.DTR in lines else Control.DTR_OFF
            case Control.ASK_RTS | Control.RTS_ON | Control.RTS_OFF:
                now = Control.RTS_ON if modem.Lines.RTS in lines else Control.RTS_OFF
            case _:
                inbound = control in rfc2217.INBOUND
                return rfc2217.flow_answer(self._line.settings.flow, inbound=inbound)
        return rfc2217.answer(Verb.SET_CONTROL, bytes((now,)))

    def _switch(self, line: modem.Lines, lines: modem.Lines, *, on: bool) -> modem.Lines:
        descriptor = self._line.descriptor
        if (line in lines) is on or descriptor is None or not self._has_control():
            return lines
        return lines ^ line if modem.switch(descriptor, line, on=on) else lines

    async def _hold_low(self) -> None:
        try:
            await self._line.send_break(self, LONGEST_BREAK_SECONDS)
        except PibrambleError as error:
            self._tell(error.message)
        finally:
            self._breaking = None

    async def _end_break(self) -> None:
        if (task := self._breaking) is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._breaking = None  # one that was ended before it began has not said so itself

    def _purge(self, which: Purge) -> None:
        if Purge.RECEIVED in which:
            self._kept.clear()
        if Purge.UNSENT in which and self._line.writer is self and self._line.descriptor is not None:
            with suppress(termios.error):
                termios.tcflush(self._line.descriptor, termios.TCOFLUSH)
        self._raw(rfc2217.answer(Verb.PURGE, bytes((which,))))

    # --- States that change by themselves ---

    async def _look(self) -> None:
        """Tell the client of the modem lines, and of errors and breaks if it wants to hear of them."""
        while True:
            if (self._modem_lines() ^ self._lines_told) & rfc2217.MODEM_LINES:
                self._tell_modem_lines()
            if (state := self._line_state() & self._line_mask) & ~(LineState.SENDING_EMPTY | LineState.SHIFT_EMPTY):
                self._raw(rfc2217.answer(Verb.NOTIFY_LINE_STATE, bytes((state,))))
            await asyncio.sleep(LOOK_SECONDS)

    def _tell_modem_lines(self) -> None:
        now = self._modem_lines()
        state = rfc2217.modem_state(now, self._lines_told)
        self._lines_told = now
        if state & self._modem_mask:
            self._raw(rfc2217.answer(Verb.NOTIFY_MODEM_STATE, bytes((state & self._modem_mask,))))

    def _modem_lines(self) -> ModemState:
        descriptor = self._line.descriptor
        lines = modem.lines(descriptor) if descriptor is not None else modem.Lines(0)
        on = _JOINED if lines is None else lines
        return ModemState(sum(state for line, state in _STATES.items() if line in on))

    def _line_state(self) -> LineState:
        """Return what has happened since the last look."""
        descriptor = self._line.descriptor
        counted = modem.counts(descriptor) if descriptor is not None else None
        before, self._counted = self._counted, counted
        new = counted.since(before) if counted and before else modem.Counts()
        state = LineState(0)
        for count, bit in (
            (new.overruns + new.buffer_overruns, LineState.OVERRUN),
            (new.parity_errors, LineState.PARITY_ERROR),
            (new.framing_errors, LineState.FRAMING_ERROR),
            (new.breaks, LineState.BREAK),
        ):
            if count > 0:
                state |= bit
        return state if self._working_on_data else state | LineState.SENDING_EMPTY | LineState.SHIFT_EMPTY

    @property
    def _working_on_data(self) -> bool:
        return any(isinstance(event, bytes) for event in self._queue)

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
