"""Raw images: what they carry, what they refuse."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pibramble.cards.image import Extent, ImageError, RawImage

BLOCK = 64 * 1024  # no file system in use has larger holes' grain


def sparse(path: Path, size: int, *pieces: tuple[int, bytes]) -> Path:
    with path.open("wb") as stream:
        stream.truncate(size)
        for offset, data in pieces:
            stream.seek(offset)
            stream.write(data)
    return path


def test_extents_are_the_data_between_the_holes(tmp_path: Path) -> None:
    path = sparse(tmp_path / "i.img", 16 * BLOCK, (2 * BLOCK, b"a" * BLOCK), (9 * BLOCK, b"b" * 3 * BLOCK))
    with RawImage(path) as image:
        assert list(image.extents()) == [Extent(2 * BLOCK, BLOCK), Extent(9 * BLOCK, 3 * BLOCK)]
        assert image.size_bytes == 16 * BLOCK


def test_an_image_of_holes_alone_has_no_extent(tmp_path: Path) -> None:
    with RawImage(sparse(tmp_path / "i.img", 16 * BLOCK)) as image:
        assert list(image.extents()) == []


def test_the_last_extent_ends_with_the_image(tmp_path: Path) -> None:
    path = sparse(tmp_path / "i.img", 3 * BLOCK + 512, (3 * BLOCK, b"x" * 512))
    with RawImage(path) as image:
        assert list(image.extents()) == [Extent(3 * BLOCK, 512)]


def test_reads_data_and_zeros(tmp_path: Path) -> None:
    path = sparse(tmp_path / "i.img", 4 * BLOCK, (BLOCK, b"x" * BLOCK))
    with RawImage(path) as image:
        assert image.read(BLOCK - 2, 4) == b"\0\0xx"
        assert image.read(2 * BLOCK - 2, 4) == b"xx\0\0"


def test_reading_beyond_the_end_says_that_the_file_became_shorter(tmp_path: Path) -> None:
    path = sparse(tmp_path / "i.img", 4 * BLOCK)
    with RawImage(path) as image:
        os.truncate(path, BLOCK)
        with pytest.raises(ImageError, match=f"ends at byte {BLOCK}: it became shorter"):
            image.read(0, 2 * BLOCK)


def test_what_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in {
        tmp_path / "none.img": "cannot be read: No such file",
        tmp_path: "is no disk image",
        tmp_path / "pipe": "is no disk image",
    }.items():
        with pytest.raises(ImageError, match=reason), RawImage(path):
            pass
