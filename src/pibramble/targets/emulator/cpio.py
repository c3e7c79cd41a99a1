"""Archives that the kernel unpacks into its initramfs: cpio's "newc" format.

https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import PurePosixPath

import attrs

_ALIGNMENT = 4
_BLOCK = 512
_END = "TRAILER!!!"


@attrs.frozen
class Member:
    """A file of the archive."""

    content: bytes
    mode: int = 0o644


def archive(members: Mapping[str, Member]) -> bytes:
    """Return an archive of files by path, with the folders above them; everything is root's."""
    folders = {str(parent): None for path in members for parent in reversed(PurePosixPath(path).parents[:-1])}
    entries = [_entry(number, folder, stat.S_IFDIR | 0o755, b"") for number, folder in enumerate(folders, start=1)]
    entries += [
        _entry(number, path, stat.S_IFREG | member.mode, member.content)
        for number, (path, member) in enumerate(members.items(), start=len(entries) + 1)
    ]
    return _padded(b"".join([*entries, _entry(0, _END, 0, b"")]), _BLOCK)


def append(initramfs: bytes, more: bytes) -> bytes:
    """Return an initramfs with an archive behind it; the kernel unpacks one after the other."""
    return _padded(initramfs, _ALIGNMENT) + more


def _entry(inode: int, path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    # Inode, mode, owner, group, links, time, size, four device numbers, length of the name, no checksum.
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name, _ALIGNMENT) + _padded(content, _ALIGNMENT)


def _padded(data: bytes, alignment: int) -> bytes:
    return data + bytes(-len(data) % alignment)
