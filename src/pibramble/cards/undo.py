"""Which blocks debugfs has written: read from the undo file that it keeps (`debugfs -z`), see e2undo(8).

The format is that of e2fsprogs' lib/ext2fs/undo_io.c: a header, then key blocks, each followed by the old content of
the blocks that its keys name. The new content is where debugfs wrote it; here only the places count.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pibramble.cards.extents import union
from pibramble.cards.image import Extent
from pibramble.errors import PibrambleError

_MAGIC = b"E2UNDO02"
_HEADER = struct.Struct("<8sQQQIIII")  # magic, keys, superblock, first key block; block sizes; checksum, state
_KEY_BLOCK_MAGIC = 0xCADECADE
_KEY = struct.Struct("<QII")  # block of the file system, checksum, bytes


class UndoError(PibrambleError):
    """An undo file that is not what this e2fsprogs should have written."""


def written(undo: bytes) -> list[Extent]:
    """Return what was written, in bytes of the file system; nothing for an empty undo file. Raises UndoError."""
    if not undo:
        return []
    if len(undo) < _HEADER.size or not undo.startswith(_MAGIC):
        raise UndoError("debugfs left no undo file that can be read", hint="`debugfs -V` says which e2fsprogs this is")
    _, keys, _, first_key_block, undo_block_bytes, block_bytes, _, _ = _HEADER.unpack_from(undo)
    return list(union(_keys(undo, keys, first_key_block * undo_block_bytes, undo_block_bytes, block_bytes)))


def _keys(undo: bytes, count: int, at: int, undo_block_bytes: int, block_bytes: int) -> Iterator[Extent]:
    per_block = undo_block_bytes // _KEY.size - 1  # a key block begins with 16 bytes of its own
    while count:
        if len(undo) < at + undo_block_bytes or int.from_bytes(undo[at : at + 4], "little") != _KEY_BLOCK_MAGIC:
            raise UndoError("debugfs' undo file is damaged", hint="is there room left where temporary files go?")
        stored_bytes = 0
        here = min(count, per_block)
        for number in range(1, here + 1):
            block, _, length = _KEY.unpack_from(undo, at + number * _KEY.size)
            yield Extent(block * block_bytes, length)
            stored_bytes += -(-length // undo_block_bytes) * undo_block_bytes
        count -= here
        at += undo_block_bytes + stored_bytes
