"""Free space, against what the file systems' own tools say is free."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest

from pibramble.cards.extents import difference, union
from pibramble.cards.image import Extent, RawImage
from pibramble.cards.vacant import SIGNATURE_BYTES, vacant
from tests.unit.cards.media import MIB, SYSTEM, card_image, sparse

BOOT = Extent(MIB, 40 * MIB)
ROOT = Extent(41 * MIB, 56 * MIB)


def vacant_of(path: Path) -> list[Extent]:
    with RawImage(path) as image:
        return vacant(image)


def inside(extents: list[Extent], where: Extent) -> list[Extent]:
    return [extent for extent in extents if where.offset <= extent.offset and extent.end <= where.end]


def total(extents: list[Extent]) -> int:
    return sum(extent.length for extent in extents)


def free_by_dumpe2fs(path: Path, folder: Path) -> list[Extent]:
    """What dumpe2fs lists as free, without the places for signatures."""
    alone = folder / "root.img"
    with path.open("rb") as stream, alone.open("wb") as copy:
        stream.seek(ROOT.offset)
        copy.write(stream.read(ROOT.length))
    said = subprocess.run(["dumpe2fs", alone], capture_output=True, text=True, check=True, env=SYSTEM).stdout
    size = int(re.search(r"Block size: +(\d+)", said)[1])  # type: ignore[index]
    ranges = re.findall(r"(\d+)(?:-(\d+))?", " ".join(re.findall(r"^  Free blocks: (.*)", said, re.MULTILINE)))
    free = [
        Extent(ROOT.offset + int(first) * size, (int(last or first) + 1 - int(first)) * size) for first, last in ranges
    ]
    signatures = [Extent(ROOT.offset, SIGNATURE_BYTES), Extent(ROOT.end - SIGNATURE_BYTES, SIGNATURE_BYTES)]
    return list(difference(union(free), signatures))


@pytest.mark.parametrize(
    "options",
    [
        ("-E", "lazy_itable_init=0"),
        ("-O", "^64bit", "-E", "lazy_itable_init=0"),
        ("-O", "^metadata_csum,^uninit_bg", "-E", "lazy_itable_init=0"),
        ("-b", "1024", "-E", "lazy_itable_init=0"),
        ("-b", "1024", "-O", "^flex_bg,^resize_inode", "-g", "2048", "-E", "lazy_itable_init=0"),
    ],
    ids=" ".join,
)
def test_in_ext4_it_is_what_dumpe2fs_says(options: tuple[str, ...], tmp_path: Path) -> None:
    # A later -E replaces the one with the offset, so both go into one.
    options = tuple(option.replace("lazy_itable_init", f"offset={ROOT.offset},lazy_itable_init") for option in options)
    path = card_image(tmp_path / "card.img", root_options=options)
    assert inside(vacant_of(path), ROOT) == free_by_dumpe2fs(path, tmp_path)


def test_inode_tables_that_the_kernel_will_make_zero_itself_count_as_free(tmp_path: Path) -> None:
    lazy = ("-E", f"offset={ROOT.offset},nodiscard,lazy_itable_init=1", "-N", "40000")
    path = card_image(tmp_path / "card.img", root_options=lazy)
    extra = list(difference(inside(vacant_of(path), ROOT), free_by_dumpe2fs(path, tmp_path)))
    assert 40000 * 256 * 0.9 < total(extra) < 40000 * 256  # all but what the files and the reserved inodes use


def test_in_fat_it_is_the_free_clusters(tmp_path: Path) -> None:
    path = card_image(tmp_path / "card.img")
    with path.open("rb") as stream:
        stream.seek(BOOT.offset + 512)
        (free_clusters,) = struct.unpack_from("<I", stream.read(512), 488)  # FSInfo, as mtools left it
    assert (
        total(inside(vacant_of(path), BOOT)) == free_clusters * 512 - SIGNATURE_BYTES
    )  # its end is a signature's place


def test_a_gpt_is_read_too_and_its_backup_stays(tmp_path: Path) -> None:
    found = vacant_of(card_image(tmp_path / "card.img", gpt=True))
    assert total(inside(found, ROOT)) > 30 * MIB
    assert total(inside(found, BOOT)) > 20 * MIB
    assert max(extent.end for extent in found) <= 99 * MIB


def test_nothing_is_free_where_there_is_no_partition_table(tmp_path: Path) -> None:
    assert vacant_of(sparse(tmp_path / "card.img", 8 * MIB, (4 * MIB, b"x"))) == []


@pytest.mark.parametrize(
    ("what", "at", "value"),
    [
        ("a journal to be replayed", 0x60, 0x4 | 0x2C2),
        ("a feature that nobody here knows", 0x60, 0x80000000 | 0x2C2),
        ("clusters of blocks", 0x64, 0x200),
        ("a size beyond the partition", 0x04, 1 << 30),
    ],
)
def test_a_file_system_that_is_not_understood_counts_as_full(what: str, at: int, value: int, tmp_path: Path) -> None:
    path = card_image(tmp_path / "card.img")
    with path.open("r+b") as stream:
        stream.seek(ROOT.offset + 1024 + at)
        stream.write(struct.pack("<I", value))
    assert inside(vacant_of(path), ROOT) == [], what


def test_a_partition_that_reaches_beyond_the_image_is_not_believed(tmp_path: Path) -> None:
    path = card_image(tmp_path / "card.img")
    with path.open("r+b") as stream:
        stream.truncate(80 * MIB)
    assert vacant_of(path) == []
