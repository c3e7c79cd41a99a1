"""What a lab stands on, also where this machine's root is not the kernel's: in a chroot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

# In a mount namespace of its own: a chroot that differs from the machine in what lies in /mnt.
_CHROOT = """
set -e
mount --rbind / "$1"
mount --bind "$2" "$1/mnt"
exec chroot "$1" "$3" -c "$4"
"""
_LOOK = """
import subprocess
from pibramble.targets.lab import ground
keeper = ground.start_keeper("chroot", rootless=False)
try:
    subprocess.run([*ground.inside(keeper, rootless=False), "cat", "/mnt/where"], check=True)
finally:
    keeper.kill()
"""


def test_in_a_chroot_the_ground_is_the_chroot(tmp_path: Path) -> None:
    root, own = tmp_path / "root", tmp_path / "own"
    root.mkdir()
    own.mkdir()
    (own / "where").write_text("in the chroot")
    words = ["unshare", "--mount", "sh", "-c", _CHROOT, "sh", str(root), str(own), sys.executable, _LOOK]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "in the chroot"
