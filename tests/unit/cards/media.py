"""Images and media for the tests of writing: real files, and cards that fail in the ways real ones do."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

MIB = 1024 * 1024


def sparse(path: Path, size: int, *pieces: tuple[int, bytes]) -> Path:
    with path.open("wb") as stream:
        stream.truncate(size)
        for offset, data in pieces:
            stream.seek(offset)
            stream.write(data)
    return path


def used_card(path: Path, size: int) -> Path:
    """A card that is full of what was on it before."""
    path.write_bytes(os.urandom(MIB) * (size // MIB))
    return path


def card_image(path: Path, *, root_options: tuple[str, ...] = (), gpt: bool = False) -> Path:
    """A whole card of 100 MiB: a partition table, a FAT32 of 40 MiB with files, an ext4 of 56 MiB with files."""
    sparse(path, 100 * MIB)
    table = "label: gpt" if gpt else "label: dos"
    layout = f"{table}\nstart=2048, size=81920, type={'U' if gpt else 'c'}\nstart=83968, size=114688, type=L\n"
    subprocess.run(["sfdisk", "--quiet", path], input=layout, text=True, check=True, env=SYSTEM)
    boot: list[str | Path] = ["mkfs.vfat", "-F", "32", "-s", "1", "--invariant", "--offset", "2048", path, "40960"]
    subprocess.run(boot, check=True, capture_output=True, env=SYSTEM)
    tree = path.with_suffix(".tree")
    tree.mkdir()
    for name, size in {"small": 100, "large": 5 * MIB, "zeros": 0}.items():
        (tree / name).write_bytes(os.urandom(size))
    (tree / "zeros").write_bytes(bytes(3 * MIB))
    copy: list[str | Path] = ["mcopy", "-s", "-i", f"{path}@@1M", tree / "small", tree / "large", "::"]
    subprocess.run(copy, check=True, env=SYSTEM)
    root: list[str | Path] = ["mkfs.ext4", "-q", "-d", tree, "-E", f"offset={41 * MIB}", *root_options, path, "56M"]
    subprocess.run(root, check=True, capture_output=True, env=SYSTEM)
    return path


SYSTEM = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}


@attrs.define
class FaultyCard:
    """A card in memory that fails in the way that a test asks for."""

    name: str = "/dev/faulty"
    size_bytes: int = 16 * MIB
    content: bytearray = attrs.field(init=False)
    most_at_once: int = 1 << 30  # bytes a call moves
    gone_at: int | None = None  # pulled out when a write gets this far
    bad_from: int | None = None  # reading from here on fails
    real_bytes: int | None = None  # what it really has: addresses wrap around
    rotten_byte: int | None = None  # never keeps what is written to it
    fails_with: int = errno.EIO
    writes: list[tuple[int, int]] = attrs.field(factory=list)
    flushes: list[int] = attrs.field(factory=list)  # after how many writes

    def __attrs_post_init__(self) -> None:
        self.content = bytearray(b"\xa5" * self.size_bytes)

    def _at(self, offset: int) -> int:
        return offset % self.real_bytes if self.real_bytes else offset

    def write(self, offset: int, data: memoryview) -> int:
        if self.gone_at is not None and offset + len(data) > self.gone_at:
            raise OSError(self.fails_with, os.strerror(self.fails_with))
        taken = data[: self.most_at_once]
        self.content[self._at(offset) : self._at(offset) + len(taken)] = taken
        if self.rotten_byte is not None:
            self.content[self.rotten_byte] = 0x5A
        self.writes.append((offset, len(taken)))
        return len(taken)

    def read(self, offset: int, buffer: memoryview) -> int:
        if self.bad_from is not None and offset + len(buffer) > self.bad_from:
            raise OSError(self.fails_with, os.strerror(self.fails_with))
        length = min(len(buffer), self.most_at_once, self.size_bytes - offset)
        buffer[:length] = self.content[self._at(offset) : self._at(offset) + length]
        return length

    def zero(self, offset: int, length: int) -> None:
        self.content[self._at(offset) : self._at(offset) + length] = bytes(length)

    def discard(self) -> None:
        self.content[:] = b"\xff" * len(self.content)  # what flash may well read as

    def flush(self) -> None:
        self.flushes.append(len(self.writes))


@attrs.frozen
class DyingDisk:
    """A disk of the kernel's, over memory that stops to take, or to give, what is asked of it: the errors are real."""

    path: Path
    memory: int  # a file descriptor

    def take_nothing_more(self) -> None:
        """Let every write from now on fail."""
        fcntl.fcntl(self.memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)

    def lose(self, offset: int) -> None:
        """Let every read behind the offset fail."""
        os.truncate(self.memory, offset)


@contextmanager
def dying_disk(size: int) -> Iterator[DyingDisk]:
    """Make a loop device; a test that needs one is skipped where there are none to be had."""
    memory = os.memfd_create("card", os.MFD_ALLOW_SEALING)
    try:
        os.truncate(memory, size)
        # The loop device outlives losetup, which opens the memory by our own handle of it.
        argv = ["losetup", "--find", "--show", f"/proc/{os.getpid()}/fd/{memory}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=SYSTEM)
        if done.returncode != 0:
            pytest.skip("no loop device is to be had")
        disk = Path(done.stdout.strip())
        try:
            yield DyingDisk(disk, memory)
        finally:
            subprocess.run(["losetup", "--detach", disk], check=True, env=SYSTEM)
    finally:
        os.close(memory)
