"""The archive in the initramfs, as the real cpio reads it."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

from pibramble.targets.emulator import cpio
from pibramble.targets.emulator.cpio import Member
from tests.unit.files.readers import program

MEMBERS = {
    "pibramble/init": Member(b"#!/bin/sh\n", 0o755),
    "pibramble/run/systemd/network/10-a.link": Member(b"[Match]\n"),
    "empty": Member(b""),
}
BLOCK = 512


def unpack(archive: bytes, folder: Path) -> subprocess.CompletedProcess[bytes]:
    argv = [program("cpio"), "--extract", "--make-directories", "--no-absolute-filenames", "--quiet"]
    return subprocess.run(argv, input=archive, cwd=folder, capture_output=True, timeout=30, check=False)


def pack(folder: Path, *names: str) -> bytes:
    """Return an archive that the real program made."""
    argv = [program("cpio"), "--create", "--format=newc", "--quiet"]
    return subprocess.run(argv, input="\n".join(names).encode(), cwd=folder, capture_output=True, check=True).stdout


def test_cpio_unpacks_every_file_with_its_content_and_mode(tmp_path: Path) -> None:
    done = unpack(cpio.archive(MEMBERS), tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    found = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == {
        name: member.content for name, member in MEMBERS.items()
    }
    assert {name: stat.S_IMODE(path.stat().st_mode) for name, path in found.items()} == {
        name: member.mode for name, member in MEMBERS.items()
    }


def test_every_folder_stands_before_what_is_in_it_and_once(tmp_path: Path) -> None:
    # The kernel makes no folder that the archive does not name.
    argv = [program("cpio"), "--list", "--verbose", "--numeric-uid-gid", "--quiet"]
    listed = subprocess.run(argv, input=cpio.archive(MEMBERS), capture_output=True, cwd=tmp_path, check=True).stdout
    lines = [line.split() for line in listed.decode().splitlines()]
    names = [line[-1] for line in lines]
    assert [(line[0], line[-1]) for line in lines if line[0].startswith("d")] == [
        ("drwxr-xr-x", folder)
        for folder in (
            "pibramble",
            "pibramble/run",
            "pibramble/run/systemd",
            "pibramble/run/systemd/network",
        )
    ]
    assert names.index("pibramble/run/systemd/network") < names.index("pibramble/run/systemd/network/10-a.link")
    assert {(line[2], line[3]) for line in lines} == {("0", "0")}  # root's


def test_an_archive_behind_another_is_found_where_the_kernel_looks(tmp_path: Path) -> None:
    (tmp_path / "init").write_text("the card's own\n")
    # A compressed archive has any length; the one behind it must begin at a multiple of four.
    first = pack(tmp_path, "init") + b"\x1f"
    both = cpio.append(first, cpio.archive(MEMBERS))
    begin = both.index(b"070701", len(first))
    assert begin % 4 == 0
    assert not both[len(first) : begin].strip(b"\0")
    behind = tmp_path / "behind"
    behind.mkdir()
    assert unpack(both[begin:], behind).returncode == 0
    assert (behind / "pibramble/init").read_bytes() == b"#!/bin/sh\n"


def test_two_plain_archives_are_unpacked_one_over_the_other(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "init").write_text("the card's own\n")
    (source / "empty").write_text("not yet\n")
    both = cpio.append(pack(source, "init", "empty"), cpio.archive(MEMBERS))
    # cpio reads one archive and stops, so it is called for each; the first ends with a whole block.
    length = len(pack(source, "init", "empty"))
    assert length % BLOCK == 0
    for archive in both[:length], both[length:]:
        subprocess.run([program("cpio"), "-idu", "--quiet"], input=archive, cwd=target, capture_output=True, check=True)
    assert (target / "init").read_text() == "the card's own\n"
    assert (target / "empty").read_bytes() == b""


def test_an_archive_is_whole_blocks(tmp_path: Path) -> None:
    assert len(cpio.archive(MEMBERS)) % BLOCK == 0
    assert unpack(cpio.archive({}), tmp_path).returncode == 0
    assert not list(tmp_path.iterdir())
