"""The firmware's part: what a card's boot partition says to start, read from there and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from pibramble.cards import layout
from pibramble.cards.fat import FatVolume
from pibramble.cards.image import Image
from pibramble.errors import PibrambleError
from pibramble.targets.emulator import firmware
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
            raise _missing(image.name, name)
        return data

    config = content("config.txt").decode("utf-8", errors="replace")
    said = firmware.settings(config, machine.filters)
    kernel = firmware.kernel(said, machine.kernel)
    initramfs = firmware.initramfs(said, kernel)
    if not initramfs:
        raise BootError(
            f"{image.name}: config.txt names no initramfs",
            hint="the emulator adds its own files to that of the card: without one it can boot no card",
        )
    return BootFiles(
        kernel=content(kernel),
        initramfs=b"".join(content(name) for name in initramfs),
        device_tree=_device_tree(machine, said, volume, image.name),
        command_line=content("cmdline.txt").decode("utf-8", errors="replace").strip(),
    )


def _device_tree(machine: Machine, said: Mapping[str, str], volume: FatVolume, image: str) -> bytes:
    """Return the board's, by the name that its kernel's makers have for it; empty where the machine brings its own."""
    if not machine.device_tree:
        return b""
    names = [machine.downstream_tree, machine.device_tree]
    if said.get("upstream_kernel", "0") != "0":
        names.reverse()
    for name in names:
        if found := volume.content(name):
            return found
    raise _missing(image, " or ".join(names))


def _missing(image: str, what: str) -> BootError:
    return BootError(
        f"{image}: its boot partition has no {what}",
        hint="the board would not start from it either; `pibramble card build --anew` makes the card again",
    )
