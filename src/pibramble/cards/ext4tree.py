"""Reads an ext4 file system in an image file by file, without mounting it and without root.

debugfs could take it apart too, but its `rdump` loses hard links, extended attributes and set-user-ID bits: sudo would
not work any more. Field names and offsets are those of the kernel's Documentation/filesystems/ext4. Nothing is written.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache

import attrs

from pibramble.cards import ext4
from pibramble.cards.debugfs import Ext4Error

_ROOT_INODE = 2
_PIECE_BYTES = 1024 * 1024
_MOST_LINKS = 40  # Linux: MAXSYMLINKS

_64BIT = 0x80
# The incompatible features that do not change what is read here; any other one is refused by its name.
_UNDERSTOOD = {0x2, 0x40, _64BIT, 0x100, 0x200, 0x2000, 0x4000}
_OTHERS = {0x1: "compression", 0x8: "journal_dev", 0x10: "meta_bg", 0x400: "ea_inode", 0x1000: "dirdata"}
_OTHERS |= {0x8000: "inline_data", 0x10000: "encrypt", 0x20000: "casefold"}

_EXTENTS = 0x80000  # of an inode's flags
_EXTENT_MAGIC, _ATTRIBUTE_MAGIC = 0xF30A, 0xEA020000
_INITIALISED = 0x8000  # longer extents are as long less this, and read as zeros
# Access lists (2 and 3) have another form on disk, and systemd-tmpfiles makes those of a system at every boot.
_PREFIXES = {1: "user.", 6: "security."}


@attrs.frozen
class Inode:
    """A file, folder or link, as far as it is to be made again elsewhere."""

    number: int
    mode: int  # kind and permission bits, as in stat(2)
    uid: int
    gid: int
    size: int
    mtime_s: int
    links: int
    flags: int
    block: bytes  # i_block: where the content is, or the content of a short link
    attributes_at: int  # the block of extended attributes; 0: none
    inline: bytes  # what lies behind the inode's own fields: more of them


class Ext4Tree:
    """One file system, read through `read(offset, length)`."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        """Read and judge the superblock. Raises Ext4Error."""
        self._read = read
        self._block_bytes = ext4.superblock(read).block_bytes
        raw = read(1024, 1024)
        (features,) = struct.unpack_from("<I", raw, 96)
        if strange := [_OTHERS.get(bit, hex(bit)) for bit in _bits(features) if bit not in _UNDERSTOOD]:
            message = f"the root file system has features that cannot be read here: {', '.join(strange)}"
            raise Ext4Error(message, hint="Raspberry Pi OS has none of them; `tune2fs -l` lists all")
        self.made_s = max(struct.unpack_from("<I", raw, at)[0] for at in (48, 264))  # s_wtime, s_mkfs_time
        blocks, _, free = struct.unpack_from("<III", raw, 4)
        self.used_bytes = (blocks - free) * self._block_bytes
        (self._per_group,) = struct.unpack_from("<I", raw, 40)
        (self._inode_bytes,) = struct.unpack_from("<H", raw, 88)
        (first,) = struct.unpack_from("<I", raw, 20)
        self._groups_at = (first + 1) * self._block_bytes
        self._group_bytes = struct.unpack_from("<H", raw, 254)[0] if features & _64BIT else 32
        self._table = lru_cache(maxsize=4096)(self._table_of)

    def inode(self, number: int) -> Inode:
        """Return an inode. Raises Ext4Error."""
        group, index = divmod(number - 1, self._per_group)
        raw = self._read(self._table(group) + index * self._inode_bytes, self._inode_bytes)
        mode, uid, size, _, _, mtime, _, gid, links, _, flags = struct.unpack_from("<HHIIIIIHHII", raw)
        attributes, size_high = struct.unpack_from("<II", raw, 104)
        attributes_high, uid_high, gid_high = struct.unpack_from("<HHH", raw, 118)
        extra = struct.unpack_from("<H", raw, 128)[0] if self._inode_bytes > 128 else 0  # noqa: PLR2004 (the old size)
        return Inode(
            number=number,
            mode=mode,
            uid=uid_high << 16 | uid,
            gid=gid_high << 16 | gid,
            size=size_high << 32 | size,
            mtime_s=mtime,
            links=links,
            flags=flags,
            block=raw[40:100],
            attributes_at=(attributes_high << 32 | attributes) * self._block_bytes,
            inline=raw[128 + extra :] if extra else b"",
        )

    def content(self, inode: Inode) -> Iterator[bytes]:
        """Yield a file's content in pieces, holes as zeros. Raises Ext4Error."""
        done = 0
        for logical, physical, length in self._extents(inode):
            begin, end = logical * self._block_bytes, min((logical + length) * self._block_bytes, inode.size)
            yield from _zeros(min(begin, inode.size) - done)
            for at in range(begin, end, _PIECE_BYTES):
                size = min(_PIECE_BYTES, end - at)
                yield self._read(physical * self._block_bytes + at - begin, size) if physical else bytes(size)
            done = max(done, end)
        yield from _zeros(inode.size - done)

    def listing(self, inode: Inode) -> dict[str, int]:
        """Return what is in a folder: names and inode numbers, sorted by name."""
        found: dict[str, int] = {}
        data = b"".join(self.content(inode))
        at = 0
        while at + 8 <= len(data):
            number, length, name_length = struct.unpack_from("<IHB", data, at)
            if length < 8:  # noqa: PLR2004 (an entry's fixed part)
                raise _damaged(f"a folder (inode {inode.number})")
            name = data[at + 8 : at + 8 + name_length].decode(errors="surrogateescape")
            if "/" in name or "\0" in name:  # whoever makes files of these names might make them elsewhere
                raise _damaged(f"a name in a folder (inode {inode.number})")
            if number and name not in {".", ".."}:
                found[name] = number
            at += length
        return dict(sorted(found.items()))

    def target(self, inode: Inode) -> str:
        """Return where a symbolic link leads."""
        data = b"".join(self.content(inode)) if inode.flags & _EXTENTS else inode.block[: inode.size]
        return data.decode(errors="surrogateescape")

    def attributes(self, inode: Inode) -> dict[str, bytes]:
        """Return the extended attributes of a file that are its own: capabilities, and those of users."""
        found: dict[str, bytes] = {}
        if inode.inline[:4] == _ATTRIBUTE_MAGIC.to_bytes(4, "little"):
            found |= _attributes(inode.inline[4:], inode.inline[4:])
        if inode.attributes_at:
            block = self._read(inode.attributes_at, self._block_bytes)
            found |= _attributes(block[32:], block)
        return found

    def walk(self) -> Iterator[tuple[str, Inode]]:
        """Yield everything but the root itself, folders before what is in them, in the order of their names."""
        seen: set[int] = set()
        waiting = [("", _ROOT_INODE)]
        while waiting:
            path, number = waiting.pop()
            inode = self.inode(number)
            if path:
                yield path, inode
            if stat.S_ISDIR(inode.mode):
                if number in seen:
                    raise _damaged(f"the folder {path} is in two places")
                seen.add(number)
                waiting += [(f"{path}/{name}", below) for name, below in reversed(self.listing(inode).items())]

    def find(self, path: str) -> Inode | None:
        """Return what is at `path`, symbolic links followed; None when nothing is. Raises Ext4Error."""
        parts, links = [part for part in path.split("/") if part], 0
        trail = [_ROOT_INODE]
        while parts:
            name = parts.pop(0)
            if name in {".", ".."}:
                trail = trail[: max(1, len(trail) - (name == ".."))]
                continue
            folder = self.inode(trail[-1])
            number = self.listing(folder).get(name) if stat.S_ISDIR(folder.mode) else None
            if number is None:
                return None
            inode = self.inode(number)
            if not stat.S_ISLNK(inode.mode):
                trail.append(number)
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            target = self.target(inode)
            trail = [_ROOT_INODE] if target.startswith("/") else trail
            parts = [part for part in target.split("/") if part] + parts
        return self.inode(trail[-1])

    def link_in(self, path: str) -> str | None:
        """Return the first part of `path` that is a symbolic link; None when there is none, or no such path."""
        number, done = _ROOT_INODE, ""
        for part in path.strip("/").split("/"):
            done += f"/{part}"
            folder = self.inode(number)
            if not stat.S_ISDIR(folder.mode) or part not in (inside := self.listing(folder)):
                return None
            number = inside[part]
            if stat.S_ISLNK(self.inode(number).mode):
                return done
        return None

    def read_file(self, path: str) -> bytes | None:
        """Return the content of the regular file at `path`, links followed; None when there is none."""
        inode = self.find(path)
        return b"".join(self.content(inode)) if inode is not None and stat.S_ISREG(inode.mode) else None

    def _table_of(self, group: int) -> int:
        """Return where a group's inodes begin, in bytes."""
        raw = self._read(self._groups_at + group * self._group_bytes, self._group_bytes)
        (low,) = struct.unpack_from("<I", raw, 8)
        high = struct.unpack_from("<I", raw, 40)[0] if self._group_bytes >= 64 else 0  # noqa: PLR2004 (with 64bit)
        block: int = high << 32 | low
        return block * self._block_bytes

    def _extents(self, inode: Inode) -> Iterator[tuple[int, int, int]]:
        """Yield first block in the file, first block on disk (0: reads as zeros) and count."""
        if not inode.flags & _EXTENTS:
            if inode.size:
                raise Ext4Error(
                    f"inode {inode.number} of the root file system is kept as ext3 kept files",
                    hint="only extents are read here, which Raspberry Pi OS has had from its first ext4 on",
                )
            return
        yield from self._extents_in(inode.block, inode.number, depth_left=5)

    def _extents_in(self, node: bytes, number: int, depth_left: int) -> Iterator[tuple[int, int, int]]:
        magic, entries, _, depth = struct.unpack_from("<HHHH", node)
        if magic != _EXTENT_MAGIC or depth > depth_left:
            raise _damaged(f"a file (inode {number})")
        for at in range(12, 12 + 12 * entries, 12):
            if depth:
                low, high = struct.unpack_from("<IH", node, at + 4)
                block = self._read((high << 32 | low) * self._block_bytes, self._block_bytes)
                yield from self._extents_in(block, number, depth - 1)
            else:
                logical, length, high, low = struct.unpack_from("<IHHI", node, at)
                written = length <= _INITIALISED
                yield logical, (high << 32 | low) if written else 0, length if written else length - _INITIALISED


def _attributes(entries: bytes, values: bytes) -> dict[str, bytes]:
    found = {}
    at = 0
    while at + 16 <= len(entries) and entries[at : at + 4] != bytes(4):
        name_length, prefix, where, _, size = struct.unpack_from("<BBHII", entries, at)
        if prefix in _PREFIXES:
            name = entries[at + 16 : at + 16 + name_length].decode(errors="surrogateescape")
            found[_PREFIXES[prefix] + name] = values[where : where + size]
        at += (16 + name_length + 3) // 4 * 4
    return found


def _zeros(length: int) -> Iterator[bytes]:
    for at in range(0, length, _PIECE_BYTES):
        yield bytes(min(_PIECE_BYTES, length - at))


def _bits(number: int) -> Iterator[int]:
    return (1 << shift for shift in range(32) if number >> shift & 1)


def _damaged(what: str) -> Ext4Error:
    return Ext4Error(f"the root file system is damaged: {what}", hint="`e2fsck -fn` on the partition says more")
