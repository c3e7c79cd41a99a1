"""A card as one file: a raw sparse image for any program that writes cards, or qcow2 over the shared disk for QEMU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pibramble import paths
from pibramble.cards import qcow2
from pibramble.cards.delta import DeltaImage
from pibramble.cards.extents import aligned, pieces
from pibramble.cards.image import GRAIN_BYTES, Image, write_sparse
from pibramble.cards.shelf import full_disk_told
from pibramble.errors import PibrambleError
from pibramble.progress import Progress

_PIECE_BYTES = 4 * 1024 * 1024


def raw(image: Image, path: Path, progress: Progress) -> None:
    """Write an opened image to `path`, holes kept; there whole or not at all, 0600: private keys are in it."""
    extents = list(aligned(image.extents(), GRAIN_BYTES, image.size_bytes))
    total = sum(extent.length for extent in extents)
    with _placed(path) as handle, progress.step(f"Writing {path.name}", total=total, unit="B") as step:
        os.ftruncate(handle, image.size_bytes)
        for piece in pieces(extents, _PIECE_BYTES):
            write_sparse(handle, image.read(piece.offset, piece.length), piece.offset)
            step.advance(piece.length)


def overlay(image: DeltaImage, path: Path, *, size_bytes: int | None = None) -> None:
    """Write an opened card to `path` as qcow2 over its base, which must stay where it is.

    `size_bytes` makes the disk larger than the card needs, as a real one would be.
    """
    size_bytes = image.size_bytes if size_bytes is None else size_bytes
    if size_bytes < image.size_bytes:
        message = f"a disk of {size_bytes} bytes is too small: the card has {image.size_bytes}"
        raise PibrambleError(message)
    with _placed(path) as handle:
        qcow2.write(handle, image, image.base_path, size_bytes)


@contextmanager
def _placed(path: Path) -> Iterator[int]:
    """Give a file that gets its name when the block has ended well."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise PibrambleError(message, hint="name a file in a folder that is there and yours") from None
    try:
        with full_disk_told(path.parent):
            yield handle
        paths.give_to_owner(scratch)
        scratch.replace(path)
    finally:
        os.close(handle)
        scratch.unlink(missing_ok=True)
