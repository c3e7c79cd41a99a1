"""From tar archives of a root file system to an ext4 image and the files of its boot partition, without mounting.

Owners, modes, links and attributes are those of the archives. The same archives give the same bytes.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import attrs

from pibramble import proc
from pibramble.cards.bootstrap import as_root, pack
from pibramble.cards.recipe import BaseFile
from pibramble.cards.systems import BOOT_FOLDER
from pibramble.errors import PibrambleError

LABEL = "pibramble-root"

_MIB = 1024 * 1024
_TIMEOUT_S = 1800
_NAMESPACE = uuid.UUID("0d2b1e0c-9c0b-4c0f-8a53-6c1f6f0f7d55")  # of the ids that we derive from keys
_SPARE_BYTES = 256 * _MIB  # for what is put in at assembly, and for the first day if the root cannot grow
_PER_FILE_BYTES = 4096 + 256  # a block at most that is not full, and the inode
_STEP_BYTES = 64 * _MIB
_ROOT_INODE, _FIRST_INODE = 2, 11  # those between are the file system's own
_JOURNAL_MB = 16  # every card writes it anew when it is copied; a small system needs no 64

# Host keys, ids and seeds belong to a node, not to a base; logs and caches to nobody.
_REMOVED = (
    "etc/ssh/ssh_host_*",
    "etc/machine-id",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/apt/sources.list.d/0000*",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/cache/apt/*.bin",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dpkg/*-old",
    "var/log/*.log",
    "var/log/apt/*",
    "etc/*-",
)
_BUILDERS_OPTIONS = "etc/dpkg/dpkg.cfg.d/99mmdebstrap"
# Where this module changes a tree from outside: a link there would lead out of it, into this machine's own folders.
CHANGED_FOLDERS = tuple(sorted({str(Path(path).parent) for path in (*_REMOVED, _BUILDERS_OPTIONS)}))


class RootError(PibrambleError):
    """An archive that cannot be made into a root file system."""


@attrs.frozen
class Parts:
    """What a base is made of."""

    root: Path  # an ext4 image, sparse
    boot: Path  # a folder: what the boot partition holds


def make(  # noqa: PLR0913, PLR0917 (a base's own facts)
    archives: Sequence[Path],
    extra: Sequence[BaseFile],
    key: str,
    time_s: int,
    scratch: Path,
    boot_folder: str = BOOT_FOLDER,
) -> Parts:
    """Make the parts of a base in `scratch` from tar archives, each over the one before, and the `extra` files.

    `boot_folder` is where in the archives the boot partition's files are. Raises RootError, CommandFailedError.
    """
    tree = scratch / "tree"
    tree.mkdir()
    added = scratch / "late.tar"
    pack(extra, added, time_s)
    try:
        for part in (*archives, added):
            # No device can be made without root, and none is needed: the kernel fills /dev.
            unpack = ["tar", "--extract", "--numeric-owner", "--preserve-permissions", "--xattrs", "--xattrs-include=*"]
            where = ["--exclude=./dev/*", "--directory", str(tree), "--file", str(part)]
            proc.run([*as_root(), *unpack, *where], timeout_s=_TIMEOUT_S)
        _clean(tree)
        parts = Parts(scratch / "root.ext4", _take_boot(tree, boot_folder, scratch / "boot"))
        # What was changed here is as old as the mirror's index, as everything else that is made while building.
        newer = ["find", str(tree), "-newermt", f"@{time_s}", "-exec", "touch", "-h", "-d", f"@{time_s}", "{}", "+"]
        proc.run([*as_root(), *newer], timeout_s=_TIMEOUT_S)
        _make_ext4(tree, parts.root, key, time_s)
    finally:
        remove(tree)
    return parts


def remove(folder: Path) -> None:
    """Remove a folder with files of other users in it, as far as those are numbers that this user may use.

    Nothing that is mounted there is touched: it might be this machine's own.
    """
    if folder.exists():
        proc.run([*as_root(), "rm", "-rf", "--one-file-system", "--", str(folder)], timeout_s=_TIMEOUT_S)


def _clean(tree: Path) -> None:
    for pattern in _REMOVED:
        for path in tree.glob(pattern):
            if path.is_symlink() or not path.is_dir():
                path.unlink()
    # systemd.unit(5), "first boot": with an empty file a system that was never assembled gets an id of its own.
    machine_id = tree / "etc/machine-id"
    machine_id.touch()
    machine_id.chmod(0o444)
    # Kept for building only: on a board dpkg asks which of two configuration files is meant.
    kept = tree / _BUILDERS_OPTIONS
    if kept.is_file() and not kept.is_symlink():
        kept.write_text(re.sub(r"^force-.*\n", "", kept.read_text(encoding="utf-8"), flags=re.MULTILINE))


def _take_boot(tree: Path, boot_folder: str, boot: Path) -> Path:
    """Move the boot partition's files out of the tree; their mount point stays."""
    inside = tree / boot_folder.strip("/")
    if not (inside / "config.txt").exists():
        raise RootError("the base has no boot files: raspi-firmware has found no kernel")
    shutil.copytree(inside, boot)
    for path in inside.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    # raspi-firmware writes down where / was while building. Assembly names the card's own; this is true on most boards.
    command_line = boot / "cmdline.txt"
    words = [word for word in command_line.read_text(encoding="utf-8").split() if not word.startswith("root=")]
    command_line.write_text(" ".join([*words, "root=/dev/mmcblk0p2"]) + "\n", encoding="utf-8")
    return boot


def _make_ext4(tree: Path, image: Path, key: str, time_s: int) -> None:
    du = ["du", "--summarize", "--apparent-size", "--block-size=1"]
    counted = [proc.run([*as_root(), *du, *more, str(tree)], timeout_s=_TIMEOUT_S) for more in ([], ["--inodes"])]
    content, files = (int(done.stdout.split()[0]) for done in counted)
    needed = content + files * _PER_FILE_BYTES + _JOURNAL_MB * _MIB + _SPARE_BYTES
    size = -(-needed // _STEP_BYTES) * _STEP_BYTES
    with image.open("xb") as file:
        file.truncate(size)
    identity = [str(uuid.uuid5(_NAMESPACE, f"{what} {key}")) for what in ("file system", "hash seed")]
    argv = ["mkfs.ext4", "-q", "-F", "-b", "4096", "-L", LABEL, "-U", identity[0], "-J", f"size={_JOURNAL_MB}"]
    # Named, since the defaults differ between versions; all can be written by every debugfs that we may meet.
    features = ["-O", "extent,64bit,flex_bg,metadata_csum,^metadata_csum_seed,^orphan_file"]
    extended = ["-E", f"hash_seed={identity[1]},lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0,nodiscard"]
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(time_s), "E2FSPROGS_FAKE_TIME": str(time_s)}
    proc.run([*as_root(), *argv, *features, *extended, "-d", str(tree), str(image)], timeout_s=_TIMEOUT_S, env=env)
    _fix_times(image, time_s)


def _fix_times(image: Path, time_s: int) -> None:
    """Give every inode the times that no archive carries: when it was changed, made and last read."""
    env = {**os.environ, "E2FSPROGS_FAKE_TIME": str(time_s), "DEBUGFS_PAGER": "cat"}
    shown = proc.run(["debugfs", "-R", "stats", str(image)], env=env).stdout
    facts = dict(re.findall(r"^(Inode count|Free inodes):\s+(\d+)", shown, re.MULTILINE))
    last = int(facts["Inode count"]) - int(facts["Free inodes"])  # mkfs numbers inodes without gaps
    orders = "".join(
        # mtime is the archive's, which may carry nanoseconds or none.
        f"sif <{inode}> mtime_extra 0\n"
        + "".join(
            f"sif <{inode}> {name} @{time_s}\nsif <{inode}> {name}_extra 0\n" for name in ("ctime", "crtime", "atime")
        )
        for inode in (_ROOT_INODE, *range(_FIRST_INODE, last + 1))
    )
    done = proc.run(["debugfs", "-w", "-f", "-", str(image)], stdin=orders, timeout_s=_TIMEOUT_S, env=env)
    complaints = done.stderr.splitlines()[1:]  # the first line is its version
    if complaints:
        raise RootError("the times of the base's files could not be set", hint="\n".join(complaints[-4:]))
