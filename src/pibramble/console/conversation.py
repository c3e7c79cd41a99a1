"""A talk with a device: text goes down the line, and what comes back is waited for.

The same talk goes over a line of this process (hot buttons) and over a client's connection to the broker (the shell's
`--send`, backups, autobaud): both are a `Wire`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Protocol

import attrs

from pibramble.console.ear import Ear
from pibramble.console.line import Line, Viewer
from pibramble.console.model import Enter
from pibramble.console.sequences import readable
from pibramble.errors import TimedOutError

SETTLE_SECONDS = 0.15  # a prompt is one when nothing follows it: 140 characters' time at 9600 baud
LOOKED_AT_BYTES = 64 << 10  # how far back a pattern is looked for

_PAGER = re.compile(r"-+ ?\(?more\)?.*-+ *$|^\(END\)$|^lines \d+-\d+", re.IGNORECASE)


class Wire(Protocol):
    """Both directions of a line, for one that has control of it."""

    async def write(self, data: bytes) -> None:
        """Send all of it, however long the device takes. Raises PibrambleError."""
        ...

    async def read(self) -> bytes:
        """Return what has come, at least a byte; may be cancelled without losing any. Raises PibrambleError."""
        ...


class LineWire:
    """A line of this process; `ear` is what its `subscribe` gives."""

    def __init__(self, line: Line, viewer: Viewer, ear: Ear) -> None:
        """Talk as `viewer`, who has control."""
        self._line, self._viewer, self._ear = line, viewer, ear

    async def write(self, data: bytes) -> None:
        """Send all of it."""
        await self._line.write(self._viewer, data)

    async def read(self) -> bytes:
        """Return what has come."""
        return await self._ear.take()


@attrs.frozen
class Heard:
    """What a device said until it was waited for no longer."""

    text: str  # all of it, readable
    line: str  # the last line: the prompt


class Conversation:
    """A talk over a wire."""

    def __init__(self, wire: Wire, enter: Enter = Enter.CR) -> None:
        """Begin; what came before is not looked at."""
        self.wire = wire
        self._enter = enter
        self._heard = bytearray()

    async def send(self, text: str) -> None:
        """Send a text; a newline stands for the Enter key."""
        await self.wire.write(text.encode().replace(b"\n", self._enter.bytes))

    async def wait_for(self, pattern: str, timeout_seconds: float) -> Heard:
        """Wait until what has come since the last wait has the pattern in it. Raises TimedOutError."""
        wanted = re.compile(pattern)
        deadline = time.monotonic() + timeout_seconds
        while wanted.search(text := as_shown(bytes(self._heard[-LOOKED_AT_BYTES:]))) is None:
            if not await self._hear(deadline - time.monotonic()):
                raise self._waited(f"/{pattern}/", timeout_seconds)
        self._heard.clear()
        return Heard(text, _last(text))

    async def wait_for_prompt(self, prompts: Sequence[str], timeout_seconds: float) -> Heard:
        """Wait until the last line is a prompt and nothing follows it. Raises TimedOutError."""
        wanted = [re.compile(prompt) for prompt in prompts]
        deadline = time.monotonic() + timeout_seconds
        while True:
            left = deadline - time.monotonic()
            line = _last(as_shown(bytes(self._heard[self._heard.rfind(b"\n") + 1 :])))
            if any(prompt.search(line) for prompt in wanted):
                if not await self._hear(SETTLE_SECONDS):
                    text = as_shown(bytes(self._heard))
                    self._heard.clear()
                    return Heard(text, line)
            elif not await self._hear(left):
                raise self._waited("a prompt" if len(prompts) > 1 else f"/{prompts[0]}/", timeout_seconds)

    async def gather(self, seconds: float) -> bytes:
        """Return the bytes that come in so many seconds, as they are."""
        deadline = time.monotonic() + seconds
        while await self._hear(deadline - time.monotonic()):
            pass
        data = bytes(self._heard)
        self._heard.clear()
        return data

    async def hush(self, quiet_seconds: float, timeout_seconds: float) -> str:
        """Let what comes go by until nothing does for a while, or until the time is over; return it."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline and await self._hear(quiet_seconds):
            pass
        text = as_shown(bytes(self._heard))
        self._heard.clear()
        return text

    async def _hear(self, seconds: float) -> bool:
        """Take what comes next; false when nothing came in time."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                self._heard += await self.wire.read()
        except TimeoutError:
            return False
        return True

    def _waited(self, what: str, seconds: float) -> TimedOutError:
        text = as_shown(bytes(self._heard[-LOOKED_AT_BYTES:]))
        last = [line for line in text.splitlines() if line.strip()][-3:]
        hint = "it said last:\n" + "\n".join(last) if last else "it said nothing: is it on, and is the speed right?"
        if last and is_pager(last[-1]):
            hint += "\nits pager waits for a key: switch it off first (Cisco: `terminal length 0`)"
        return TimedOutError(f"waited {seconds:g} s for {what}", hint=hint)


def is_pager(line: str) -> bool:
    """Tell whether a line is a pager's that waits for a key: IOS, less, Junos."""
    return _PAGER.search(line.strip()) is not None


def as_shown(data: bytes) -> str:
    """Return what a person reads: no control sequences, and overwritten lines as they ended."""
    text = readable(data).decode(errors="replace").replace("\r\n", "\n").replace("\0", "").replace("\a", "")
    if "\b" not in text and "\r" not in text:
        return text
    return "\n".join(_typed_over(line) if "\b" in line or "\r" in line else line for line in text.split("\n"))


def _typed_over(line: str) -> str:
    """Play a line as a printer's head would: a backspace goes back one place, a return to the beginning."""
    shown: list[str] = []
    at = 0
    for character in line:
        if character == "\b":
            at = max(at - 1, 0)
        elif character == "\r":
            at = 0
        else:
            shown[at : at + 1] = [character]
            at += 1
    return "".join(shown)


def _last(text: str) -> str:
    return text.rsplit("\n", 1)[-1]
