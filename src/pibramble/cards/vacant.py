"""Which zeros of an image nobody will ever read: free space, by the file systems' own bookkeeping.

A card has had a life before. What is a hole in the image may hold anything on the card, and only in free space is that
harmless. A journal, for example, is one hole in a fresh image; were an older journal of the same file system left there
(cards of one base share its UUID, so its checksums hold), a recovery after a power cut could take old transactions for
the next ones. File allocation tables, inode tables and backup structures are no different. So everything that is not
known to be free has to be made zero, and whatever is not understood here counts as not free.

Sources: ext4's on-disk format as in Linux' Documentation/filesystems/ext4; Microsoft's "FAT32 File System
Specification" 1.03; UEFI 2.10 section 5.3 for GPT.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import attrs

from pibramble.cards.extents import difference, union
from pibramble.cards.image import Extent, Image

SECTOR = 512

# Where programs look for signatures (partition tables, RAID, LVM, ZFS and other file systems): never left as it was.
SIGNATURE_BYTES = 1024 * 1024

_EXTENDED = {0x05, 0x0F, 0x85}  # partitions that hold partition tables
_GPT_PROTECTIVE = 0xEE


def vacant(image: Image) -> list[Extent]:
    """Return the regions of the image whose content does not matter unless it has data there."""
    partitions = _partitions(image)
    if not partitions:
        return []
    free = [Extent(end, image.size_bytes - end)] if (end := max(part.end for part in partitions)) else []
    kept = list(_signatures(Extent(0, image.size_bytes)))
    for partition in partitions:
        free += _ext4_free(image, partition) or _fat_free(image, partition)
        kept += _signatures(partition)
    return list(difference(union(extent for extent in free if extent.length > 0), union(kept)))


def _signatures(where: Extent) -> Iterator[Extent]:
    length = min(SIGNATURE_BYTES, where.length)
    yield Extent(where.offset, length)
    yield Extent(where.end - length, length)


# --- partition tables -------------------------------------------------------------------------------------------------
def _partitions(image: Image) -> list[Extent]:
    """Return the partitions; none if there is no table, or if it is not wholly inside the image."""
    if image.size_bytes < 2 * SECTOR:
        return []
    mbr = image.read(0, SECTOR)
    if mbr[510:] != b"\x55\xaa":
        return []
    entries = [struct.unpack("<4xB3xII", mbr[at : at + 16]) for at in range(446, 510, 16)]
    kinds = {kind for kind, _, _ in entries if kind}
    if kinds & _EXTENDED:
        return []
    if _GPT_PROTECTIVE in kinds:
        found = _gpt_partitions(image)
    else:
        found = [Extent(start * SECTOR, count * SECTOR) for kind, start, count in entries if kind and count]
    return found if all(part.end <= image.size_bytes for part in found) else []


def _gpt_partitions(image: Image) -> list[Extent]:
    header = image.read(SECTOR, SECTOR)
    if header[:8] != b"EFI PART":
        return []
    table, count, length = struct.unpack_from("<QII", header, 72)
    if not (count <= 1024 and length % 128 == 0 and 0 < length <= SECTOR):  # noqa: PLR2004 (more than anybody has)
        return []
    if table * SECTOR + count * length > image.size_bytes:
        return []
    entries = image.read(table * SECTOR, count * length)
    found = []
    for at in range(0, len(entries), length):
        first, last = struct.unpack_from("<QQ", entries, at + 32)
        if any(entries[at : at + 16]) and last >= first:
            found.append(Extent(first * SECTOR, (last - first + 1) * SECTOR))
    return found


# --- ext4 -------------------------------------------------------------------------------------------------------------
_RECOVER = 0x4
_64BIT = 0x80
# filetype, extents, 64bit, flex_bg, csum_seed, large_dir, inline_data, ea_inode, encrypt, casefold: none moves bitmaps
_KNOWN_INCOMPAT = 0x2 | 0x40 | _64BIT | 0x200 | 0x2000 | 0x4000 | 0x8000 | 0x400 | 0x10000 | 0x20000
_SPARSE_SUPER, _BIGALLOC = 0x1, 0x200
_GROUP_CHECKSUMS = 0x10 | 0x400  # uninit_bg, metadata_csum: only they make the flags of a group valid
_BLOCK_UNINIT, _INODE_ZEROED = 2, 4


@attrs.frozen
class _Ext4:
    """What a superblock says; names as in struct ext4_super_block."""

    block_bytes: int
    blocks: int
    first_data_block: int
    blocks_per_group: int
    inodes_per_group: int
    inode_bytes: int
    descriptor_bytes: int
    reserved_gdt_blocks: int
    flags_valid: bool
    sparse_backups: bool

    @property
    def groups(self) -> int:
        return -(-(self.blocks - self.first_data_block) // self.blocks_per_group)

    @property
    def gdt_blocks(self) -> int:
        return -(-self.groups * self.descriptor_bytes // self.block_bytes)

    @property
    def inode_table_blocks(self) -> int:
        return -(-self.inodes_per_group * self.inode_bytes // self.block_bytes)

    def backup_blocks(self, group: int) -> int:
        """Return how long the backup of superblock and descriptors at the beginning of a group is."""
        if self.sparse_backups and group > 1 and not any(_is_power(group, base) for base in (3, 5, 7)):
            return 0
        return 1 + self.gdt_blocks + self.reserved_gdt_blocks


def _is_power(number: int, base: int) -> bool:
    while number % base == 0:
        number //= base
    return number == 1


def _ext4_superblock(image: Image, partition: Extent) -> _Ext4 | None:
    if partition.length < 4096:  # noqa: PLR2004 (boot block and superblock)
        return None
    raw = image.read(partition.offset + 1024, 1024)
    if raw[56:58] != b"\x53\xef":
        return None
    incompat, ro_compat = struct.unpack_from("<II", raw, 0x60)
    if incompat & ~_KNOWN_INCOMPAT or incompat & _RECOVER or ro_compat & _BIGALLOC:
        return None
    low, first, log_size = struct.unpack_from("<4xI12xII", raw)
    (high,) = struct.unpack_from("<I", raw, 0x150)
    per_group, inodes_per_group = struct.unpack_from("<I4xI", raw, 0x20)
    (inode_bytes,) = struct.unpack_from("<H", raw, 0x58)
    (reserved,) = struct.unpack_from("<H", raw, 0xCE)
    (descriptor,) = struct.unpack_from("<H", raw, 0xFE)
    wide = bool(incompat & _64BIT)
    if not (log_size <= 6 and per_group and inodes_per_group and inode_bytes >= 128):  # noqa: PLR2004
        return None
    found = _Ext4(
        block_bytes=1024 << log_size,
        blocks=low | (high << 32 if wide else 0),
        first_data_block=first,
        blocks_per_group=per_group,
        inodes_per_group=inodes_per_group,
        inode_bytes=inode_bytes,
        descriptor_bytes=descriptor if wide and descriptor >= 64 else 32,  # noqa: PLR2004 (sizes in the format)
        reserved_gdt_blocks=reserved,
        flags_valid=bool(ro_compat & _GROUP_CHECKSUMS),
        sparse_backups=bool(ro_compat & _SPARSE_SUPER),
    )
    fits = found.blocks * found.block_bytes <= partition.length and per_group <= 8 * found.block_bytes
    return found if fits and found.blocks > found.first_data_block else None


def _ext4_free(image: Image, partition: Extent) -> list[Extent]:
    """Return what no file and no structure of an ext4 file system uses; nothing if it is none, or not understood."""
    fs = _ext4_superblock(image, partition)
    if fs is None:
        return []

    def run(block: int, count: int) -> Extent:
        return Extent(partition.offset + block * fs.block_bytes, count * fs.block_bytes)

    table = image.read(run(fs.first_data_block + 1, 0).offset, fs.groups * fs.descriptor_bytes)
    free: list[Extent] = []
    used: list[Extent] = []
    for group in range(fs.groups):
        entry = table[group * fs.descriptor_bytes : (group + 1) * fs.descriptor_bytes]
        descriptor = _Group.read(entry)
        flags = descriptor.flags if fs.flags_valid else _INODE_ZEROED
        first = fs.first_data_block + group * fs.blocks_per_group
        count = min(fs.blocks_per_group, fs.blocks - first)
        used += [run(descriptor.block_bitmap, 1), run(descriptor.inode_bitmap, 1)]
        if flags & _BLOCK_UNINIT:  # its bitmap is not written: only a backup of the superblock may be there
            backup = min(count, fs.backup_blocks(group))
            free.append(run(first + backup, count - backup))
        else:
            bitmap = image.read(run(descriptor.block_bitmap, 1).offset, fs.block_bytes)
            free += [run(first + start, length) for start, length in _zero_bits(bitmap, count)]
        # The kernel makes the unused end of a table zero itself, at the first mount, unless the flag says it is.
        inodes = fs.inodes_per_group - (descriptor.inodes_unused if not flags & _INODE_ZEROED else 0)
        used.append(run(descriptor.inode_table, -(-inodes * fs.inode_bytes // fs.block_bytes)))
        if not flags & _INODE_ZEROED:
            free.append(run(descriptor.inode_table, fs.inode_table_blocks))
    inside = (extent for extent in free if extent.length and extent.end <= partition.end)
    return list(difference(union(inside), union(used)))


@attrs.frozen
class _Group:
    """A group descriptor; the upper halves are there in 64-bit file systems only."""

    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    flags: int
    inodes_unused: int

    @classmethod
    def read(cls, raw: bytes) -> _Group:
        bitmap, inodes, table, flags, unused = struct.unpack_from("<III6xH8xH", raw)
        if len(raw) >= 64:  # noqa: PLR2004 (bytes of a 64-bit descriptor)
            high = struct.unpack_from("<III6xH", raw, 32)
            bitmap, inodes, table = (low | up << 32 for low, up in zip((bitmap, inodes, table), high, strict=False))
            unused |= high[3] << 16
        return cls(bitmap, inodes, table, flags, unused)


def _zero_bits(bitmap: bytes, count: int) -> Iterator[tuple[int, int]]:
    """Yield start and length of each run of zeros in the first `count` bits, the lowest bit of a byte first."""
    # As a text of digits, so that the search for runs is the regular expression engine's, not a loop of ours.
    digits = bin(int.from_bytes(bitmap, "little") | 1 << (8 * len(bitmap)))[:2:-1][:count]
    for match in re.finditer("0+", digits):
        yield match.start(), len(match.group())


# --- FAT --------------------------------------------------------------------------------------------------------------
_FAT12_CLUSTERS = 4085  # fewer than this: 12 bits an entry, which is left alone: such a volume is tiny


def _fat_free(image: Image, partition: Extent) -> list[Extent]:
    """Return the free clusters of a FAT16 or FAT32 file system; nothing if it is none, or not understood."""
    if partition.length < 2 * SECTOR:
        return []
    boot = image.read(partition.offset, SECTOR)
    sector, per_cluster, reserved, fats, root_entries, small_total, small_fat = struct.unpack_from(
        "<HBHBHHxH", boot, 11
    )
    total, large_fat = struct.unpack_from("<II", boot, 32)
    total, fat_sectors = small_total or total, small_fat or large_fat
    plausible = boot[510:] == b"\x55\xaa" and boot[0] in {0xEB, 0xE9} and sector in {512, 1024, 2048, 4096}
    if not (plausible and per_cluster and reserved and fats and fat_sectors) or total * sector > partition.length:
        return []
    data = reserved + fats * fat_sectors + -(-root_entries * 32 // sector)
    clusters = (total - data) // per_cluster
    if clusters < _FAT12_CLUSTERS and small_fat:
        return []
    code, mask = ("H", 0xFFFF) if small_fat else ("I", 0x0FFFFFFF)
    width = struct.calcsize(code)
    clusters = min(clusters, fat_sectors * sector // width - 2)
    raw = image.read(partition.offset + reserved * sector, (clusters + 2) * width)
    entries = struct.unpack(f"<{clusters + 2}{code}", raw)[2:]  # the first two entries stand for no cluster
    start, size = partition.offset + data * sector, per_cluster * sector
    # One byte a cluster, so that runs are found by the regular expression engine: a loop of ours over 100,000 is slow.
    free = bytes(not entry & mask for entry in entries)
    return [Extent(start + found.start() * size, len(found[0]) * size) for found in re.finditer(b"\1+", free)]
