"""Where things lie on a card: a DOS partition table, a FAT boot partition that the firmware reads, the ext4 root.

A DOS table, because the boot ROM of boards before the Pi 4 knows no other. Both partitions begin on a multiple of
4 MiB, the erase block of common cards: a partition across erase blocks makes each write two.
"""

from __future__ import annotations

import struct

import attrs

from pibramble.errors import PibrambleError

MIB = 1024 * 1024
SECTOR_BYTES = 512
ALIGNMENT_BYTES = 4 * MIB

_SMALLEST_BOOT_BYTES = 256 * MIB  # room for a second kernel while a new one is installed
_TABLE_OFFSET = 446  # four entries of 16 bytes, then the signature
_DISK_ID_OFFSET = 440
_ENTRY = struct.Struct("<B3sB3sII")  # status, first CHS, type, last CHS, first sector, sectors
_SIGNATURE = b"\x55\xaa"
_NO_CHS = b"\xfe\xff\xff"  # beyond what cylinders, heads and sectors can say: LBA counts
_PROTECTIVE = 0xEE


class LayoutError(PibrambleError):
    """A disk that is not laid out like a card."""


@attrs.frozen
class Partition:
    """One entry of the partition table."""

    kind: int  # 0x0c: FAT32 by LBA, 0x83: Linux
    offset: int  # bytes from the beginning of the disk
    length: int  # bytes

    @property
    def end(self) -> int:
        """Return the offset of the first byte behind it."""
        return self.offset + self.length


FAT32_LBA = 0x0C
FAT_KINDS = frozenset({0x01, 0x04, 0x06, 0x0B, FAT32_LBA, 0x0E})
LINUX = 0x83


@attrs.frozen
class Layout:
    """The two partitions of a card and its size, in bytes."""

    boot: Partition
    root: Partition

    @property
    def size_bytes(self) -> int:
        """Return how large a card must be at least."""
        return _up(self.root.end, ALIGNMENT_BYTES)


def lay_out(*, boot_content_bytes: int, root_bytes: int) -> Layout:
    """Return the layout of a card whose boot partition holds so much, with as much again to spare."""
    boot_bytes = max(_SMALLEST_BOOT_BYTES, _up(2 * boot_content_bytes, 64 * MIB))
    boot = Partition(FAT32_LBA, ALIGNMENT_BYTES, boot_bytes)
    return Layout(boot, Partition(LINUX, _up(boot.end, ALIGNMENT_BYTES), _up(root_bytes, SECTOR_BYTES)))


def first_sector(layout: Layout, disk_id: int) -> bytes:
    """Return the disk's first sector: the partition table, and the 32 bits that tell this disk from others."""
    entries = b"".join(
        _ENTRY.pack(0, _NO_CHS, part.kind, _NO_CHS, part.offset // SECTOR_BYTES, part.length // SECTOR_BYTES)
        for part in (layout.boot, layout.root)
    )
    table = struct.pack("<IH", disk_id, 0) + entries.ljust(4 * _ENTRY.size, b"\0") + _SIGNATURE
    return bytes(_DISK_ID_OFFSET) + table


def partition_uuid(disk_id: int, number: int) -> str:
    """Return the PARTUUID by which the kernel knows a partition, without an initramfs too."""
    return f"{disk_id:08x}-{number:02x}"


def read_table(sector: bytes) -> tuple[int, tuple[Partition, ...]]:
    """Return the disk's id and its partitions. Raises LayoutError."""
    if len(sector) < SECTOR_BYTES or sector[SECTOR_BYTES - 2 : SECTOR_BYTES] != _SIGNATURE:
        raise LayoutError("there is no partition table", hint="an image of a whole card is needed, not of a partition")
    (disk_id,) = struct.unpack_from("<I", sector, _DISK_ID_OFFSET)
    found = []
    for number in range(4):
        _, _, kind, _, first, sectors = _ENTRY.unpack_from(sector, _TABLE_OFFSET + number * _ENTRY.size)
        if kind == _PROTECTIVE:
            raise LayoutError(
                "this disk has a GPT",
                hint="older boards boot from none: take an image as Raspberry Pi publishes it (it has a DOS partition "
                "table), or write the card anew",
            )
        if kind and sectors:
            found.append(Partition(kind, first * SECTOR_BYTES, sectors * SECTOR_BYTES))
    return disk_id, tuple(found)


def read_layout(sector: bytes) -> tuple[int, Layout]:
    """Return the disk's id and the first FAT and the first Linux partition of a disk. Raises LayoutError."""
    disk_id, partitions = read_table(sector)
    boot = next((part for part in partitions if part.kind in FAT_KINDS), None)
    root = next((part for part in partitions if part.kind == LINUX), None)
    if boot is None or root is None:
        lacks = "FAT boot partition" if boot is None else "Linux partition"
        raise LayoutError(f"this disk has no {lacks}", hint="a card has both: one to boot from, one with the system")
    return disk_id, Layout(boot, root)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step
