"""Writing a node's files below a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pibramble.errors import PibrambleError, UsageError
from pibramble.files.write import write
from tests.unit.files.disks import Disks


def test_files_have_their_modes_whatever_the_umask(disk: Disks, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write(disk.nodes["head"], tmp_path, secrets=True)
    finally:
        os.umask(before)
    for file in disk.nodes["head"].files:
        path = tmp_path / file.path.lstrip("/")
        assert (path.read_text(), path.stat().st_mode & 0o7777) == (file.content, file.mode)
    for link in disk.nodes["head"].links:
        assert os.readlink(tmp_path / link.path.lstrip("/")) == link.target  # noqa: PTH115 (as it stands, unresolved)


def test_private_keys_stay_out_unless_asked_for(disk: Disks, tmp_path: Path) -> None:
    done = write(disk.nodes["head"], tmp_path, secrets=False)
    assert set(done.withheld) == {"/etc/pibramble/user_key", "/etc/ssh/pibramble_host_key"}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "PRIVATE KEY" in path.read_text()]


def test_edits_change_what_is_there_and_nothing_else(disk: Disks, tmp_path: Path) -> None:
    shadow = tmp_path / "etc" / "shadow"
    shadow.parent.mkdir()
    shadow.write_text("root:x:1::::::\n")
    shadow.chmod(0o640)
    done = write(disk.nodes["zero1"], tmp_path, secrets=False)
    assert "pi:*::" in shadow.read_text()
    assert shadow.stat().st_mode & 0o777 == 0o640
    assert done.unedited == ("/boot/firmware/config.txt",)


def test_writing_twice_is_writing_once(disk: Disks, tmp_path: Path) -> None:
    for _ in range(2):
        done = write(disk.nodes["aplus"], tmp_path, secrets=True)
    assert len(done.written) == len(disk.nodes["aplus"].files) + len(disk.nodes["aplus"].links)


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(disk: Disks, tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "etc").mkdir(parents=True)
    outside.write_text("mine\n")
    (root / "etc" / "resolv.conf").symlink_to(outside)
    write(disk.nodes["zero1"], root, secrets=False)
    assert outside.read_text() == "mine\n"
    assert "nameserver" in (root / "etc" / "resolv.conf").read_text()


def test_a_folder_that_leads_elsewhere_is_refused(disk: Disks, tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "etc").symlink_to(outside)
    with pytest.raises(PibrambleError, match="leads out of"):
        write(disk.nodes["zero1"], root, secrets=False)
    assert list(outside.iterdir()) == []


def test_this_machine_is_never_written_to(disk: Disks) -> None:
    with pytest.raises(UsageError, match="not to this machine"):
        write(disk.nodes["zero1"], Path("/tmp/.."), secrets=False)  # noqa: S108 (it is / by another name)


def test_a_file_in_the_place_of_the_folder_is_said_in_words(disk: Disks, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PibrambleError, match="file"):
        write(disk.nodes["zero1"], tmp_path / "file", secrets=False)
