"""From a tar archive to the parts of a base."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from pibramble.cards import bootstrap, rootfs
from pibramble.cards.recipe import BaseFile
from pibramble.errors import MissingError
from tests.unit.cards.disks import run, stat

TIME_S = 1_700_000_000


def entry(tar: tarfile.TarFile, name: str, content: str = "", **facts: object) -> None:
    made = tarfile.TarInfo(f"./{name}")
    made.mtime, made.mode, made.size = TIME_S - 5000, 0o644, len(content)
    for fact, value in facts.items():
        setattr(made, fact, value)
    tar.addfile(made, io.BytesIO(content.encode()))


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    try:
        bootstrap.check_user()
    except MissingError as error:
        pytest.skip(error.message)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "root.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for folder in (".", "etc", "etc/ssh", "boot", "boot/firmware", "usr", "usr/bin", "dev", "var", "var/log"):
            entry(tar, folder, type=tarfile.DIRTYPE, mode=0o755)
        entry(tar, "boot/firmware/config.txt", "arm_64bit=0\n")
        entry(tar, "boot/firmware/cmdline.txt", "console=tty0 root=/dev/sda1 rootwait\n")
        entry(tar, "usr/bin/sudo", "#!\n", mode=0o4755)
        entry(tar, "usr/bin/ping", "#!\n", mode=0o755, pax_headers={"SCHILY.xattr.user.pibramble": "seen"})
        entry(tar, "etc/shadow", "root:*:\n", mode=0o640, gid=42)
        entry(tar, "etc/mtab", type=tarfile.SYMTYPE, linkname="/proc/mounts")
        entry(tar, "etc/ssh/ssh_host_rsa_key", "secret\n", mode=0o600)
        entry(tar, "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        entry(tar, "var/log/dpkg.log", "built here\n")
    return path


def make(archive: Path, scratch: Path) -> rootfs.Parts:
    scratch.mkdir()
    return rootfs.make([archive], [BaseFile("/usr/local/bin/hello", "#!/bin/sh\n", 0o755)], "a-key", TIME_S, scratch)


def test_owners_modes_links_and_attributes_are_the_archives(archive: Path, tmp_path: Path) -> None:
    root = make(archive, tmp_path / "scratch").root
    assert "04755" in stat(root, "/usr/bin/sudo")
    assert "Group:    42" in stat(root, "/etc/shadow")
    assert 'Fast link dest: "/proc/mounts"' in stat(root, "/etc/mtab")
    assert 'user.pibramble (4) = "seen"' in stat(root, "/usr/bin/ping")
    assert "0755" in stat(root, "/usr/local/bin/hello")
    run("e2fsck", "-fn", root)


def test_nothing_in_a_base_belongs_to_one_node_or_to_the_building(archive: Path, tmp_path: Path) -> None:
    root = make(archive, tmp_path / "scratch").root
    assert run("debugfs", "-R", "cat /etc/machine-id", root) == ""
    for gone in ("/etc/ssh/ssh_host_rsa_key", "/var/log/dpkg.log"):
        said = subprocess.run(["debugfs", "-R", f"stat {gone}", root], capture_output=True, text=True, check=False)
        assert "File not found" in said.stderr


def test_the_boot_partitions_files_are_apart(archive: Path, tmp_path: Path) -> None:
    parts = make(archive, tmp_path / "scratch")
    assert (parts.boot / "config.txt").read_text() == "arm_64bit=0\n"
    assert (parts.boot / "cmdline.txt").read_text() == "console=tty0 rootwait root=/dev/mmcblk0p2\n"
    assert "config.txt" not in run("debugfs", "-R", "ls /boot/firmware", parts.root)


def test_the_same_archive_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    first, second = (make(archive, tmp_path / name).root.read_bytes() for name in ("one", "two"))
    assert first == second


def test_a_system_without_a_kernel_is_no_base(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        for folder in (".", "etc", "boot", "boot/firmware"):
            entry(tar, folder, type=tarfile.DIRTYPE, mode=0o755)
    with pytest.raises(rootfs.RootError, match="has no boot files"):
        make(tmp_path / "root.tar", tmp_path / "scratch")
    assert not (tmp_path / "scratch" / "tree").exists()
