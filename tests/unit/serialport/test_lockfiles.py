"""Lock files as other serial programs write and honour them."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from pibramble.serialport import lockfiles

DEVICE = Path("/dev/ttyUSB99")


def test_the_file_is_as_minicom_and_pppd_read_it(tmp_path: Path) -> None:
    file = lockfiles.take(DEVICE, tmp_path)
    assert file == tmp_path / "LCK..ttyUSB99"
    assert file.read_text() == f"{os.getpid():10}\n"
    assert sorted(tmp_path.iterdir()) == [file]
    lockfiles.release(file)
    assert not list(tmp_path.iterdir())


def test_a_living_holder_is_named(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "30"]) as holder:
        while Path(f"/proc/{holder.pid}/comm").read_text() != "sleep\n":
            time.sleep(0.01)  # exec(2) closes Popen's pipe a moment before it gives the process its new name
        (tmp_path / "LCK..ttyUSB99").write_text(f"{holder.pid:10}\n")
        with pytest.raises(lockfiles.LockedError) as raised:
            lockfiles.take(DEVICE, tmp_path)
        holder.kill()
    assert str(raised.value.owner) == f"sleep, process {holder.pid}"


@pytest.mark.parametrize("content", ["", "garbage", "0\n", "-1\n"])
def test_the_lock_of_nobody_is_taken_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "LCK..ttyUSB99").write_text(content)
    assert lockfiles.take(DEVICE, tmp_path)


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    (tmp_path / "LCK..ttyUSB99").write_text(f"{dead.pid:10}\n")
    assert lockfiles.take(DEVICE, tmp_path)


def test_a_name_that_stays_has_the_lock_of_the_device_behind_it(tmp_path: Path) -> None:
    link = tmp_path / "by-path"
    link.symlink_to("/dev/null")
    assert lockfiles.file_of(link, tmp_path) == tmp_path / "LCK..null"


def test_a_pseudo_terminal_needs_none(tmp_path: Path) -> None:
    assert lockfiles.take(Path("/dev/pts/0"), tmp_path) is None


def test_a_folder_that_is_missing_is_no_obstacle(tmp_path: Path) -> None:
    assert lockfiles.take(DEVICE, tmp_path / "none") is None
