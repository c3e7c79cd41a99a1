"""Which serial adapters are plugged in, by the names that stay the same."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

FOLDER = Path("/dev/serial")  # udev's 60-serial.rules: names by maker and serial number, and by place


def unnamed(known: Iterable[str], folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the adapters that are none of the known devices, whichever of its names each of those has."""
    taken = {Path(device).resolve() for device in known}
    found: dict[Path, str] = {}
    for names in (folder / "by-id", folder / "by-path"):
        for name in sorted(names.glob("*")):
            if (device := name.resolve()) not in taken:
                found.setdefault(device, str(name))
    return tuple(found.values())
