"""One card, from the image to the verified medium; and what a person should see before it is overwritten."""

from __future__ import annotations

import json
import time
from pathlib import Path

import attrs

from pibramble import proc
from pibramble.cards import inspect
from pibramble.cards.devices import Device
from pibramble.cards.image import Image
from pibramble.cards.medium import OpenDisk
from pibramble.cards.verify import verify
from pibramble.cards.write import size_text, write
from pibramble.errors import PibrambleError
from pibramble.progress import Progress


@attrs.frozen
class Burnt:
    """A card that was written and holds what was written."""

    written_bytes: int  # of data; what only had to be zero is not counted
    seconds: float


def burn(image: Image, path: Path, progress: Progress) -> Burnt:
    """Write an opened image to a device, read it back and compare.

    Raises WriteError, VerifyError, BusyError, MissingError, PibrambleError.
    """
    began = time.monotonic()
    with OpenDisk(path) as medium:
        written = write(image, medium, progress)
        verify(medium, written, progress)
        medium.show_partitions()
    return Burnt(written.data_bytes, time.monotonic() - began)


def describe(device: Device) -> list[str]:
    """Return, a line each, what a device is and what is on it."""
    kind = "regular file" if device.is_file else "removable" if device.removable else "fixed disk"
    words = [device.model if device.model != kind else "", size_text(device.size_bytes), kind]
    lines = [f"{device.path}: {', '.join(word for word in words if word)}"]
    if (owner := _owner(device.path)) is not None:
        return [*lines, f"  it holds {owner}"]
    return [*lines, *([f"  {line}" for line in _content(device)] or ["  no partitions are on it"])]


def _owner(path: Path) -> str | None:
    """Return whose card it is now, if it is one of ours."""
    try:
        who = inspect.look(path, None, None).identity
    except (PibrambleError, OSError):  # not ours, or not to be read: lsblk knows more
        return None
    return f"the card of {who.node}, of the cluster {who.cluster}"


def _content(device: Device) -> list[str]:
    if device.is_file:
        return []
    done = proc.run(["lsblk", "--json", "--bytes", "--output", "NAME,SIZE,FSTYPE,LABEL", str(device.path)], check=False)
    if done.returncode != 0:
        return [f"{part.block}: {size_text(part.size_bytes)}" for part in device.partitions]
    [disk] = json.loads(done.stdout)["blockdevices"]
    parts = disk.get("children", []) or ([disk] if disk["fstype"] else [])
    return [
        f"{part['name']}: {size_text(part['size'])}{_words(part['fstype'])}"
        + (f' "{part["label"]}"' if part["label"] else "")
        for part in parts
    ]


def _words(kind: str | None) -> str:
    return f", {kind}" if kind else ""
