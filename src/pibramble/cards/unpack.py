"""An image as it was downloaded (`.img`, `.img.xz`, `.img.gz`, `.img.zst`) as a plain sparse file.

It is read as a stream: memory does not grow with its size. What is cut short or damaged is told by the format's own
checksums, and nothing of it is used.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol

from pibramble import proc
from pibramble.cards.image import write_sparse
from pibramble.errors import PibrambleError, UsageError
from pibramble.progress import Progress

PLAIN = ".img"
_PIECE_BYTES = 4 * 1024 * 1024
_LARGEST_BYTES = 256 * 1024**3  # no card is larger; a file that unpacks to more is a bomb or a mistake
_ZSTD_MB = 128  # of memory for its window: what `zstd --ultra -22` asks for


class _Stream(Protocol):
    """What is read from."""

    def read(self, size: int, /) -> bytes: ...


_Opener = Callable[[IO[bytes]], AbstractContextManager[_Stream]]


class PackedError(PibrambleError):
    """A packed image that is cut short, damaged, or packed in another way than its name says."""


def check_name(path: Path) -> None:
    """Raise UsageError unless the file is there and its name says how it is packed."""
    if not path.is_file():
        what = "is no file" if path.exists() else "is not there"
        message = f"the image {path} {what}"
        raise UsageError(message, hint="`image` in the cluster file is relative to the folder of that file")
    if path.suffix != PLAIN and _opener(path) is None:
        known = ", ".join((PLAIN, *(f"{PLAIN}{suffix}" for suffix in _OPENERS)))
        raise UsageError(f"the image {path} is packed in a way that is not known", hint=f"these are: {known}")


@contextmanager
def plain(path: Path, scratch: Path, progress: Progress) -> Iterator[Path]:
    """Give the image as a plain file for the length of the block: itself, or one in the folder `scratch`.

    Raises PackedError, OSError when the disk of `scratch` is full.
    """
    opener = _opener(path)
    if opener is None:
        yield path
        return
    unpacked = scratch / "image.img"
    try:
        with path.open("rb") as packed, unpacked.open("xb") as out:
            total = os.fstat(packed.fileno()).st_size
            with progress.step(f"Unpacking {path.name}", total=total, unit="B") as step:
                done = size = 0
                with _told(path), opener(packed) as stream:
                    while data := stream.read(_PIECE_BYTES):
                        write_sparse(out.fileno(), data, size)
                        size += len(data)
                        if size > _LARGEST_BYTES:
                            raise PackedError(f"{path} unpacks to more than {_LARGEST_BYTES // 10**9} GB: no card is")
                        at = os.lseek(packed.fileno(), 0, os.SEEK_CUR)
                        step.advance(at - done)
                        done = at
            out.truncate(size)
        yield unpacked
    finally:
        unpacked.unlink(missing_ok=True)


def _opener(path: Path) -> _Opener | None:
    return _OPENERS.get(path.suffix) if path.stem.endswith(PLAIN) else None


@contextmanager
def _told(path: Path) -> Iterator[None]:
    hint = "download it again, and compare its checksum with the one beside it"
    try:
        yield
    except EOFError:
        raise PackedError(f"{path} is cut short", hint=hint) from None
    except (lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        message = f"{path} is damaged, or packed in another way than its name says ({error})"
        raise PackedError(message, hint=hint) from None


@contextmanager
def _xz(packed: IO[bytes]) -> Iterator[_Stream]:
    with lzma.LZMAFile(packed) as stream:
        yield stream


@contextmanager
def _gz(packed: IO[bytes]) -> Iterator[_Stream]:
    with gzip.GzipFile(fileobj=packed) as stream:
        yield stream


@contextmanager
def _zst(packed: IO[bytes]) -> Iterator[_Stream]:
    """Unpack by zstd(1): Python has it from 3.14 on only. It reads our file, so that its place tells how far it is."""
    argv = ["zstd", "--decompress", "--stdout", "--no-progress", f"--memory={_ZSTD_MB}MB"]
    with tempfile.TemporaryFile() as complaints:
        child = proc.start(argv, stdin=packed.fileno(), stdout=subprocess.PIPE, stderr=complaints)
        try:
            yield child.stdout or io.BytesIO()
            if child.wait() != 0:
                complaints.seek(0)
                said = complaints.read().decode(errors="replace").strip()
                if "premature" in said or "unexpected end" in said.lower():
                    raise EOFError
                raise zlib.error(said.splitlines()[-1] if said else f"zstd ended with {child.returncode}")
        finally:
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()


_OPENERS: dict[str, _Opener] = {".xz": _xz, ".gz": _gz, ".zst": _zst}
