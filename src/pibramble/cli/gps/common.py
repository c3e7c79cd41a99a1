"""What the verbs of `pibramble gps` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pibramble.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

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


baud_option = click.option(
    "--baud", default=AUTO, show_default=True, metavar="BAUD", callback=_baud, help="The port's speed; auto finds it."
)
