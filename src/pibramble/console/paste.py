"""Pastes a text on a line: asked about when it is long, and as slowly as the port's profile says.

What a person has on the clipboard comes at once, and a switch at 9600 baud loses most of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import attrs

from pibramble.console import pacing
from pibramble.console.buttons import DeclinedError
from pibramble.console.conversation import LineWire
from pibramble.console.line import Line, Viewer
from pibramble.console.messages import Paste, Pasting
from pibramble.console.model import Pacing
from pibramble.console.pasted import BEGIN_MARK, END_MARK
from pibramble.errors import PibrambleError

ASK_BYTES = 2000  # a paste of more is asked about first,
ASK_LINES = 20  # and one of more lines
TELL_SECONDS = 0.1  # between two words of how far it is

_SECONDS_A_MINUTE = 60


async def run(line: Line, viewer: Viewer, paste: Paste, told: Callable[[Pasting], None]) -> None:
    """Paste. May be cancelled between two characters; the device then has what went before.

    Raises DeclinedError, EchoError at the first line that does not come back, and what `Line.write` raises.
    """
    data = paste.text.encode()
    if paste.bracketed:
        data = data.replace(END_MARK, b"")  # or a text could end its own paste, and type what follows
    line.must_write(viewer)
    how = _pacing(line.profile.pacing, data, paste)
    if is_long(data) and not await viewer.ask(question(data, line, how)):
        raise DeclinedError("nothing was pasted")
    progress = _Progress(data, told)
    with line.subscribe() as ear:
        wire = _DrainedWire(line, viewer, ear)
        try:
            if paste.bracketed:
                await wire.write(BEGIN_MARK)
            await pacing.send(data, wire, how, line.profile.enter, sent=progress.sent)
            if paste.bracketed:
                await wire.write(END_MARK)
        except pacing.EchoError:
            line.must_write(viewer)  # the true reason, if it is control or the device that was lost
            raise
        except BaseException:
            if paste.bracketed:  # or the device's program takes all that is typed later for more of the text
                with suppress(PibrambleError):
                    line.write_now(viewer, END_MARK)
            raise
    progress.done()


def is_long(data: bytes) -> bool:
    """Tell whether a text is pasted only after a question."""
    return len(data) > ASK_BYTES or len(data.splitlines()) > ASK_LINES


def question(data: bytes, line: Line, how: Pacing) -> str:
    """Return what is asked before a long paste."""
    count = len(data.splitlines())
    lines = "1 line" if count == 1 else f"{count:,} lines"
    seconds = pacing.least_seconds(data, how, line.settings)
    checked = " It stops at the first line that is not echoed as it was sent." if how.check_echo else ""
    return (
        f"Paste {lines}, {len(data):,} bytes, on {line.port.name}? "
        f"At {line.settings} it takes at least {_duration(seconds)}.{checked}"
    )


def _pacing(profile: Pacing, data: bytes, paste: Paste) -> Pacing:
    """Return how it is fed: with nothing after it there is nothing to stop, and a line alone may be a password.

    A program that takes a bracketed paste shows it when it is whole.
    """
    check = profile.check_echo and len(data.splitlines()) > 1 and not paste.bracketed
    return attrs.evolve(profile, check_echo=check)


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "a second"
    whole = round(seconds)
    minutes, rest = divmod(whole, _SECONDS_A_MINUTE)
    return f"{minutes} min {rest:02} s" if minutes else f"{whole} s"


class _DrainedWire(LineWire):
    """Waits at the end of each line until it has left: a pause that begins while the kernel still sends is none."""

    async def write(self, data: bytes) -> None:
        await super().write(data)
        if data.endswith(self._line.profile.enter.bytes[-1:]):
            await self._line.drained()


class _Progress:
    """Tells how far a paste is, not more often than somebody can look."""

    def __init__(self, data: bytes, told: Callable[[Pasting], None]) -> None:
        self._at = Pasting(0, len(data), 0, len(data.splitlines()))
        self._told, self._told_at = told, time.monotonic()
        told(self._at)

    def sent(self, count: int) -> None:
        self._at = attrs.evolve(self._at, bytes=self._at.bytes + count, lines=self._at.lines + 1)
        now = time.monotonic()
        if self._at.bytes < self._at.of_bytes and now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            self._told(self._at)

    def done(self) -> None:
        self._told(self._at)
