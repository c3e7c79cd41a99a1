"""Writes a card as a qcow2 image whose backing file is the base: the disk of a machine in QEMU, which it may change.

`qemu-img create -b` could make it empty, but no program fills one from a list of blocks. The format is QEMU's
docs/interop/qcow2.txt, version 3. `qemu-img check` and `compare` judge it in the tests.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from pibramble.cards.delta import DeltaImage
from pibramble.cards.extents import aligned, pieces

_CLUSTER_BITS = 16  # QEMU's own default
_CLUSTER = 1 << _CLUSTER_BITS
_MAGIC = b"QFI\xfb"
_VERSION = 3
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_BACKING_FORMAT = 0xE2792ACA  # a header extension
_IN_USE_ONCE = 1 << 63  # an entry whose cluster nothing else refers to
_ENTRY_BYTES = 8
_L2_COVERS = _CLUSTER // _ENTRY_BYTES * _CLUSTER  # bytes of the disk that one second-level table maps
_REFCOUNT_BYTES = 2
_REFCOUNT_ORDER = 4  # 2**4 bits each


def write(handle: int, image: DeltaImage, backing: Path, size_bytes: int) -> None:
    """Fill an empty file with the card's differences over `backing`; the disk has `size_bytes`.

    A cluster that differs in one byte is there whole. What lies beyond the card's end reads as zeros.
    """
    data = {
        piece.offset: piece.length for piece in pieces(aligned(image.differences, _CLUSTER, image.size_bytes), _CLUSTER)
    }
    l1_entries = -(-size_bytes // _L2_COVERS)
    l1_clusters = -(-l1_entries * _ENTRY_BYTES // _CLUSTER) or 1
    l2_numbers = sorted({offset // _L2_COVERS for offset in data})
    l1_at = 1
    l2_at = l1_at + l1_clusters
    data_at = l2_at + len(l2_numbers)
    used = data_at + len(data)
    refcounts_at, refcount_blocks = used + 1, _refcount_blocks(used + 1)
    total = refcounts_at + refcount_blocks

    os.pwrite(handle, _header(backing, size_bytes, l1_entries, l1_at, refcount_table_at=used), 0)
    l2_tables = {number: bytearray(_CLUSTER) for number in l2_numbers}
    for cluster, (offset, length) in enumerate(data.items(), start=data_at):
        os.pwrite(handle, image.read(offset, length).ljust(_CLUSTER, b"\0"), cluster * _CLUSTER)
        _set(l2_tables[offset // _L2_COVERS], offset % _L2_COVERS // _CLUSTER, cluster)
    l1_table = bytearray(l1_clusters * _CLUSTER)
    for cluster, (number, table) in enumerate(l2_tables.items(), start=l2_at):
        os.pwrite(handle, bytes(table), cluster * _CLUSTER)
        _set(l1_table, number, cluster)
    os.pwrite(handle, bytes(l1_table), l1_at * _CLUSTER)
    refcount_table = b"".join(((refcounts_at + n) * _CLUSTER).to_bytes(8, "big") for n in range(refcount_blocks))
    os.pwrite(handle, refcount_table.ljust(_CLUSTER, b"\0"), used * _CLUSTER)
    refcounts = (1).to_bytes(_REFCOUNT_BYTES, "big") * total
    os.pwrite(handle, refcounts.ljust(refcount_blocks * _CLUSTER, b"\0"), refcounts_at * _CLUSTER)


def _header(backing: Path, size_bytes: int, l1_entries: int, l1_at: int, *, refcount_table_at: int) -> bytes:
    name = os.fsencode(backing.resolve())
    extensions = struct.pack(">II", _BACKING_FORMAT, 3) + b"raw".ljust(8, b"\0") + struct.pack(">II", 0, 0)
    name_at = _HEADER.size + len(extensions)
    fields = (
        *(_MAGIC, _VERSION, name_at, len(name), _CLUSTER_BITS, size_bytes, 0, l1_entries, l1_at * _CLUSTER),
        *(refcount_table_at * _CLUSTER, 1, 0, 0, 0, 0, 0, _REFCOUNT_ORDER, _HEADER.size),
    )
    return _HEADER.pack(*fields) + extensions + name


def _set(table: bytearray, index: int, cluster: int) -> None:
    entry = cluster * _CLUSTER | _IN_USE_ONCE
    table[index * _ENTRY_BYTES : (index + 1) * _ENTRY_BYTES] = entry.to_bytes(_ENTRY_BYTES, "big")


def _refcount_blocks(clusters_before: int) -> int:
    """Return how many clusters of counts cover everything, themselves included."""
    each = _CLUSTER // _REFCOUNT_BYTES
    blocks = 1
    while blocks * each < clusters_before + blocks:
        blocks += 1
    return blocks
