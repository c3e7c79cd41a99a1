"""The firmware's part: what a card's boot partition says to start, read from there and nowhere else."""

from __future__ import annotations

import re

import attrs

from pibramble.cards import layout
from pibramble.cards.fat import FatVolume
from pibramble.cards.image import Image
from pibramble.errors import PibrambleError
from pibramble.targets.emulator.machines import Machine


class BootError(PibrambleError):
    """A card that the firmware could not start either."""


@attrs.frozen
class BootFiles:
    """What the firmware would hand to the processor."""

    kernel: bytes
    initramfs: bytes
    device_tree: bytes  # empty where the machine brings its own
    command_line: str


def read(image: Image, machine: Machine) -> BootFiles:
    """Read them from an opened image. Raises BootError, LayoutError, FatError."""
    _, found = layout.read_layout(image.read(0, layout.SECTOR_BYTES))
    volume = FatVolume(lambda offset, length: image.read(found.boot.offset + offset, length))

    def content(name: str) -> bytes:
        data = volume.content(name)
        if data is None:
            raise BootError(
                f"{image.name}: its boot partition has no {name}",
                hint="the board would not start from it either; `pibramble card build --anew` makes the card again",
            )
        return data

    config = content("config.txt").decode("utf-8", errors="replace")
    kernel = _setting(config, r"kernel=(\S+)") or "kernel.img"
    initramfs = _setting(config, r"initramfs\s+(\S+)(?:\s+\S+)?")  # where it goes may follow
    if not initramfs:
        raise BootError(
            f"{image.name}: config.txt names no initramfs",
            hint="the emulator can boot cards of Debian's; those of an image without one it cannot",
        )
    return BootFiles(
        kernel=content(kernel),
        initramfs=content(initramfs),
        device_tree=content(machine.device_tree) if machine.device_tree else b"",
        command_line=content("cmdline.txt").decode("utf-8", errors="replace").strip(),
    )


def _setting(config: str, pattern: str) -> str:
    """Return the last word for a setting: the firmware lets later lines win."""
    return next(
        (match[1] for line in reversed(config.splitlines()) if (match := re.fullmatch(pattern, line.strip()))), ""
    )
