"""Sends a text no faster than the device can take it, and sees that it came back: old gear has no flow control.

A line that is not echoed as it was sent has lost something on the way, and nothing after it is sent.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

from pibramble.console.conversation import Wire
from pibramble.console.model import Enter, Pacing, Settings
from pibramble.console.sequences import readable
from pibramble.errors import PibrambleError

ECHO_SECONDS = 3.0  # how long a device may take to echo a line; a switch that writes its flash takes a second

_BLANK = re.compile(rb"[\x00-\x20\x7f]+")  # terminals wrap long lines with blanks, returns and backspaces


class EchoError(PibrambleError):
    """A device did not echo what was sent."""


async def send(
    data: bytes,
    wire: Wire,
    pacing: Pacing,
    enter: Enter,
    *,
    sent: Callable[[int], None] = lambda _bytes: None,
) -> None:
    """Send a text; each newline (LF, CR LF) becomes the Enter key. `sent` is told the bytes as they go.

    Raises EchoError, which names the line of the text. May be cancelled between two characters.
    """
    echo = Echo(wire) if pacing.check_echo else None
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        content = line.rstrip(b"\r\n")
        ended = content + enter.bytes if len(content) < len(line) else content
        if pacing.per_character_seconds:
            for at in range(len(ended)):
                await wire.write(ended[at : at + 1])
                await asyncio.sleep(pacing.per_character_seconds)
        elif ended:
            await wire.write(ended)
        if echo:
            await echo.see(content, number)
        sent(len(line))
        if pacing.per_line_seconds:
            await asyncio.sleep(pacing.per_line_seconds)


def least_seconds(data: bytes, pacing: Pacing, settings: Settings) -> float:
    """Return how long a text takes at least; what the device needs for its answers is not in it."""
    per_character = max(settings.character_seconds, pacing.per_character_seconds)
    return len(data) * per_character + len(data.splitlines()) * pacing.per_line_seconds


class Echo:
    """Compares what comes back with what was sent."""

    def __init__(self, wire: Wire, patience_seconds: float = ECHO_SECONDS) -> None:
        """Listen to a wire."""
        self._wire, self._patience_seconds = wire, patience_seconds
        self._heard = b""

    async def see(self, line: bytes, number: int) -> None:
        """Wait for a line's echo; blanks do not count. Raises EchoError."""
        wanted = _BLANK.sub(b"", line)
        deadline = time.monotonic() + self._patience_seconds
        while (end := echo_end(came := _BLANK.sub(b"", readable(self._heard)), wanted)) is None:
            try:
                async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
                    self._heard += await self._wire.read()
            except TimeoutError:
                raise _unlike(line, number, readable(self._heard)) from None
        self._heard = came[end:]


def echo_end(came: bytes, wanted: bytes) -> int | None:
    """Return where the echo of `wanted` ends in what came, neither with blanks; None: it is not there.

    IOS shifts a line that reaches the edge of the screen to the left, and writes it again behind a dollar sign (Cisco's
    "Using the Command-Line Interface", wrapping commands): what is written again must be what went before.
    """
    if (at := came.find(wanted)) >= 0:
        return at + len(wanted)
    if b"$" in came:
        for at in range(len(came)):
            if (end := _shifted_end(came, at, wanted)) is not None:
                return end
    return None


def _shifted_end(came: bytes, at: int, wanted: bytes) -> int | None:
    """Match an echo from `at` on, with a line written again now and then."""
    matched = 0
    while matched < len(wanted):
        if came[at : at + 1] == wanted[matched : matched + 1]:
            matched, at = matched + 1, at + 1
        elif matched and came[at : at + 1] == b"$":
            again = next(
                (n for n in range(matched, 0, -1) if came.startswith(wanted[matched - n : matched], at + 1)), 0
            )
            if not again:
                return None
            at += 1 + again
        else:
            return None
    return at


def _unlike(line: bytes, number: int, came: bytes) -> EchoError:
    last = came.decode(errors="replace").strip().splitlines()[-2:]
    return EchoError(
        f"line {number} did not come back as it was sent; nothing after it was sent",
        hint="\n".join(
            (
                f"sent: {line.decode(errors='replace')[:200]}",
                f"back: {' / '.join(last)[-200:] or 'nothing'}",
                "slower pacing in the profile may help ([pacing] per_character_seconds, per_line_seconds);",
                "a password is never echoed: such a text needs check_echo = false",
            )
        ),
    )
