"""What a device is, and why it must not be overwritten: read from sysfs and /proc, without opening the device.

The kernel's own word on what is in use comes when the device is opened (medium.py); this is what can be said before,
and in words that help.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs

from pibramble.errors import PibrambleError

_SECTOR_BYTES = 512  # of all sizes in sysfs, whatever the disk's own
_OCTAL_DIGITS = 3  # of a blank in /proc/self/mountinfo: \\040
_SYSTEM_PLACES = {"/", "/boot", "/boot/efi", "/boot/firmware", "/etc", "/home", "/usr", "/var"}


class DeviceError(PibrambleError):
    """A device that a card is not written to; the message says why."""


@attrs.frozen
class Use:
    """A reason for which the kernel or a person needs a disk as it is."""

    block: str  # the disk or partition, by the kernel's name
    what: str  # completes "sda1 is ..."
    vital: bool = False  # this machine runs from it


@attrs.frozen
class Partition:
    """A partition, as the kernel sees it."""

    block: str
    size_bytes: int


@attrs.frozen
class Device:
    """A disk, or a regular file that stands for one."""

    path: Path
    size_bytes: int
    model: str = ""  # vendor and model, as far as they say anything
    is_file: bool = False
    removable: bool = False  # made to be taken out: a card, a stick
    read_only: bool = False
    partition_of: str = ""  # the disk, if this is only a part of it
    partitions: tuple[Partition, ...] = ()
    uses: tuple[Use, ...] = ()

    def objections(self, needed_bytes: int, *, allow_fixed: bool) -> list[tuple[str, str]]:
        """Return why a card that needs so much must not be written to it, each with what to do; best none."""
        found = []
        if self.partition_of:
            found.append((f"{self.path} is a partition", f"a card takes the whole disk: /dev/{self.partition_of}"))
        for use in sorted(self.uses, key=lambda use: not use.vital):
            if use.vital:
                found.append((f"this machine runs from {self.path}: {use.block} is {use.what}", "name another device"))
            else:
                found.append((f"{self.path} is in use: {use.block} is {use.what}", "let go of it first (`umount`)"))
        if self.read_only:
            found.append((f"{self.path} is write-protected", "SD cards and readers have a small switch for it"))
        if not self.size_bytes:
            found.append((f"there is no card in {self.path}", "put one in"))
        elif self.size_bytes < needed_bytes:
            sizes = f"it has {self.size_bytes:,} bytes, the card needs {needed_bytes:,}"
            found.append((f"{self.path} is too small: {sizes}", "take a larger card"))
        if not (self.removable or self.is_file or allow_fixed):
            found.append((f"{self.path} is a fixed disk, not a card", "if it is the right one: --not-removable"))
        return found


@attrs.frozen
class System:
    """Where the kernel says what there is; the tests have places of their own."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")

    def look(self, path: Path) -> Device:
        """Return what `path` (by any of its names) is. Raises DeviceError for what is neither a disk nor a file."""
        real = Path(os.path.realpath(path))
        try:
            status = real.stat()
        except OSError as error:
            hint = "`lsblk` lists the disks; a file must be there already, as large as a card (`truncate -s 8G FILE`)"
            raise DeviceError(f"{path}: {error.strerror}", hint=hint) from None
        if stat.S_ISREG(status.st_mode):
            return Device(real, status.st_size, "regular file", is_file=True, read_only=not os.access(real, os.W_OK))
        if not stat.S_ISBLK(status.st_mode):
            raise DeviceError(f"{path} is no disk", hint="`lsblk` lists the disks")
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        return self.block(real, number)

    def block(self, path: Path, number: str) -> Device:
        """Return what the block device with that `major:minor` is."""
        folder = self._folder(number)
        if folder is None:
            raise DeviceError(f"the kernel has no disk for {path}", hint="was it pulled out?")
        parent = folder.parent.name if (folder / "partition").exists() else ""
        parts = () if parent else tuple(self._partitions(folder))
        names = {folder.name, *(part.block for part in parts)}
        return Device(
            path=path,
            size_bytes=_number(folder / "size") * _SECTOR_BYTES,
            model=_model(folder.parent if parent else folder),
            removable=_is_removable(folder.parent if parent else folder),
            read_only=bool(_number(folder / "ro")),
            partition_of=parent,
            partitions=parts,
            uses=tuple(self._uses(names)),
        )

    def _folder(self, number: str) -> Path | None:
        link = self.sys / "dev" / "block" / number
        return link.resolve() if link.exists() else None

    def _partitions(self, folder: Path) -> Iterator[Partition]:
        for part in folder.glob("*/partition"):
            yield Partition(part.parent.name, _number(part.parent / "size") * _SECTOR_BYTES)

    def _uses(self, names: set[str]) -> Iterator[Use]:
        """Yield what is mounted, swapped to or built on any of the named blocks, through LVM, RAID and encryption."""
        for block, place in self._mounts():
            if used := self._below(block) & names:
                yield Use(max(used, key=len), f"mounted on {place}", vital=place in _SYSTEM_PLACES)
        for block in self._swaps():
            if used := self._below(block) & names:
                yield Use(max(used, key=len), "swap space", vital=True)  # of a disk and its partition, the partition
        for name in sorted(names):
            for holder in sorted(self.sys.glob(f"class/block/{name}/holders/*")):
                yield Use(name, f"part of {_text(holder.resolve() / 'dm' / 'name') or holder.name}")

    def _mounts(self) -> Iterator[tuple[str, str]]:
        """Yield block device and place of every mount."""
        for line in _text(self.proc / "self" / "mountinfo").splitlines():
            before, _, after = line.partition(" - ")
            fields = before.split()
            place = _unescaped(fields[4])
            source = _unescaped(after.split()[1])
            folder = self._folder(fields[2])
            # btrfs and overlays have numbers of no disk (proc(5)); their source may say more.
            if block := folder.name if folder else self._named(source):
                yield block, place

    def _swaps(self) -> Iterator[str]:
        for line in _text(self.proc / "swaps").splitlines()[1:]:
            if block := self._named(_unescaped(line.split()[0])):
                yield block

    def _named(self, source: str) -> str:
        """Return the kernel's name of /dev/SOMETHING; nothing if it is no block device."""
        name = Path(os.path.realpath(source)).name if source.startswith("/dev/") else ""
        return name if name and (self.sys / "class" / "block" / name).exists() else ""

    def _below(self, block: str) -> set[str]:
        """Return the block device and all that it rests on."""
        found: set[str] = set()
        waiting = [block]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.add(name)
            folder = (self.sys / "class" / "block" / name).resolve()
            waiting += [slave.name for slave in folder.glob("slaves/*")]
            if (folder / "partition").exists():
                waiting.append(folder.parent.name)
        return found


def _is_removable(folder: Path) -> bool:
    """Say whether a disk is made to be taken out. A card in a built-in slot calls itself an SD card, not removable."""
    return bool(_number(folder / "removable")) or _text(folder / "device" / "type") == "SD"


def _model(folder: Path) -> str:
    if backing := _text(folder / "loop" / "backing_file"):
        return f"loop device over {backing}"
    words = [_text(folder / "device" / name) for name in ("vendor", "model", "name")]
    return " ".join(word for word in words if word and not word.startswith("0x"))  # virtio's vendor is a number


def _unescaped(field: str) -> str:
    """Return a field of a file in /proc with its blanks."""
    first, *rest = field.split("\\")
    return first + "".join(chr(int(part[:_OCTAL_DIGITS], 8)) + part[_OCTAL_DIGITS:] for part in rest)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    return int(_text(path) or 0)
