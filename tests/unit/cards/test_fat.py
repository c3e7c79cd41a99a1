"""FAT file systems: what we change, mtools must read and fsck.fat must find nothing wrong with."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from pibramble.cards.fat import FatError, FatVolume

TIME_S = 1_700_000_000


@pytest.fixture(params=[16, 32])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A boot partition with a folder and some files, made by the real programs."""
    path = tmp_path / "boot.img"
    size_mib, per_cluster = {16: (32, 4), 32: (40, 1)}[request.param]
    with path.open("wb") as stream:
        stream.truncate(size_mib << 20)
    run("mkfs.vfat", "-F", request.param, "-s", per_cluster, "-n", "BOOT", path)
    (tmp_path / "config.txt").write_text("arm_64bit=0\n" * 200)
    (tmp_path / "bcm2708-rpi-zero.dtb").write_bytes(bytes(range(256)) * 40)
    run("mmd", "-i", path, "::overlays")
    run("mcopy", "-i", path, tmp_path / "config.txt", tmp_path / "bcm2708-rpi-zero.dtb", "::")
    run("mcopy", "-i", path, tmp_path / "config.txt", "::overlays/README")
    return path


def run(*argv: object) -> bytes:
    done = subprocess.run([str(word) for word in argv], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def volume(path: Path) -> FatVolume:
    def read(offset: int, length: int) -> bytes:
        with path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(length)

    return FatVolume(read)


def write(path: Path, changed: FatVolume) -> None:
    with path.open("r+b") as stream:
        for offset, data in changed.changes().items():
            stream.seek(offset)
            stream.write(data)


def read_back(path: Path, name: str) -> bytes:
    run("fsck.fat", "-n", path)
    return run("mtype", "-i", path, f"::{name}")


@pytest.mark.parametrize(
    "name",
    ["new.txt", "PLAIN.TXT", "Mixed.Txt", "pibramble.txt", "network-config", "user-data", "no_extension", "ä.txt",
     "a.b.c", "overlays/serial.dtbo", "a name that is much longer than thirteen characters.configuration"],
)  # fmt: skip
def test_a_new_file_is_read_by_mtools(image: Path, name: str) -> None:
    changed = volume(image)
    changed.put(name, b"what it says\n", TIME_S)
    write(image, changed)
    assert volume(image).content(name) == b"what it says\n"
    assert read_back(image, name) == b"what it says\n"


def test_a_replaced_file_takes_and_frees_room(image: Path) -> None:
    before = volume(image).free_bytes
    for content in (b"short", b"x" * 100_000, b"", b"dtparam=spi=on\n"):
        changed = volume(image)
        changed.put("config.txt", content, TIME_S)
        write(image, changed)
        assert read_back(image, "config.txt") == content
    assert volume(image).free_bytes >= before


def test_the_other_files_stay_as_they_are(image: Path) -> None:
    changed = volume(image)
    for number in range(40):  # more than the folder had room for
        changed.put(f"overlays/a long name number {number}.text", b"x" * number, TIME_S)
    write(image, changed)
    assert read_back(image, "bcm2708-rpi-zero.dtb") == bytes(range(256)) * 40
    assert read_back(image, "overlays/README") == b"arm_64bit=0\n" * 200
    assert read_back(image, "overlays/a long name number 39.text") == b"x" * 39


def test_files_are_found_whatever_their_case(image: Path) -> None:
    assert volume(image).content("CONFIG.TXT") == volume(image).content("config.txt")
    assert volume(image).content("Overlays/readme") is not None


def test_a_listing_names_what_is_there(image: Path) -> None:
    found = {entry.name: entry.is_folder for entry in volume(image).listing()}
    assert found == {"config.txt": False, "bcm2708-rpi-zero.dtb": False, "overlays": True}
    assert [entry.name for entry in volume(image).listing("overlays")] == ["README"]


def test_only_sectors_that_differ_are_named(image: Path) -> None:
    changed = volume(image)
    changed.put("config.txt", b"short\n", TIME_S)
    assert sum(map(len, changed.changes().values())) < 16384


def test_the_same_changes_give_the_same_bytes(image: Path) -> None:
    digests = set()
    for _ in range(2):
        changed = volume(image)
        changed.put("pibramble.txt", b"dtoverlay=dwc2\n", TIME_S)
        digests.add(hashlib.sha256(repr(changed.changes()).encode()).hexdigest())
    assert len(digests) == 1


def test_what_does_not_fit_is_refused_with_the_room_there_is(image: Path) -> None:
    changed = volume(image)
    free = changed.free_bytes
    with pytest.raises(FatError, match=rf"too small: initrd.img needs {free + 1} bytes, {free} are free"):
        changed.put("initrd.img", b"x" * (free + 1), TIME_S)
    changed.put("initrd.img", b"x" * free, TIME_S)
    assert changed.free_bytes == 0


@pytest.mark.parametrize("image", [16], indirect=True)
def test_the_first_folder_of_fat16_can_be_full(image: Path) -> None:
    changed = volume(image)
    long = "x" * 240  # 20 of its 512 entries
    for number in range(25):
        changed.put(f"{long}{number}", b"", TIME_S)
    with pytest.raises(FatError, match="no more names fit"):
        changed.put(f"{long}25", b"", TIME_S)


def test_a_folder_is_not_overwritten_and_not_invented(image: Path) -> None:
    with pytest.raises(FatError, match="overlays is a folder"):
        volume(image).put("overlays", b"", TIME_S)
    with pytest.raises(FatError, match="no folder nowhere"):
        volume(image).put("nowhere/file", b"", TIME_S)
    assert volume(image).content("nowhere/file") is None
    assert volume(image).content("nothing.txt") is None


def test_fat12_and_other_things_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.img"
    path.write_bytes(bytes(4 << 20))
    with pytest.raises(FatError, match="no FAT file system"):
        volume(path)
    run("mkfs.vfat", "-F", 12, path)
    with pytest.raises(FatError, match="FAT12"):
        volume(path)


def test_a_chain_that_bites_its_tail_is_refused(image: Path) -> None:
    damaged = volume(image)
    entry = next(entry for entry in damaged.listing() if entry.name == "bcm2708-rpi-zero.dtb")
    damaged._link(entry.cluster, entry.cluster)  # noqa: SLF001 (no program makes such damage on request)
    with pytest.raises(FatError, match="has no end"):
        damaged.content("bcm2708-rpi-zero.dtb")
