"""What a package lets a program do without being root comes through the namespace of whoever makes the base."""

from __future__ import annotations

import re
import struct
import subprocess
import sys

import pytest

from tests.bases.builder import make_builder

pytestmark = [pytest.mark.bases, pytest.mark.timeout(600)]

# linux/capability.h, revision 2: magic with the flag "effective", then permitted and inheritable, twice 32 bits.
_NET_RAW = 13
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << _NET_RAW, 0, 0, 0)

# A tar archive as an image's file system becomes one, and a root from it.
SCRIPT = """\
import sys, tarfile
from pathlib import Path
from pibramble.cards import rootfs

scratch, value = Path(sys.argv[1]), bytes.fromhex(sys.argv[2])
with tarfile.open(scratch / "in.tar", "w", format=tarfile.PAX_FORMAT) as tar:
    for path in ("etc", "etc/ssh", "boot", "boot/firmware", "usr", "usr/bin"):
        entry = tarfile.TarInfo(f"./{path}")
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
    for path in ("boot/firmware/config.txt", "boot/firmware/cmdline.txt", "usr/bin/ping"):
        entry = tarfile.TarInfo(f"./{path}")
        entry.mode = 0o755
        if path == "usr/bin/ping":
            entry.pax_headers = {"SCHILY.xattr.security.capability": value.decode("utf-8", "surrogateescape")}
        tar.addfile(entry)
rootfs.make([scratch / "in.tar"], (), "key", 1_700_000_000, scratch)
"""


def test_a_capability_is_on_the_card_as_in_the_archive(stranger: tuple[str, ...]) -> None:
    """In a user namespace the kernel writes another revision of it, which names that namespace's root."""
    builder = make_builder("capabilities", "", stranger)
    scratch = builder.folder / "scratch"
    builder.run("rm", "-rf", str(scratch))
    builder.run("mkdir", str(scratch))
    done = builder.run(sys.executable, "-c", SCRIPT, str(scratch), CAPABILITY.hex())
    assert done.returncode == 0, done.stderr
    argv = ["debugfs", "-R", "ea_get -x /usr/bin/ping security.capability", str(scratch / "root.ext4")]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert re.sub(r"\W", "", shown.partition("=")[2]) == CAPABILITY.hex(), shown
    builder.run("rm", "-rf", str(scratch))
