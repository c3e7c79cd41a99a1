"""Bad days of cards: real full disks, a real disk that fails, a build that is killed between base and card."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pibramble.errors import Exit
from tests.unit.cards import disks
from tests.unit.cards.test_build_command import Desk, desk  # noqa: F401 (a fixture)

needs_mounts = pytest.mark.skipif(os.getuid() != 0, reason="a small disk needs a mount of its own")


def with_small_disk(desk: Desk, place: Path, size: str, script: str) -> subprocess.CompletedProcess[str]:  # noqa: F811
    """Run a shell script where a disk of that size is mounted at `place`, for nobody else."""
    place.mkdir(parents=True, exist_ok=True)
    mount = f"mount -t tmpfs -o size={size} none '{place}' && {script}"
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", sys.executable],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@needs_mounts
def test_a_disk_that_is_full_while_cards_are_made_keeps_those_that_were_ready(desk: Desk) -> None:  # noqa: F811
    """Keys and one card fit, then something else takes the room: what is there is whole."""
    script = (
        '"$1" -m pibramble card build zero1 && head -c 30M /dev/zero >state/else; '
        '"$1" -m pibramble card build; echo "ended $?"; ls -A state/xmas/cards; '
        '"$1" -m pibramble card list; ls -A cache/*/.making* 2>/dev/null'
    )
    done = with_small_disk(desk, desk.folder / "state", "20m", script)
    assert f"the disk that holds {desk.folder}/state/xmas/cards is full" in done.stderr
    assert "ended 1" in done.stdout
    lines = done.stdout.splitlines()
    states = [line for line in lines if line.startswith(("head", "zero"))]
    assert "up to date" in done.stdout
    assert "not built" in done.stdout
    assert "damaged" not in done.stdout
    assert [name for name in lines if name.startswith(".") and name != ".lock"] == [], states


@needs_mounts
def test_a_disk_that_is_full_while_a_base_is_made_is_named_and_nothing_is_left(desk: Desk) -> None:  # noqa: F811
    """The programs that unpack and make file systems say it in their own words."""
    tree = disks.make_tree(desk.folder / "tree", {f"boot/firmware/{name}": text for name, text in disks.BOOT.items()})
    disks.run("tar", "--create", "--directory", tree, "--file", desk.folder / "root.tar", ".")
    (desk.folder / "making.py").write_text(MAKING)
    desk.environment["PIBRAMBLE_CACHE"] = str(desk.folder / "small")
    script = "\"$1\" making.py; find small -mindepth 1 -printf '%P\\n'"
    done = with_small_disk(desk, desk.folder / "small", "60k", script)
    assert f"the disk that holds {desk.folder}/small/bases is full" in done.stdout, done.stdout + done.stderr
    assert done.stdout.splitlines()[-2:] == ["bases", "bases/.lock-toy"]


MAKING = """
from pathlib import Path
from pibramble.cards import base, rootfs
from pibramble.errors import PibrambleError
from pibramble.progress import SilentProgress
try:
    base.make("toy", "a toy", lambda scratch: rootfs.make([Path("root.tar")], [], "toy", 0, scratch), SilentProgress())
except PibrambleError as error:
    print(error)
"""


KILLED = """
import time
from pibramble.cards import delta
from pibramble.cli.main import run
save = delta.save
def slowly(path, *rest):
    if path.name.startswith("zero2"):
        (path.parent / "now").touch()
        time.sleep(60)
    return save(path, *rest)
delta.save = slowly
run(["card", "build", "zero[1-2]"])
"""


def test_a_build_that_is_killed_between_base_and_card_is_gone_on_with(desk: Desk) -> None:  # noqa: F811
    """As a power cut would: what was made before it counts, what was at hand is made again."""
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED], cwd=desk.folder, env=desk.environment, stderr=subprocess.PIPE
    )
    sign = desk.folder / "state" / "xmas" / "cards" / "now"
    deadline = time.monotonic() + 30
    while not sign.exists() or not list(sign.parent.glob("zero1.delta")):
        assert child.poll() is None, child.stderr.read() if child.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.kill()
    child.wait()
    if child.stderr:
        child.stderr.close()
    sign.unlink()
    foundation = next((desk.folder / "cache" / "foundations").glob("trixie-*")).stat().st_mtime_ns
    assert desk.reused("zero[1-2]") == [True, False]
    assert next((desk.folder / "cache" / "foundations").glob("trixie-*")).stat().st_mtime_ns == foundation
    assert {path.name for path in sign.parent.iterdir()} == {".lock", "zero1.delta", "zero2.delta"}


@needs_mounts
def test_a_disk_that_has_less_room_than_it_says_is_found_when_the_kernel_says_so(desk: Desk) -> None:  # noqa: F811
    """A loop device over a file that its own disk has no room for: the kernel refuses the blocks."""
    assert desk.build("zero1").returncode == Exit.OK
    script = """
        truncate -s 1200M dying/file && disk=$(losetup --find --show dying/file) || { echo none; exit; }
        "$1" -m pibramble card write zero1 "$disk" --yes --not-removable; echo "ended $?"
        losetup --detach "$disk"
    """
    done = with_small_disk(desk, desk.folder / "dying", "100k", script)
    if done.stdout == "none\n":
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    assert "ended 1" in done.stdout, done.stdout + done.stderr
    assert re.search(r"/dev/loop\d+ is full.*: it is smaller than it says", done.stderr), done.stderr
    assert "The card is not usable as it is" in done.stderr
    assert "Traceback" not in done.stderr


@needs_mounts
def test_a_file_on_a_full_disk_is_no_card(desk: Desk) -> None:  # noqa: F811
    assert desk.build("zero1").returncode == Exit.OK
    script = 'truncate -s 1200M full/file; "$1" -m pibramble card write zero1 full/file --yes; echo "ended $?"'
    done = with_small_disk(desk, desk.folder / "full", "100k", script)
    assert "ended 1" in done.stdout
    assert "the disk that the file is on is full" in done.stderr
    assert "The card is not usable as it is" in done.stderr
