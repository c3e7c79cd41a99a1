"""Packed images, packed by the real programs, whole and broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pibramble.cards import unpack
from pibramble.cards.unpack import PackedError
from pibramble.errors import UsageError
from pibramble.progress import SilentProgress
from tests.unit.cards import images

KINDS = ("xz", "gz", "zst")
_MOST_MEMORY_KB = 200_000


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Some data, a long hole, some data, and a hole at the end."""
    path = tmp_path / "small.img"
    with path.open("wb") as stream:
        stream.write(os.urandom(300_000))
        stream.seek(40_000_000)
        stream.write(os.urandom(300_000))
        stream.truncate(64_000_001)
    return path


def unpacked(path: Path, scratch: Path) -> bytes:
    with unpack.plain(path, scratch, SilentProgress()) as plain:
        return plain.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bytes_and_the_same_holes(image: Path, tmp_path: Path, kind: str) -> None:
    packed = images.pack(image, kind)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with unpack.plain(packed, scratch, SilentProgress()) as plain:
        assert plain.read_bytes() == image.read_bytes()
        assert plain.stat().st_blocks * 512 < 2_000_000
    assert not list(scratch.iterdir())


def test_a_plain_image_is_not_copied(image: Path, tmp_path: Path) -> None:
    with unpack.plain(image, tmp_path / "nowhere", SilentProgress()) as plain:
        assert plain == image
    assert image.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_cut_short_is_told_and_nothing_is_left(image: Path, tmp_path: Path, kind: str) -> None:
    packed = images.pack(image, kind)
    os.truncate(packed, packed.stat().st_size // 2)
    with pytest.raises(PackedError, match="is cut short") as caught:
        unpacked(packed, tmp_path)
    assert str(packed) in caught.value.message
    assert not (tmp_path / "image.img").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_is_told_and_nothing_is_left(image: Path, tmp_path: Path, kind: str) -> None:
    packed = images.pack(image, kind)
    data = bytearray(packed.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1000] = bytes(1000)
    packed.write_bytes(data)
    with pytest.raises(PackedError, match="is damaged, or packed in another way"):
        unpacked(packed, tmp_path)
    assert not (tmp_path / "image.img").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_packed_at_all_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"page.img.{kind}"
    path.write_text("<html>404 not found</html>\n" * 100)
    with pytest.raises(PackedError, match="packed in another way than its name says"):
        unpacked(path, tmp_path)


def test_a_file_that_unpacks_to_more_than_any_card_is_stopped(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "_LARGEST_BYTES", 10_000_000)
    with pytest.raises(PackedError, match="unpacks to more than"):
        unpacked(images.pack(image, "zst"), tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raspios.zip", "packed in a way that is not known"),
        ("raspios.xz", "packed in a way that is not known"),
        ("missing.img", "is not there"),
        ("folder.img", "is no file"),
    ],
)
def test_names_are_judged_before_anything_is_read(tmp_path: Path, name: str, said: str) -> None:
    path = tmp_path / name
    if name.startswith("folder"):
        path.mkdir()
    elif not name.startswith("missing"):
        path.touch()
    with pytest.raises(UsageError, match=said):
        unpack.check_name(path)


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    path = tmp_path / "large.img"
    with path.open("wb") as stream:
        stream.truncate(2_000_000_000)
    packed = images.pack(path, "zst")
    script = (
        "import re, sys; from pathlib import Path; from pibramble.cards import unpack; "
        "from pibramble.progress import SilentProgress\n"
        "with unpack.plain(Path(sys.argv[1]), Path(sys.argv[2]), SilentProgress()) as plain:\n"
        "    print(plain.stat().st_size, re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = subprocess.run([sys.executable, "-c", script, packed, scratch], capture_output=True, text=True, check=True)
    size, most_kb = map(int, done.stdout.split())
    assert size == 2_000_000_000
    assert most_kb < _MOST_MEMORY_KB
