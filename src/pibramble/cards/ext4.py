"""Puts files into an ext4 file system without mounting it, and says exactly which bytes that changes.

debugfs does the work (e2fsprogs' own code keeps the file system sound), but not on the base: on a *skeleton* of it,
which holds the metadata alone (`e2image -r`, a few MB of gigabytes) and lies in memory. debugfs' undo file names the
blocks that it wrote. So a card costs what differs, nothing has to be copied or put back, no private key touches a
disk on the way, and an interrupted build leaves nothing.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from pibramble import proc
from pibramble.cards import undo
from pibramble.cards.debugfs import Ext4Error, Found, debugfs, probe, quoted
from pibramble.cards.image import RawImage

_IN_MEMORY_BYTES = 64 * 1024 * 1024  # a skeleton of a system with very many files goes to a nameless file instead
_SUPERBLOCK_AT, _SUPERBLOCK_BYTES = 1024, 1024
_MAGIC = 0xEF53
_NEEDS_RECOVERY = 0x4  # of the incompatible features
_COPY_BYTES = 4 * 1024 * 1024
_PATIENCE_S = 300


@attrs.frozen
class PutFile:
    """A file to write, in the place of what is there."""

    path: str
    content: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    attributes: Mapping[str, bytes] = attrs.field(factory=dict)  # extended ones


@attrs.frozen
class PutLink:
    """A symbolic link to make, in the place of what is there."""

    path: str
    target: str


Put = PutFile | PutLink


@attrs.frozen
class Superblock:
    """What has to be known of a file system before it is changed."""

    block_bytes: int
    size_bytes: int
    made_s: int  # seconds since 1970


def superblock(read: Callable[[int, int], bytes]) -> Superblock:
    """Read and judge a file system through `read(offset, length)`. Raises Ext4Error."""
    raw = read(_SUPERBLOCK_AT, _SUPERBLOCK_BYTES)
    (magic,) = struct.unpack_from("<H", raw, 56)
    if magic != _MAGIC:
        raise Ext4Error("the root partition has no ext4 file system")
    blocks, block_shift = struct.unpack_from("<I", raw, 4)[0], struct.unpack_from("<I", raw, 24)[0]
    (incompatible,) = struct.unpack_from("<I", raw, 96)
    if incompatible & _NEEDS_RECOVERY:
        raise Ext4Error(
            "the root file system was not unmounted: its journal holds changes that are not in place",
            hint="take the image again after a shutdown, or let `e2fsck -f` put it in order",
        )
    if incompatible & 0x80:  # 64bit: the upper half of the count
        blocks |= struct.unpack_from("<I", raw, 0x150)[0] << 32
    block_bytes = 1024 << block_shift
    return Superblock(block_bytes, blocks * block_bytes, struct.unpack_from("<I", raw, 264)[0])


def make_skeleton(root: Path, skeleton: Path) -> None:
    """Write what of the file system in `root` is metadata to a sparse file. Raises Ext4Error."""
    done = proc.run(["e2image", "-r", str(root), str(skeleton)], timeout_s=_PATIENCE_S, check=False)
    if done.returncode:
        complaint = done.stderr.strip().splitlines()[-1:]
        raise Ext4Error(f"the root file system in {root} cannot be read", hint="\n".join(complaint))
    with skeleton.open("r+b") as stream:
        stream.truncate(root.stat().st_size)  # debugfs' undo file leaves out what is beyond the end


class Workbench:
    """A skeleton in memory, on which one card after another is made: use it with `with`."""

    def __init__(self, skeleton: Path) -> None:
        """Name the skeleton."""
        self._skeleton = RawImage(skeleton)
        self._folder = skeleton.parent
        self._handle = -1

    def __enter__(self) -> Self:
        """Take the copy to work on."""
        with ExitStack() as undone:
            skeleton = undone.enter_context(self._skeleton)
            extents = list(skeleton.extents())
            if sum(extent.length for extent in extents) <= _IN_MEMORY_BYTES:
                self._handle = os.memfd_create("pibramble-skeleton")
            else:
                self._handle = os.open(self._folder, os.O_TMPFILE | os.O_RDWR, 0o600)
            undone.callback(os.close, self._handle)
            os.ftruncate(self._handle, skeleton.size_bytes)
            for extent in extents:
                self._restore(extent.offset, extent.length)
            undone.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the copy."""
        self._skeleton.close()
        os.close(self._handle)

    def put(self, puts: Sequence[Put], found: Mapping[str, Found], time_s: int) -> dict[int, bytes]:
        """Put files in and return what that changes: offset -> bytes. Afterwards the workbench is as before.

        `found` is what the file system holds at the paths and at the folders above them (`probe`). Raises Ext4Error,
        after which the workbench is of no more use.
        """
        with _handles() as memory:
            record = memory(b"")
            commands = list(_commands(puts, found, time_s, lambda data: _name(memory(data))))
            debugfs(_name(self._handle), commands, undo_file=_name(record))
            extents = undo.written(_whole(record))
        changes = {extent.offset: os.pread(self._handle, extent.length, extent.offset) for extent in extents}
        for extent in extents:
            self._restore(extent.offset, extent.length)
        return changes

    def _restore(self, offset: int, length: int) -> None:
        for at in range(offset, offset + length, _COPY_BYTES):
            os.pwrite(self._handle, self._skeleton.read(at, min(_COPY_BYTES, offset + length - at)), at)


def look(root: Path, puts: Iterable[str]) -> dict[str, Found]:
    """Return what the file system in `root` holds at these paths and at all folders above them."""
    paths = {parent for path in puts for parent in _with_parents(path)}
    return probe(str(root), sorted(paths))


def contents(root: Path, paths: Sequence[str]) -> dict[str, bytes]:
    """Return the content of regular files of the file system in `root`, which must be there. Raises Ext4Error."""
    with _handles() as memory:
        handles = {path: memory(b"") for path in paths}
        debugfs(str(root), [f"dump {quoted(path)} {_name(handle)}" for path, handle in handles.items()])
        return {path: _whole(handle) for path, handle in handles.items()}


def attributes(root: Path, wanted: Mapping[str, Sequence[str]]) -> dict[str, dict[str, bytes]]:
    """Return the extended attributes of files: path -> name -> value, for the names that are `wanted`."""
    with _handles() as memory:
        handles = {(path, name): memory(b"") for path, names in wanted.items() for name in names}
        commands = [f"ea_get -f {_name(handle)} {quoted(path)} {name}" for (path, name), handle in handles.items()]
        if commands:
            debugfs(str(root), commands)
        values = {key: _whole(handle) for key, handle in handles.items()}
    return {path: {name: values[path, name] for name in names} for path, names in wanted.items()}


def links(root: Path, paths: Sequence[str]) -> dict[str, str]:
    """Return where symbolic links of the file system in `root` lead; they must be there. Raises Ext4Error."""
    fast = {path: found.target for path, found in probe(str(root), paths).items() if found.target is not None}
    slow = [path for path in paths if path not in fast]  # too long for the inode: kept like a file's content
    read = contents(root, slow) if slow else {}
    return fast | {path: data.decode(errors="surrogateescape") for path, data in read.items()}


def _commands(
    puts: Sequence[Put], found: Mapping[str, Found], time_s: int, source: Callable[[bytes], str]
) -> Iterator[str]:
    """Yield debugfs' commands; `source` makes a file that it can read some content from."""
    yield f"set_current_time @{time_s}"
    made: set[str] = set()
    for put in puts:
        *parents, _ = _with_parents(put.path)
        for folder in parents:
            if folder not in found and folder not in made:
                made.add(folder)
                yield f"mkdir {quoted(folder)}"
        if put.path in found:
            if found[put.path].kind == "directory":
                raise Ext4Error(f"{put.path} is a folder on the base, not a file")
            yield f"rm {quoted(put.path)}"
        if isinstance(put, PutLink):
            yield f"symlink {quoted(put.path)} {quoted(put.target)}"
            continue
        folder, _, name = put.path.rpartition("/")
        yield f"cd {quoted(folder or '/')}"  # `write` takes a name, not a path
        yield f"write {source(put.content)} {quoted(name)}"
        mode = stat.S_IFREG | put.mode
        for field, value in (("mode", f"0{mode:o}"), ("uid", put.uid), ("gid", put.gid)):
            yield f"sif {quoted(name)} {field} {value}"
        for attribute, content in put.attributes.items():
            yield f"ea_set -f {source(content)} {quoted(name)} {attribute}"


def _with_parents(path: str) -> list[str]:
    """Return /a, /a/b and /a/b/c for /a/b/c."""
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]


@contextmanager
def _handles() -> Iterator[Callable[[bytes], int]]:
    """Give a function that puts bytes into a file in memory; all are closed in the end."""
    with ExitStack() as opened:

        def memory(data: bytes) -> int:
            handle = os.memfd_create("pibramble-file")
            opened.callback(os.close, handle)
            os.pwrite(handle, data, 0)
            return handle

        yield memory


def _name(handle: int) -> str:
    """Return a path by which a program that we start can open our file."""
    return f"/proc/{os.getpid()}/fd/{handle}"


def _whole(handle: int) -> bytes:
    return os.pread(handle, os.fstat(handle).st_size, 0)
