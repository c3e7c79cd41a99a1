"""Folders of control sockets: short, private, nobody else's."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pibramble.errors import PibrambleError
from pibramble.targets import sockets


def test_a_folder_is_short_and_each_labels_own() -> None:
    one, other = sockets.folder("/a/state", "a-cluster-with-a-long-name"), sockets.folder("/b/state", "xmas")
    assert one != other
    assert len(f"{one}/192.168.100.100.0123456789abcdef") < 107  # ssh makes it under such a name first


def test_a_folder_is_made_private_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "base" / "xmas"
    sockets.ensure(folder)
    (folder / "config").write_text("x")
    sockets.ensure(folder)
    assert (folder / "config").exists()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_enter_or_have_planted_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "base" / "xmas"
    sockets.ensure(folder)
    folder.chmod(0o755)
    with pytest.raises(PibrambleError, match="open to others"):
        sockets.ensure(folder)
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PibrambleError, match="open to others"):
        sockets.ensure(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder somebody else's")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "base" / "xmas"
    sockets.ensure(folder)
    os.chown(folder, 12345, 12345)
    with pytest.raises(PibrambleError, match="somebody else's"):
        sockets.ensure(folder)


def test_what_a_crash_left_is_removed_and_was_no_connection(tmp_path: Path) -> None:
    folder = tmp_path / "base" / "xmas"
    sockets.ensure(folder)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "192.168.7.1"))
    assert not sockets.end_all(folder)
    assert not folder.exists()
    assert not sockets.end_all(folder)
