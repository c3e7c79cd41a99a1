"""Whether programs of other processors run here: asked of the kernel, and told with the line that brings it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pibramble.errors import Exit
from tests.unit.cards.test_build_command import Desk, desk  # noqa: F401 (a fixture)

ZERO_2W = '[cluster]\nname = "xmas"\n\n[[workers]]\nname = "two"\nboard = "pi-zero-2w"\n'  # its base is not there

_SHARED = 77  # the scripts' own code: this kernel has one binfmt_misc for all
# It belongs to a user namespace (Linux 6.7): one of its own that is empty hides what this machine has set.
_OWN = f"mount -t binfmt_misc none /proc/sys/fs/binfmt_misc || exit {_SHARED}"
_EMPTY = f'{_OWN}; exec "$@"'
_HIDDEN = f'{_OWN}; mount -t tmpfs none /proc/sys/fs/binfmt_misc; exec "$@"'


def build(desk: Desk, *before: str, path: str = "") -> subprocess.CompletedProcess[str]:  # noqa: F811
    desk.write(ZERO_2W)
    return subprocess.run(
        [*before, sys.executable, "-m", "pibramble", "card", "build", "two"],
        cwd=desk.folder,
        env={**desk.environment, **({"PATH": path} if path else {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(desk: Desk, done: subprocess.CompletedProcess[str], why: str, cure: str) -> None:  # noqa: F811
    if done.returncode == _SHARED:
        pytest.skip(f"this kernel has one binfmt_misc for all: {done.stderr.strip()}")
    assert done.returncode == Exit.MISSING, done.stderr
    assert "this machine cannot run programs for arm64" in done.stderr
    assert why in done.stderr
    assert cure in done.stderr
    assert "Traceback" not in done.stderr
    bases = desk.folder / "cache" / "bases"
    assert not [path for path in bases.iterdir() if "arm64" in path.name and not path.name.startswith(".lock")]


@pytest.mark.parametrize(
    ("script", "why", "cure"),
    [
        (_EMPTY, "the kernel does not give such programs to qemu-aarch64", "sudo update-binfmts --enable qemu-aarch64"),
        (_HIDDEN, "binfmt_misc is not mounted", "sudo mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc"),
    ],
    ids=["empty", "not mounted"],
)
def test_a_kernel_that_knows_no_emulator(desk: Desk, script: str, why: str, cure: str) -> None:  # noqa: F811
    done = build(desk, "unshare", "-Urm", "sh", "-c", script, "sh")
    refused(desk, done, why, cure)


def test_without_the_programs_their_packages_are_named(desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    """On a search path that has all of this machine's programs but these."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in Path("/usr/bin").iterdir():
        if not program.name.startswith(("arch-test", "qemu-")):
            (programs / program.name).symlink_to(program)
    packages = "qemu-user-static binfmt-support"
    lacking = build(desk, path=str(programs))
    refused(desk, lacking, "arch-test is not installed", f"sudo apt-get install arch-test {packages}")
    (programs / "arch-test").write_text("#!/bin/sh\nexit 1\n")
    (programs / "arch-test").chmod(0o755)
    lacking = build(desk, path=str(programs))
    refused(desk, lacking, "qemu-aarch64 is not installed", f"sudo apt-get install {packages}")
