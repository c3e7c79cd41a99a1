"""A break where the driver or the adapter has none: NULs at a speed so low that the device takes them for one.

A NUL is a start bit and eight zeros: nine bits' time of low. At 300 baud that is 30 ms, as long as 288 bits at 9600:
a receiver sees a break in each. Cisco describes the same by hand ("Simulating a Break Key Sequence": 1200 baud, and the
space bar). What adapters and boot monitors make of it was tried on no hardware: unverified.
"""

from __future__ import annotations

import asyncio
import math

from pibramble.console.autobaud import Tunable
from pibramble.console.model import Settings
from pibramble.errors import UsageError

LOW_BAUD = 300  # the lowest that every common adapter has (FTDI: 183, CP210x: 300, PL2303: 75)
_LOW_BITS, _BITS = 9, 10  # of a NUL in 8N1
_SLACK_SECONDS = 0.05  # for the adapter's own buffer


def nuls(seconds: float) -> int:
    """Return how many NULs fill so long a time."""
    return max(1, math.ceil(seconds * LOW_BAUD / _BITS))


def looks_like_a_break(settings: Settings) -> bool:
    """Tell whether a line of these settings takes a NUL at the low speed for a break: low for a whole character."""
    return settings.character_seconds < _LOW_BITS / LOW_BAUD


async def send_nuls(line: Tunable, settings: Settings, seconds: float) -> None:
    """Send NULs for so long, and go back to the line's settings. Raises UsageError for a line as slow as they are.

    What the device prints meanwhile is lost: it comes at a speed that nobody listens at.
    """
    if not looks_like_a_break(settings):
        raise UsageError(f"a line at {settings} takes no NUL at {LOW_BAUD} baud for a break")
    count = nuls(seconds)
    await line.change(Settings(LOW_BAUD))
    try:
        await line.write(bytes(count))
        await asyncio.sleep(count * _BITS / LOW_BAUD + _SLACK_SECONDS)  # a speed that changes too early cuts them short
    finally:
        await line.change(settings)
