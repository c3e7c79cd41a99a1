"""What a program asks of a line by RFC 2217, done on the line; every answer says how it is then, wanted or not."""

from __future__ import annotations

import asyncio
import termios
from collections.abc import Callable
from contextlib import suppress

import attrs

from pibramble import __version__
from pibramble.console import modem, rfc2217
from pibramble.console.line import Line, Viewer
from pibramble.console.model import Settings
from pibramble.console.rfc2217 import Control, LineState, ModemState, Purge, Verb
from pibramble.errors import PibrambleError

LOOK_SECONDS = 0.25  # between two looks at the modem lines
LONGEST_BREAK_SECONDS = 10.0  # of a client that never ends it

# A line whose device has no modem lines looks like a cable that joins them at its end, as three-wire cables do.
_JOINED = modem.Lines.CTS | modem.Lines.DSR | modem.Lines.CD | modem.Lines.DTR | modem.Lines.RTS
_EMPTY = LineState.SENDING_EMPTY | LineState.SHIFT_EMPTY

_STATES = {
    modem.Lines.CTS: ModemState.CTS,
    modem.Lines.DSR: ModemState.DSR,
    modem.Lines.RI: ModemState.RI,
    modem.Lines.CD: ModemState.CD,
}


class ComPort:
    """One client's view of a line as a COM port."""

    def __init__(self, line: Line, viewer: Viewer, send: Callable[[bytes], None], control: Callable[[], bool]) -> None:
        """Act as `viewer`; `send` takes what goes to the client, `control` takes control if it can be had."""
        self._line, self._viewer, self._send, self._has_control = line, viewer, send, control
        self.suspended = False  # the client wants nothing for now
        self._looking: asyncio.Task[None] | None = None
        self._breaking: asyncio.Task[None] | None = None
        self._modem_mask, self._line_mask = 0xFF, 0  # section 3's defaults
        self._told = ModemState(0)
        self._counted: modem.Counts | None = None

    def start(self) -> None:
        """Begin to tell the client of the modem lines, and of what it wants to hear besides."""
        self._looking = asyncio.get_running_loop().create_task(self._look())

    def stop(self) -> tuple[asyncio.Task[None], ...]:
        """End everything; return what is still to end."""
        tasks = tuple(task for task in (self._looking, self._breaking) if task is not None)
        for task in tasks:
            task.cancel()
        return tasks

    async def end_break(self) -> None:
        """End a break that goes on."""
        if (task := self._breaking) is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._breaking = None  # one that was ended before it began has not said so itself

    async def do(self, request: rfc2217.Request) -> None:  # noqa: C901 (one case for each request)
        """Do what the client asks for, as far as it may and the device can, and answer."""
        match request:
            case rfc2217.Signature(text=""):
                self._answer(Verb.SIGNATURE, f"pibramble {__version__} {self._line.port.name}".encode())
            case rfc2217.AskSettings():
                self._send(rfc2217.setting_answer(request.verb, self._line.settings))
            case rfc2217.ChangeSettings():
                await self._change(request.applied(self._line.settings))
                self._send(rfc2217.setting_answer(request.verb, self._line.settings))
            case rfc2217.SetControl():
                await self._control(request.control)
            case rfc2217.AskState(verb=Verb.NOTIFY_MODEM_STATE):
                self._tell_modem_lines()
            case rfc2217.AskState():
                empty = LineState(0) if self._line.unsent else _EMPTY
                self._answer(Verb.NOTIFY_LINE_STATE, bytes((self._errors() | empty,)))
            case rfc2217.SetMask(verb=Verb.SET_MODEM_STATE_MASK):
                self._modem_mask = request.mask
                self._answer(request.verb, bytes((request.mask,)))
            case rfc2217.SetMask():
                self._line_mask = request.mask
                self._answer(request.verb, bytes((request.mask,)))
            case rfc2217.Suspend():
                self.suspended = request.on
            case rfc2217.PurgeBuffers():
                self._purge(request.which)

    async def _change(self, settings: Settings) -> None:
        """Change the settings if they are others and may be changed."""
        if settings == self._line.settings or not self._has_control():
            return
        with suppress(PibrambleError):  # the device does not take them: the answer says so
            await self._line.change(self._viewer, settings)

    async def _control(self, control: Control) -> None:
        lines = self._lines()
        match control:
            case Control.BREAK_ON:
                if self._breaking is None and self._has_control():
                    self._breaking = asyncio.get_running_loop().create_task(self._hold_low())
            case Control.BREAK_OFF:
                await self.end_break()
            case Control.DTR_ON | Control.DTR_OFF:
                lines = self._switch(modem.Lines.DTR, lines, on=control is Control.DTR_ON)
            case Control.RTS_ON | Control.RTS_OFF:
                lines = self._switch(modem.Lines.RTS, lines, on=control is Control.RTS_ON)
            case _ if (flow := rfc2217.flow_of(control)) is not None:
                await self._change(attrs.evolve(self._line.settings, flow=flow))
        self._answer_control(control, lines)

    def _answer_control(self, control: Control, lines: modem.Lines) -> None:
        match control:
            case Control.ASK_BREAK | Control.BREAK_ON | Control.BREAK_OFF:
                now = Control.BREAK_OFF if self._breaking is None else Control.BREAK_ON
            case Control.ASK_DTR | Control.DTR_ON | Control.DTR_OFF:
                now = Control.DTR_ON if modem.Lines.DTR in lines else Control.DTR_OFF
            case Control.ASK_RTS | Control.RTS_ON | Control.RTS_OFF:
                now = Control.RTS_ON if modem.Lines.RTS in lines else Control.RTS_OFF
            case _:
                self._send(rfc2217.flow_answer(self._line.settings.flow, inbound=control in rfc2217.INBOUND))
                return
        self._answer(Verb.SET_CONTROL, bytes((now,)))

    def _switch(self, line: modem.Lines, lines: modem.Lines, *, on: bool) -> modem.Lines:
        """Switch a modem line if that changes it, and may be; return all of them as they are then."""
        descriptor = self._line.descriptor
        if (line in lines) is on or descriptor is None or not self._has_control():
            return lines
        return lines ^ line if modem.switch(descriptor, line, on=on) else lines

    async def _hold_low(self) -> None:
        try:
            with suppress(PibrambleError):  # the device has no break, or control is gone: the client can ask
                await self._line.send_break(self._viewer, LONGEST_BREAK_SECONDS)
        finally:
            self._breaking = None

    def _purge(self, which: Purge) -> None:
        """Throw away what the kernel has not sent."""
        if Purge.UNSENT in which and self._line.writer is self._viewer and self._line.descriptor is not None:
            with suppress(termios.error):
                termios.tcflush(self._line.descriptor, termios.TCOFLUSH)
        self._answer(Verb.PURGE, bytes((which,)))

    # --- States that change by themselves ---

    async def _look(self) -> None:
        while True:
            if (self._modem_lines() ^ self._told) & self._modem_mask:
                self._tell_modem_lines()
            if errors := self._errors() & self._line_mask:
                self._answer(Verb.NOTIFY_LINE_STATE, bytes((errors,)))
            await asyncio.sleep(LOOK_SECONDS)

    def _tell_modem_lines(self) -> None:
        now = self._modem_lines()
        state = rfc2217.modem_state(now, self._told)
        self._told = now
        self._answer(Verb.NOTIFY_MODEM_STATE, bytes((state & self._modem_mask,)))

    def _modem_lines(self) -> ModemState:
        return ModemState(sum(state for line, state in _STATES.items() if line in self._lines()))

    def _lines(self) -> modem.Lines:
        descriptor = self._line.descriptor
        if descriptor is None:
            return modem.Lines(0)
        lines = modem.lines(descriptor)
        return _JOINED if lines is None else lines

    def _errors(self) -> LineState:
        """Return which errors and breaks have come since the last look."""
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
        return state

    def _answer(self, verb: Verb, value: bytes) -> None:
        self._send(rfc2217.answer(verb, value))
