"""Reads and changes files of a FAT16 or FAT32 file system, and says exactly which sectors that changes.

mtools could change them as well, but only in a whole copy of the partition, and it does not tell what it wrote. A
card is kept as what differs from its base, so that is the very thing to know. The format is Microsoft's "FAT: General
Overview of On-Disk Format" 1.03; names of fields are that paper's. `fsck.fat` and mtools judge it in the tests.
"""

from __future__ import annotations

import struct
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Sequence

import attrs

from pibramble.errors import PibrambleError

_ENTRY_BYTES = 32
_FREE, _END_OF_FOLDER = 0xE5, 0x00
_FOLDER, _VOLUME_LABEL, _LONG_NAME, _ARCHIVE = 0x10, 0x08, 0x0F, 0x20
_LOWER_BASE, _LOWER_EXTENSION = 0x08, 0x10  # DIR_NTRes: an 8.3 name that is shown in lower case
_LAST_LONG = 0x40
_LONG_CHARACTERS = 13  # of UTF-16, in one entry
_LEAST_FAT16, _LEAST_FAT32 = 4085, 65525  # clusters; what decides between the three kinds of FAT
_FIRST_CLUSTER = 2
_MARKS = 0x0FFF_FFFF  # FAT32 entries have 28 bits; the upper four are kept
_SHORT_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()-@^_`{}~")


class FatError(PibrambleError):
    """A FAT file system that cannot be read, or cannot take what is to be put in."""


@attrs.frozen
class FatEntry:
    """A file or folder."""

    name: str
    is_folder: bool
    cluster: int
    size: int
    at: int  # where its short entry lies, bytes from the beginning of the partition
    slots: tuple[int, ...]  # where all its entries lie: long ones, then the short one


class FatVolume:
    """One file system, read through `read(offset, length)`; what is changed stays here until `changes` hands it out."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        """Read the boot sector and the table. Raises FatError."""
        self._read = read
        self._changed: dict[int, bytearray] = {}
        boot = read(0, 512)
        fields: tuple[int, ...] = struct.unpack_from("<HBHBHHBHHHIII", boot, 11)
        self._sector_bytes, per_cluster, reserved, copies, self._root_entries, sectors16, _, fat16 = fields[:8]
        *_, sectors32, fat32 = fields
        if boot[510:512] != b"\x55\xaa" or self._sector_bytes not in {512, 1024, 2048, 4096} or not per_cluster:
            raise FatError("the boot partition is no FAT file system")
        self._fat_bytes = (fat16 or fat32) * self._sector_bytes
        self._fats = [reserved * self._sector_bytes + copy * self._fat_bytes for copy in range(copies)]
        root_at = self._fats[0] + copies * self._fat_bytes
        self._data_at = root_at + -(-self._root_entries * _ENTRY_BYTES // self._sector_bytes) * self._sector_bytes
        self._cluster_bytes = per_cluster * self._sector_bytes
        size_bytes = (sectors16 or sectors32) * self._sector_bytes
        self._clusters = (size_bytes - self._data_at) // self._cluster_bytes
        if self._clusters < _LEAST_FAT16:
            raise FatError("the boot partition has a FAT12 file system", hint="the firmware wants FAT16 or FAT32")
        self._is_32 = self._clusters >= _LEAST_FAT32
        self._table = array("I" if self._is_32 else "H")
        self._table.frombytes(read(self._fats[0], self._fat_bytes))
        if sys.byteorder == "big":
            self._table.byteswap()
        self._root = int.from_bytes(boot[44:48], "little") if self._is_32 else 0
        self._info_at = int.from_bytes(boot[48:50], "little") * self._sector_bytes if self._is_32 else 0
        self._root_at = root_at
        self._search_from = _FIRST_CLUSTER

    @property
    def free_bytes(self) -> int:
        """Return how much more fits in."""
        return self._table[_FIRST_CLUSTER : self._clusters + _FIRST_CLUSTER].count(0) * self._cluster_bytes

    def listing(self, folder: str = "") -> list[FatEntry]:
        """Return what is in a folder. Raises FatError when there is none of that name."""
        return [entry for entry in self._entries(self._folder(folder)) if entry.name not in {".", ".."}]

    def content(self, path: str) -> bytes | None:
        """Return the content of the file at `path`, parted by slashes; None when there is none."""
        folder, _, name = path.strip("/").rpartition("/")
        try:
            entry = self._find(self._folder(folder), name)
        except FatError:
            return None
        if entry is None or entry.is_folder:
            return None
        parts = [self._get(self._cluster_at(cluster), self._cluster_bytes) for cluster in self._chain(entry.cluster)]
        return b"".join(parts)[: entry.size]

    def put(self, path: str, content: bytes, time_s: int) -> None:
        """Write a file, in the place of the one of that name if there is one. Raises FatError when it does not fit."""
        parent, _, name = path.strip("/").rpartition("/")
        folder = self._folder(parent)
        old = self._find(folder, name)
        if old is not None and old.is_folder:
            raise FatError(f"{path} is a folder of the boot partition")
        if old is not None:
            self._release(old.cluster)
        first = self._store(path, content)
        slots = old.slots[-1:] if old is not None else self._make_slots(folder, path, name)
        fields = self._get(slots[-1], _ENTRY_BYTES)
        date, clock = _dos_time(time_s)
        short = fields[:11] + bytes([_ARCHIVE]) + fields[12:13]
        self._set(
            slots[-1],
            short
            + struct.pack("<BHHHHHHHI", 0, clock, date, date, first >> 16, clock, date, first & 0xFFFF, len(content)),
        )

    def changes(self) -> dict[int, bytes]:
        """Return the changed sectors: bytes from the beginning of the partition -> content."""
        if self._info_at and self._changed:  # FSInfo, which fsck.fat compares with the table
            free = self._table[_FIRST_CLUSTER : self._clusters + _FIRST_CLUSTER].count(0)
            self._set(self._info_at + 488, struct.pack("<II", free, self._search_from))
        return {offset: bytes(sector) for offset, sector in sorted(self._changed.items())}

    # --- Bytes -------------------------------------------------------------------------------------------------------

    def _get(self, offset: int, length: int) -> bytes:
        data = bytearray(self._read(offset, length))
        for at in range(offset - offset % self._sector_bytes, offset + length, self._sector_bytes):
            if (sector := self._changed.get(at)) is not None:
                begin, end = max(at, offset), min(at + self._sector_bytes, offset + length)
                data[begin - offset : end - offset] = sector[begin - at : end - at]
        return bytes(data)

    def _set(self, offset: int, data: bytes) -> None:
        done = 0
        while done < len(data):
            at = (offset + done) - (offset + done) % self._sector_bytes
            if at not in self._changed:
                self._changed[at] = bytearray(self._read(at, self._sector_bytes))
            begin = offset + done - at
            part = data[done : done + self._sector_bytes - begin]
            self._changed[at][begin : begin + len(part)] = part
            done += len(part)

    # --- Clusters ----------------------------------------------------------------------------------------------------

    def _cluster_at(self, cluster: int) -> int:
        return self._data_at + (cluster - _FIRST_CLUSTER) * self._cluster_bytes

    def _chain(self, first: int) -> Iterator[int]:
        cluster, seen = first, 0
        while _FIRST_CLUSTER <= cluster < self._clusters + _FIRST_CLUSTER:
            yield cluster
            cluster = self._table[cluster] & _MARKS
            seen += 1
            if seen > self._clusters:
                raise FatError("the boot partition is damaged: a file has no end", hint="`fsck.fat` says more")

    def _link(self, cluster: int, following: int) -> None:
        entry: int = self._table[cluster] & ~_MARKS | following if self._is_32 else following & 0xFFFF
        self._table[cluster] = entry
        width = 4 if self._is_32 else 2
        for table in self._fats:
            self._set(table + cluster * width, entry.to_bytes(width, "little"))

    def _release(self, first: int) -> None:
        for cluster in list(self._chain(first)):
            self._link(cluster, 0)
            self._search_from = min(self._search_from, cluster)

    def _take(self, count: int) -> list[int]:
        """Mark so many clusters as one chain; the caller has seen that there are as many."""
        taken: list[int] = []
        cluster = self._search_from
        while len(taken) < count:
            if self._table[cluster] & _MARKS == 0:
                taken.append(cluster)
            cluster += 1
        self._search_from = cluster
        for cluster, following in zip(taken, [*taken[1:], _MARKS], strict=True):
            self._link(cluster, following)
        return taken

    def _store(self, path: str, content: bytes) -> int:
        """Write content into free clusters and return the first; an empty file has none."""
        count = -(-len(content) // self._cluster_bytes)
        if count * self._cluster_bytes > self.free_bytes:
            raise self._full(path, len(content))
        clusters = self._take(count) if count else []
        for number, cluster in enumerate(clusters):
            part = content[number * self._cluster_bytes : (number + 1) * self._cluster_bytes]
            self._set(self._cluster_at(cluster), part.ljust(self._cluster_bytes, b"\0"))
        return clusters[0] if clusters else 0

    def _full(self, path: str, wanted: int) -> FatError:
        message = f"the boot partition is too small: {path} needs {wanted} bytes, {self.free_bytes} are free"
        return FatError(message, hint="make room in it, or use a base with a larger boot partition")

    # --- Folders -----------------------------------------------------------------------------------------------------

    def _folder(self, path: str) -> int:
        """Return the first cluster of a folder; 0 is FAT16's root, which lies outside of the clusters."""
        cluster = self._root
        for name in filter(None, path.split("/")):
            entry = self._find(cluster, name)
            if entry is None or not entry.is_folder:
                raise FatError(f"the boot partition has no folder {path}")
            cluster = entry.cluster
        return cluster

    def _slots(self, folder: int) -> Iterator[int]:
        """Yield where a folder's entries lie."""
        if folder == 0:
            yield from range(self._root_at, self._root_at + self._root_entries * _ENTRY_BYTES, _ENTRY_BYTES)
            return
        for cluster in self._chain(folder):
            at = self._cluster_at(cluster)
            yield from range(at, at + self._cluster_bytes, _ENTRY_BYTES)

    def _entries(self, folder: int) -> Iterator[FatEntry]:
        long_parts: dict[int, bytes] = {}
        long_slots: list[int] = []
        for at, raw in self._raw(folder):
            if raw[0] == _FREE:
                long_parts, long_slots = {}, []
            elif raw[11] == _LONG_NAME:
                long_parts[raw[0] & ~_LAST_LONG] = raw[1:11] + raw[14:26] + raw[28:32]
                long_slots.append(at)
            else:
                if not raw[11] & _VOLUME_LABEL:
                    high, low, size = *struct.unpack_from("<H", raw, 20), *struct.unpack_from("<HI", raw, 26)
                    name = _long_name(long_parts) or _short_name(raw)
                    cluster = (high << 16 | low) if self._is_32 else low
                    yield FatEntry(name, bool(raw[11] & _FOLDER), cluster, size, at, (*long_slots, at))
                long_parts, long_slots = {}, []

    def _raw(self, folder: int) -> Iterator[tuple[int, bytes]]:
        for at in self._slots(folder):
            raw = self._get(at, _ENTRY_BYTES)
            if raw[0] == _END_OF_FOLDER:
                return
            yield at, raw

    def _find(self, folder: int, name: str) -> FatEntry | None:
        return next((entry for entry in self._entries(folder) if entry.name.lower() == name.lower()), None)

    def _make_slots(self, folder: int, path: str, name: str) -> Sequence[int]:
        """Find room for a new name, write it, and return where its entries lie."""
        short, flags, long_entries = self._names(folder, name)
        slots = self._free_slots(folder, len(long_entries) + 1, path)
        for at, entry in zip(slots, long_entries, strict=False):
            self._set(at, entry)
        self._set(slots[-1], short + bytes([_ARCHIVE, flags]) + bytes(_ENTRY_BYTES - 13))
        return slots

    def _free_slots(self, folder: int, count: int, path: str) -> list[int]:
        run: list[int] = []
        ended = False
        for at in self._slots(folder):
            ended = ended or self._get(at, 1)[0] == _END_OF_FOLDER
            run = [*run, at] if ended or self._get(at, 1)[0] == _FREE else []
            if len(run) == count:
                return run
        if folder == 0:
            raise FatError(f"no more names fit into the boot partition: FAT16's first folder is full ({path})")
        if self.free_bytes < self._cluster_bytes:
            raise self._full(path, count * _ENTRY_BYTES)
        *_, last = self._chain(folder)
        (added,) = self._take(1)
        self._link(last, added)
        self._set(self._cluster_at(added), bytes(self._cluster_bytes))
        return self._free_slots(folder, count, path)

    def _names(self, folder: int, name: str) -> tuple[bytes, int, list[bytes]]:
        """Return a name's short form, its case flags, and the long entries that come before it, if any are needed."""
        short = _as_short(name)
        if short is not None:
            return *short, []
        taken = {self._get(entry.at, 11) for entry in self._entries(folder)}
        short_form = _numbered(name, taken)
        return short_form, 0, _long_entries(name, short_form)


def _as_short(name: str) -> tuple[bytes, int] | None:
    """Return name and flags of a name that is 8.3 but for lower case; None for any other."""
    base, dot, extension = name.partition(".")
    fits = 0 < len(base) <= 8 and len(extension) <= 3 and bool(extension) == bool(dot)  # noqa: PLR2004 (8.3)
    if not fits or not set(base.upper() + extension.upper()) <= _SHORT_CHARACTERS:
        return None
    flags = 0
    for part, flag in ((base, _LOWER_BASE), (extension, _LOWER_EXTENSION)):
        if part != part.upper():
            if part != part.lower():
                return None  # mixed case needs a long name
            flags |= flag
    return f"{base.upper():8}{extension.upper():3}".encode("ascii"), flags


def _numbered(name: str, taken: set[bytes]) -> bytes:
    """Return PIBRAM~1TXT and the like: a short form that nobody has yet."""
    stem, _, extension = name.upper().rpartition(".") if "." in name.strip(".") else (name.upper(), "", "")
    base = "".join(c for c in stem if c in _SHORT_CHARACTERS)
    ending = "".join(c for c in extension if c in _SHORT_CHARACTERS)[:3]
    for number in range(1, 1_000_000):
        tail = f"~{number}"
        form = f"{base[: 8 - len(tail)] + tail:8}{ending:3}".encode("ascii")
        if form not in taken:
            return form
    raise FatError(f"the boot partition has too many names like {name}")


def _long_entries(name: str, short: bytes) -> list[bytes]:
    """Return a long name's entries in the order of the disk: the last part comes first."""
    checksum = 0
    for byte in short:
        checksum = ((checksum & 1) << 7 | checksum >> 1) + byte & 0xFF
    text = name.encode("utf-16-le")
    parts = [text[at : at + 2 * _LONG_CHARACTERS] for at in range(0, len(text), 2 * _LONG_CHARACTERS)]
    if len(parts[-1]) < 2 * _LONG_CHARACTERS:
        parts[-1] = (parts[-1] + b"\0\0").ljust(2 * _LONG_CHARACTERS, b"\xff")
    entries = []
    for number, part in enumerate(parts, start=1):
        order = number | (_LAST_LONG if number == len(parts) else 0)
        entries.append(
            bytes([order]) + part[:10] + bytes([_LONG_NAME, 0, checksum]) + part[10:22] + b"\0\0" + part[22:]
        )
    return entries[::-1]


def _long_name(parts: dict[int, bytes]) -> str:
    text = b"".join(parts[number] for number in sorted(parts)).decode("utf-16-le", errors="replace")
    return text.partition("\0")[0].rstrip("\uffff")


def _short_name(raw: bytes) -> str:
    base, extension = raw[:8].decode("cp437").rstrip(), raw[8:11].decode("cp437").rstrip()
    base = base.lower() if raw[12] & _LOWER_BASE else base
    extension = extension.lower() if raw[12] & _LOWER_EXTENSION else extension
    return f"{base}.{extension}" if extension else base


def _dos_time(time_s: int) -> tuple[int, int]:
    """Return date and time of day as FAT has them: since 1980, every other second. UTC: a card knows no time zone."""
    moment = time.gmtime(max(time_s, 315_532_800))
    date = (moment.tm_year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday
    return date, moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2
