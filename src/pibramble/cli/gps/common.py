"""What the verbs of `pibramble gps` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pibramble.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from pibramble.gps.model import Source

_PATTERNS = ("/dev/serial/by-id/*", "/dev/ttyUSB*", "/dev/ttyACM*", "/dev/ttyAMA*", "/dev/ttyS[0-9]")
AUTO = "auto"


def complete_source(_ctx: click.Context, _param: click.Parameter | None, incomplete: str) -> list[CompletionItem]:
    """Offer the serial ports, and files."""
    from click.shell_completion import CompletionItem

    ports = [str(path) for pattern in _PATTERNS for path in sorted(Path("/").glob(pattern.lstrip("/")))]
    return [
        *(CompletionItem(port) for port in ports if port.startswith(incomplete)),
        CompletionItem(incomplete, type="file"),
    ]


def _baud(_ctx: click.Context, _param: click.Parameter, value: str) -> int | None:
    """Read a speed, or `auto` (None)."""
    if value == AUTO:
        return None
    if not (value.isascii() and value.isdecimal()):
        raise UsageError(f"--baud {value}: a number such as 9600, or auto")
    return int(value)


def hint_of(source: Source) -> str:
    """Say what is in a log in which no receiver was found."""
    from pibramble.gps import sources
    from pibramble.gps.protocols import Sound

    heard = sources.heard_in(source)
    if heard is None:
        return ""
    if heard.sound is Sound.RECEIVER:
        only = "" if "NMEA 0183" in heard.evidence else ": gpsd reads it, and pibramble's own reader NMEA only"
        return f"it holds {heard.protocol} ({heard.evidence}){only}"
    return f"it holds {heard.sound} ({heard.evidence})"


class Span(click.FloatRange):
    """Seconds, or how many times as fast: positive, and a number that a clock can wait for."""

    name = "number"

    def __init__(self, *, or_none: bool = False) -> None:
        """Let zero pass, too, where `or_none`."""
        super().__init__(min=0, min_open=not or_none, max=1e8)

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; FloatRange itself lets NaN pass."""
        number = float(super().convert(value, param, ctx))
        if number != number:  # noqa: PLR0124 (not a number is none)
            self.fail(f"{value} is no number", param, ctx)
        return number


baud_option = click.option(
    "--baud", default=AUTO, show_default=True, metavar="BAUD", callback=_baud, help="The port's speed; auto finds it."
)
