"""Files put into an ext4 file system: e2fsck must find nothing wrong, and only the changed bytes are named."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibramble.cards.debugfs import Ext4Error
from pibramble.cards.ext4 import (
    Put,
    PutFile,
    PutLink,
    Workbench,
    attributes,
    contents,
    look,
    make_skeleton,
    superblock,
)
from tests.unit.cards import disks

TIME_S = 1_700_000_000


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ext4")
    root = disks.make_ext4(folder / "root.ext4", disks.make_tree(folder / "tree", disks.TREE))
    make_skeleton(root, folder / "skeleton")
    return root


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copyfile(pristine, tmp_path / "root.ext4"))


@pytest.fixture(scope="module")
def bench(pristine: Path) -> Iterator[Workbench]:
    with Workbench(pristine.with_name("skeleton")) as workbench:
        yield workbench


def apply(bench: Workbench, root: Path, *puts: Put) -> dict[int, bytes]:
    changes = bench.put(puts, look(root, [put.path for put in puts]), TIME_S)
    with root.open("r+b") as stream:
        for offset, data in changes.items():
            stream.seek(offset)
            stream.write(data)
    disks.run("e2fsck", "-fn", root)
    return changes


def read(root: Path, path: str) -> str:
    return disks.run("debugfs", "-R", f"cat {path}", root)


def test_a_file_has_its_content_owner_mode_and_time(bench: Workbench, root: Path) -> None:
    apply(bench, root, PutFile("/etc/pibramble/user_key", b"secret\n", 0o600, uid=1000, gid=1001))
    facts = disks.stat(root, "/etc/pibramble/user_key")
    assert re.search(r"Type: regular +Mode: +0600", facts)
    assert re.search(r"User: +1000 +Group: +1001", facts)
    assert len(re.findall(rf"{TIME_S:#x}", facts)) == 4  # ctime, atime, mtime, crtime
    assert read(root, "/etc/pibramble/user_key") == "secret\n"
    assert re.search(r"directory +Mode: +0755", disks.stat(root, "/etc/pibramble"))


@pytest.mark.parametrize("size", [0, 1, 4096, 5_000_000])
def test_files_of_every_size(bench: Workbench, root: Path, size: int) -> None:
    apply(bench, root, PutFile("/usr/a/b/c", b"x" * size))
    assert read(root, "/usr/a/b/c") == "x" * size


def test_a_file_takes_the_place_of_another_and_of_a_link(bench: Workbench, root: Path) -> None:
    apply(bench, root, PutLink("/etc/hostname", "/dev/null"), PutFile("/etc/os-release", b"new\n"))
    assert re.search('Type: symlink(.|\n)*Fast link dest: "/dev/null"', disks.stat(root, "/etc/hostname"))
    assert read(root, "/etc/os-release") == "new\n"
    other = PutFile("/etc/hostname", b"zero1\n")
    with Workbench(_skeleton_of(root)) as again:
        apply(again, root, other)
    assert read(root, "/etc/hostname") == "zero1\n"


def test_links_long_and_short_and_names_with_blanks_and_quotes(bench: Workbench, root: Path) -> None:
    apply(bench, root, PutLink("/etc/systemd/system/x.service", "/" + "y" * 200), PutFile('/etc/a "quoted" name', b"1"))
    assert "Size: 201" in disks.stat(root, "/etc/systemd/system/x.service")
    assert contents(root, ['/etc/a "quoted" name']) == {'/etc/a "quoted" name': b"1"}


def test_extended_attributes_are_put_and_read(bench: Workbench, root: Path) -> None:
    value = bytes.fromhex("0100000200200000000000000000000000000000")
    apply(bench, root, PutFile("/usr/bin/ping", b"x", 0o755, attributes={"security.capability": value}))
    found = look(root, ["/usr/bin/ping"])["/usr/bin/ping"]
    assert found.attributes == ("security.capability",)
    assert attributes(root, {"/usr/bin/ping": found.attributes}) == {"/usr/bin/ping": {"security.capability": value}}


def test_a_folder_of_many_files(bench: Workbench, root: Path) -> None:
    puts = [PutFile(f"/etc/many/{number:04}-{'x' * 100}", b"%d" % number) for number in range(300)]
    apply(bench, root, *puts)
    assert read(root, puts[299].path) == "299"


def test_one_card_after_another_starts_from_the_same(bench: Workbench, pristine: Path) -> None:
    puts: list[Put] = [PutFile("/etc/hostname", b"zero1\n"), PutLink("/etc/new/link", "/dev/null")]
    found = look(pristine, [put.path for put in puts])
    first = bench.put(puts, found, TIME_S)
    bench.put([PutFile("/etc/hostname", b"zero2\n" * 1000)], found, TIME_S)
    assert bench.put(puts, found, TIME_S) == first


def test_little_changes_for_a_small_file(bench: Workbench, root: Path) -> None:
    assert sum(map(len, apply(bench, root, PutFile("/etc/hostname", b"zero1\n")).values())) < 100_000


def test_looking_says_what_is_there_and_leaves_out_what_is_not(pristine: Path) -> None:
    found = look(pristine, ["/etc/shadow", "/usr/lib/nothing"])
    assert set(found) == {"/etc", "/etc/shadow", "/usr"}
    shadow = found["/etc/shadow"]
    assert (shadow.kind, shadow.mode, shadow.gid, shadow.size) == ("regular", 0o640, 42, len(disks.SHADOW))


def test_a_folder_is_never_overwritten(bench: Workbench, pristine: Path) -> None:
    with pytest.raises(Ext4Error, match="/etc/ssh is a folder"):
        bench.put([PutFile("/etc/ssh", b"")], look(pristine, ["/etc/ssh"]), TIME_S)


def test_a_full_file_system_says_so(tmp_path: Path) -> None:
    root = disks.make_ext4(tmp_path / "root.ext4", disks.make_tree(tmp_path / "tree", disks.TREE), size="8M")
    with Workbench(_skeleton_of(root)) as bench, pytest.raises(Ext4Error, match="root file system is full"):
        bench.put([PutFile("/usr/big", os.urandom(9_000_000))], look(root, ["/usr/big"]), TIME_S)


def test_small_blocks_and_old_features(tmp_path: Path) -> None:
    tree = disks.make_tree(tmp_path / "tree", disks.TREE)
    root = disks.make_ext4(tmp_path / "root.ext4", tree, "-b", "1024", "-O", "^metadata_csum,^64bit,^extents")
    with Workbench(_skeleton_of(root)) as bench:
        apply(bench, root, PutFile("/etc/hostname", b"x" * 100_000))
    assert read(root, "/etc/hostname") == "x" * 100_000


def test_a_feature_that_debugfs_cannot_write_is_named(root: Path) -> None:
    disks.run("debugfs", "-w", "-R", "feature -metadata_csum", root)
    _patch(root, 1024 + 100, (1 << 30).to_bytes(4, "little"))  # a read-only compatible feature of the future
    with Workbench(_skeleton_of(root)) as bench, pytest.raises(Ext4Error, match=r"(?s)cannot write.*unsupported"):
        bench.put([PutFile("/etc/hostname", b"")], {}, TIME_S)


def test_a_file_system_that_was_not_unmounted_is_refused(root: Path) -> None:
    disks.run("debugfs", "-w", "-R", "feature needs_recovery", root)
    with root.open("rb") as stream, pytest.raises(Ext4Error, match="was not unmounted"):
        superblock(lambda offset, length: os.pread(stream.fileno(), length, offset))


def test_what_is_no_ext4_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Ext4Error, match="no ext4"):
        superblock(lambda _, length: bytes(length))
    noise = tmp_path / "noise"
    noise.write_bytes(bytes(1 << 20))
    with pytest.raises(Ext4Error, match="cannot be read"):
        make_skeleton(noise, tmp_path / "skeleton")


def test_the_superblock_says_size_and_age(pristine: Path) -> None:
    with pristine.open("rb") as stream:
        found = superblock(lambda offset, length: os.pread(stream.fileno(), length, offset))
    assert (found.block_bytes, found.size_bytes) == (4096, 64 << 20)
    assert found.made_s > TIME_S


def _skeleton_of(root: Path) -> Path:
    skeleton = root.with_suffix(".skeleton")
    make_skeleton(root, skeleton)
    return skeleton


def _patch(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(data)
