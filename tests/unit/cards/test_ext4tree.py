"""The reader of ext4, held against the tree that mkfs.ext4 was given and against debugfs."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from pibramble.cards.debugfs import Ext4Error
from pibramble.cards.ext4tree import Ext4Tree, Inode
from tests.unit.cards import disks
from tests.unit.cards.disks import run

LONG_TARGET = "a/long/way/to/somewhere/" * 5 + "there"
MANY = 3000  # names: more than one block, so that the folder is a hash tree


def opened(image: Path) -> Ext4Tree:
    return Ext4Tree(reader(image.read_bytes()))


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda at, length: data[at : at + length]


@pytest.fixture(scope="module", params=["64bit", "^64bit"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ext4Tree]:
    """A tree with one of everything, and the file system of it."""
    folder = tmp_path_factory.mktemp("tree")
    tree = disks.make_tree(folder / "tree", disks.TREE)
    many = tree / "var/many"
    many.mkdir(parents=True)
    for number in range(MANY):
        (many / f"a-name-that-fills-a-folder-{number}").touch()
    with (tree / "var/holes").open("wb") as sparse:
        for at in range(0, 40 * 64 * 1024, 64 * 1024):  # forty pieces: more extents than an inode holds
            sparse.seek(at)
            sparse.write(os.urandom(5000))
        sparse.truncate(40 * 64 * 1024 + 12_345)
    (tree / "usr/bin/sudo").write_text("sudo\n")
    (tree / "usr/bin/sudo").chmod(0o4755)
    (tree / "usr/bin/sudoedit").hardlink_to(tree / "usr/bin/sudo")
    (tree / "short").symlink_to("usr/bin/sudo")
    (tree / "long").symlink_to(LONG_TARGET)
    (tree / "loop").symlink_to("loop")
    (tree / "usr/lib").mkdir()
    (tree / "usr/lib/back").symlink_to("../../etc")
    image = disks.make_ext4(folder / "root.ext4", tree, "-O", request.param)
    capability = folder / "capability"
    capability.write_bytes(bytes.fromhex("0100000200200000000000000000000000000000"))
    orders = [
        f"ea_set -f {capability} /usr/bin/true security.capability",
        f"ea_set /usr/bin/true user.long {'x' * 600}",  # does not fit into the inode: a block of its own
        "mknod null c 1 3",
        "sif /etc/hostname uid 70000",
        "sif /etc/hostname uid_high 1",
    ]
    run("debugfs", "-w", "-f", "/dev/stdin", image, text="\n".join(orders))
    return tree, opened(image)


def walked(tree: Ext4Tree) -> dict[str, Inode]:
    return dict(tree.walk())


def test_everything_is_there_with_its_rights_and_times(made: tuple[Path, Ext4Tree]) -> None:
    folder, tree = made
    found = walked(tree)
    assert set(found) - {"/lost+found", "/null"} == {f"/{path.relative_to(folder)}" for path in folder.rglob("*")}
    for path, inode in found.items():
        if path in {"/lost+found", "/null", "/etc/shadow"}:
            continue
        real = (folder / path.strip("/")).lstat()
        assert inode.mode == real.st_mode, path
        assert inode.mtime_s == int(real.st_mtime), path
    assert stat.S_ISCHR(found["/null"].mode)
    assert (found["/etc/shadow"].mode, found["/etc/shadow"].gid) == (stat.S_IFREG | 0o640, 42)
    assert found["/etc/hostname"].uid >> 16 == 1


def test_content_is_that_of_the_files_holes_too(made: tuple[Path, Ext4Tree]) -> None:
    folder, tree = made
    for path, inode in tree.walk():
        if stat.S_ISREG(inode.mode):
            assert b"".join(tree.content(inode)) == (folder / path.strip("/")).read_bytes(), path


def test_links_of_both_kinds(made: tuple[Path, Ext4Tree]) -> None:
    found = walked(made[1])
    assert found["/usr/bin/sudo"].number == found["/usr/bin/sudoedit"].number
    assert found["/usr/bin/sudo"].links == 2
    assert made[1].target(found["/short"]) == "usr/bin/sudo"
    assert made[1].target(found["/long"]) == LONG_TARGET


def test_extended_attributes_in_the_inode_and_in_a_block(made: tuple[Path, Ext4Tree]) -> None:
    found = made[1].attributes(walked(made[1])["/usr/bin/true"])
    assert found["security.capability"].hex() == "0100000200200000000000000000000000000000"
    assert found["user.long"] == b"x" * 600


def test_folders_come_before_what_is_in_them(made: tuple[Path, Ext4Tree]) -> None:
    seen = {""}
    for path, inode in made[1].walk():
        assert path.rpartition("/")[0] in seen
        if stat.S_ISDIR(inode.mode):
            seen.add(path)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/etc/hostname", b"base\n"),
        ("/usr/lib/back/hostname", b"base\n"),
        ("/short", b"sudo\n"),
        ("/etc/../etc/./hostname", b"base\n"),
        ("/loop", None),
        ("/long", None),
        ("/etc", None),
        ("/etc/hostname/beyond", None),
    ],
)
def test_paths_are_followed_through_links(made: tuple[Path, Ext4Tree], path: str, content: bytes | None) -> None:
    assert made[1].read_file(path) == content


@pytest.mark.parametrize(("features", "named"), [("inline_data", "inline_data"), ("casefold", "casefold")])
def test_features_that_change_the_format_are_refused_by_name(tmp_path: Path, features: str, named: str) -> None:
    image = disks.make_ext4(tmp_path / "root", disks.make_tree(tmp_path / "tree", disks.TREE), "-O", features)
    with pytest.raises(Ext4Error, match=f"cannot be read here: {named}"):
        opened(image)


def test_files_kept_as_ext3_kept_them_are_refused(tmp_path: Path) -> None:
    image = disks.make_ext4(tmp_path / "root", disks.make_tree(tmp_path / "tree", disks.TREE), "-O", "^extent,^64bit")
    with pytest.raises(Ext4Error, match="as ext3 kept files"):
        opened(image).read_file("/etc/hostname")


def test_a_damaged_folder_ends_with_an_error_not_with_a_loop(tmp_path: Path) -> None:
    image = disks.make_ext4(tmp_path / "root", disks.make_tree(tmp_path / "tree", disks.TREE))
    said = disks.run("debugfs", "-R", "blocks /etc", image)
    data = bytearray(image.read_bytes())
    struct.pack_into("<H", data, int(said.split()[0]) * 4096 + 4, 0)  # the first entry's length
    with pytest.raises(Ext4Error, match="damaged"):
        dict(Ext4Tree(reader(bytes(data))).walk())


def test_a_name_that_would_lead_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    image = disks.make_ext4(tmp_path / "root", disks.make_tree(tmp_path / "tree", disks.TREE))
    run("debugfs", "-w", "-R", "mknod /etc/null c 1 3", image)  # debugfs takes the path for a name
    with pytest.raises(Ext4Error, match="damaged: a name"):
        walked(opened(image))


def test_links_on_the_way_are_found(made: tuple[Path, Ext4Tree]) -> None:
    for path, link in (("/usr/lib/back/ssh", "/usr/lib/back"), ("etc/ssh", None), ("/etc/nothing/here", None)):
        assert made[1].link_in(path) == link


def test_a_folder_in_two_places_is_told(tmp_path: Path) -> None:
    image = disks.make_ext4(tmp_path / "root", disks.make_tree(tmp_path / "tree", disks.TREE))
    run("debugfs", "-w", "-R", "ln /etc/ssh /usr/ssh", image)
    with pytest.raises(Ext4Error, match="is in two places"):
        walked(opened(image))
