"""`pibramble card write` on a bad day: real devices that fail under it, Ctrl-C, a terminal that tells how it goes on.

A script comes before the command that lets happen at a certain moment what otherwise happens by chance.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibramble.cards.image import RawImage
from pibramble.errors import Exit
from tests.unit.cards.media import MIB, SYSTEM, DyingDisk, dying_disk
from tests.unit.cards.test_rot import where
from tests.unit.cards.test_write_command import Bench, bench, built  # noqa: F401 (fixtures)

_RUN = """
import sys
from pibramble.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def words(script: str, *command: str) -> list[str]:
    return [sys.executable, "-c", script + _RUN, "card", "write", *command, "--yes"]


def write(bench: Bench, script: str, *command: str, handles: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:  # noqa: F811
    return subprocess.run(
        words(script, *command),
        cwd=bench.desk.folder,
        env={**bench.desk.environment, "PATH": SYSTEM["PATH"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        pass_fds=handles,
    )


def disk_of(bench: Bench) -> Path:  # noqa: F811
    [disk] = (bench.desk.folder / "cache" / "foundations").glob("*-worker-*/disk.img")
    return disk


def has_partitions(card: Path) -> bool:
    """Let sfdisk say it."""
    return subprocess.run(["sfdisk", "--dump", card], capture_output=True, check=False, env=SYSTEM).returncode == 0


@pytest.fixture
def dying() -> Iterator[DyingDisk]:
    """A block device over memory, large enough for a card."""
    with dying_disk(400 * MIB) as disk:
        yield disk


_CHANGED_MEANWHILE = """
import os
from pibramble.cards import burn
verify = burn.verify
def later(*arguments):
    os.pwrite({memory}, b"rotten", {at})
    return verify(*arguments)
burn.verify = later
"""


def test_a_card_that_holds_something_else_afterwards_is_said_and_empty(bench: Bench, dying: DyingDisk) -> None:  # noqa: F811
    at = where(disk_of(bench))
    script = _CHANGED_MEANWHILE.format(memory=dying.memory, at=at)
    done = write(bench, script, "zero1", str(dying.path), "--not-removable", handles=(dying.memory,))
    assert done.returncode == Exit.FAILED, done.stderr
    assert os.pread(dying.memory, 6, at) == b"rotten"
    said = re.search(rf"{dying.path} does not hold what was written to it, between (\d+) MB and (\d+) MB", done.stderr)
    assert said, done.stderr
    assert int(said[1]) * 1e6 <= at + 5e5 <= int(said[2]) * 1e6 + 1e6
    assert "The card is worn out" in done.stderr
    assert "Traceback" not in done.stderr
    assert not has_partitions(dying.path)
    assert os.pread(dying.memory, MIB, 0) == bytes(MIB)


_SHRINKS = """
import os, subprocess, sys
from pibramble.cards.medium import OpenDisk
write = OpenDisk.write
def shrinking(self, offset, data):
    if offset <= {at} < offset + len(data) and os.fstat({memory}).st_size > {at}:
        os.truncate({memory}, {at})
        subprocess.run(["losetup", "--set-capacity", self.path], check=True)
    taken = write(self, offset, data)
    if taken < len(data):
        print("taken", taken, "of", len(data), file=sys.stderr)
    return taken
OpenDisk.write = shrinking
"""


def test_a_short_write_is_gone_on_with_until_the_kernel_says_that_there_is_no_more(
    bench: Bench,  # noqa: F811
    dying: DyingDisk,
) -> None:
    """The device becomes smaller in mid-write: the kernel takes what fits, then nothing."""
    at = (where(disk_of(bench)) // 4096 + 2) * 4096
    script = _SHRINKS.format(memory=dying.memory, at=at)
    done = write(bench, script, "zero1", str(dying.path), "--not-removable", handles=(dying.memory,))
    assert done.returncode == Exit.FAILED, done.stderr
    short = re.search(r"taken (\d+) of (\d+)", done.stderr)
    assert short, done.stderr
    assert 0 < int(short[1]) < int(short[2])
    assert f"{dying.path} is full at {at / 1e6:.3g} MB: it is smaller than it says" in done.stderr
    assert "The card is not usable as it is" in done.stderr
    assert not has_partitions(dying.path)


_SLOWLY = """
import time
from pathlib import Path
from pibramble.cards.medium import OpenDisk
write = OpenDisk.write
def slowly(self, offset, data):
    taken = write(self, offset, data)
    if offset >= 4 << 20:
        Path("now").touch()
    time.sleep(len(data) / {rate})
    return taken
OpenDisk.write = slowly
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_half_way_is_told_what_the_card_is_worth(bench: Bench, number: signal.Signals) -> None:  # noqa: F811
    slot, sign = bench.card(), bench.desk.folder / "now"
    assert bench.write("zero2", "slot", "--yes").returncode == Exit.OK
    assert has_partitions(slot)  # of a card that was whole before
    child = subprocess.Popen(
        words(_SLOWLY.format(rate=1e6), "zero1", "slot"),
        cwd=bench.desk.folder,
        env=bench.desk.environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not sign.exists():
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(number)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 128 + number, said
    assert "the card in slot is half written. The card is not usable as it is: write it again" in said
    assert "Traceback" not in said
    assert not has_partitions(slot)
    with slot.open("rb") as file:
        assert file.read(MIB) == bytes(MIB)


def test_a_terminal_shows_how_fast_and_how_long_without_what_is_only_zeros(bench: Bench) -> None:  # noqa: F811
    """On a card that takes 10 MB/s none of the rates is higher, though most of what must be zero takes no time."""
    bench.card()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        words(_SLOWLY.format(rate=1e7), "zero1", "slot"),
        cwd=bench.desk.folder,
        env={**bench.desk.environment, "TERM": "xterm", "COLUMNS": "140"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # it ended
            break
    os.close(ours)
    assert process.wait(10) == Exit.OK, shown.decode()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    rows = [line for line in re.split(r"[\r\n]+", text) if line.startswith("Writing slot")]
    told = [re.search(r"([\d.]+)/([\d.]+) (kB|MB) ([\d.]+) (kB|MB|GB)/s (\d+:\d\d:\d\d) left", row) for row in rows]
    rates = [float(match[4]) * {"kB": 1e3, "MB": 1e6, "GB": 1e9}[match[5]] for match in told if match]
    assert rates, rows
    assert max(rates) < 12e6, rows
    with RawImage(disk_of(bench)) as image:
        base_bytes = sum(extent.length for extent in image.extents())
    totals = {float(match[2]) * 1e6 for match in told if match}
    assert len(totals) == 1
    assert totals.pop() == pytest.approx(base_bytes, rel=0.3)
    said = re.search(r"is the card of zero1: ([\d.]+) MB written and verified", text)
    assert said
    assert float(said[1]) * 1e6 == pytest.approx(base_bytes, rel=0.3)


_NOBODY = 65_534


@pytest.mark.skipif(os.getuid() != 0, reason="who runs these tests is an ordinary user already, and so are all others")
def test_an_ordinary_user_writes_to_a_file_of_theirs(bench: Bench) -> None:  # noqa: F811
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))  # others may not enter pytest's
    try:
        home = folder / "desk"
        subprocess.run(["cp", "--archive", bench.desk.folder, home], check=True)
        subprocess.run(["chown", "-R", f"{_NOBODY}:{_NOBODY}", folder], check=True)
        slot = home / "card"
        with slot.open("wb") as file:
            file.truncate(1_200_000_000)
        names = {"PIBRAMBLE_STATE": "state", "PIBRAMBLE_CACHE": "cache", "HOME": "."}
        environment = {**os.environ, **{name: str(home / place) for name, place in names.items()}}

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-B", "-m", "pibramble", "card", *words],
                cwd=home,
                env=environment,
                user=_NOBODY,
                group=_NOBODY,
                extra_groups=[],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        refused = run("write", "zero1", "card", "--yes")
        assert refused.returncode == Exit.FAILED
        assert "is write-protected" in refused.stderr  # root's, as it was made above
        assert slot.stat().st_blocks == 0
        os.chown(slot, _NOBODY, _NOBODY)
        done = run("write", "zero1", "card", "--yes")
        assert done.returncode == Exit.OK, done.stderr
        assert "written and verified" in done.stderr
        assert "as planned" in run("inspect", "card").stdout
    finally:
        shutil.rmtree(folder)


_SMALL_BOOT = """
from pibramble.cards import layout
from pibramble.cards.layout import ALIGNMENT_BYTES as START, FAT32_LBA, LINUX, MIB, Layout, Partition
def small(*, boot_content_bytes, root_bytes):
    boot = Partition(FAT32_LBA, START, 36 * MIB)
    return Layout(boot, Partition(LINUX, boot.end, root_bytes))
layout.lay_out = small
import sys
from pathlib import Path
from pibramble.cards import fat
room = fat.FatVolume.put
def filled(self, path, data, time_s):
    return room(self, path, data + b"#" * (40 * MIB), time_s)
fat.FatVolume.put = filled
"""


def test_a_boot_partition_too_small_is_said_and_no_card_is_made(bench: Bench, tmp_path: Path) -> None:  # noqa: F811
    """Layouts are made with room to spare: so this one is cut down, and its files are made large."""
    environment = {**bench.desk.environment, "PIBRAMBLE_STATE": str(tmp_path / "state")}
    environment["PIBRAMBLE_CACHE"] = str(tmp_path / "cache")
    subprocess.run(["cp", "--archive", bench.desk.folder / "cache", tmp_path / "cache"], check=True)
    shutil.rmtree(tmp_path / "cache" / "foundations")
    done = subprocess.run(
        [sys.executable, "-c", _SMALL_BOOT + _RUN, "card", "build", "zero1"],
        cwd=bench.desk.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == Exit.FAILED, done.stderr
    said = r"the boot partition is too small: /\S+ needs 4\d{7} bytes, 3\d{7} are free\n +make room in it"
    assert re.search(said, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "state").rglob("*.delta"))
