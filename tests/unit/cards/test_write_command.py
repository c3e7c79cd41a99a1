"""`pibramble card write`, as a person types it: files and loop devices stand for cards."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from pibramble.errors import Exit
from tests.unit.cards.conftest import data
from tests.unit.cards.media import SYSTEM
from tests.unit.cards.test_build_command import Desk

NOT_BUILT = "zero3"


@attrs.frozen
class Typed:
    """A command in a terminal: what it shows is read, what a person types is written."""

    process: subprocess.Popen[bytes]
    terminal: int
    seen: bytearray

    def until(self, pattern: str, timeout_s: float = 30) -> str:
        """Read until the screen shows the pattern."""
        deadline = time.monotonic() + timeout_s
        while not (found := re.search(pattern.encode(), self.seen)):
            ready, _, _ = select.select([self.terminal], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, self.seen.decode()
            try:
                self.seen.extend(os.read(self.terminal, 65536))
            except OSError:  # it ended
                assert re.search(pattern.encode(), self.seen), self.seen.decode()
        text = self.seen.decode()
        del self.seen[: found.end()]
        return text

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())


@attrs.frozen
class Bench:
    desk: Desk
    slot: Path

    def card(self, size: int = 1_200_000_000, name: str = "slot") -> Path:
        path = self.desk.folder / name
        with path.open("wb") as file:
            file.truncate(size)
        return path

    def write(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("write", *words)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "pibramble", "card", *words]
        return subprocess.run(
            argv,
            cwd=self.desk.folder,
            env=self.desk.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def type(self, *words: str) -> Typed:
        ours, theirs = pty.openpty()
        argv = [sys.executable, "-m", "pibramble", "card", "write", *words]
        process = subprocess.Popen(
            argv,
            cwd=self.desk.folder,
            env=self.desk.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        return Typed(process, ours, bytearray())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Cards that are made once; nothing here changes them."""
    made = Desk(tmp_path_factory.mktemp("cards") / "desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIBRAMBLE_CACHE", made.environment["PIBRAMBLE_CACHE"])
        made.stock(0, with_head=True)
    done = made.build("head,zero[1-2]")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def bench(built: Desk) -> Bench:
    """What earlier tests put into slots is away."""
    for path in built.folder.iterdir():
        if path.name not in {"cluster.toml", "state", "cache"}:
            path.rmdir() if path.is_dir() else path.unlink()
    return Bench(built, built.folder / "slot")


def test_a_card_is_written_verified_and_recognised(bench: Bench) -> None:
    slot = bench.card()
    done = bench.write("zero1", str(slot), "--yes")
    assert done.returncode == Exit.OK, done.stderr
    assert "written and verified" in done.stderr
    assert "as planned" in bench.run("inspect", str(slot)).stdout
    assert "it holds the card of zero1, of the cluster xmas" in bench.write("zero2", str(slot), "--yes").stderr


def test_nobody_is_asked_where_nobody_is(bench: Bench) -> None:
    slot = bench.card()
    done = bench.write("zero1", str(slot))
    assert done.returncode == Exit.WRONG
    assert "--yes" in done.stderr
    assert slot.stat().st_blocks == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["zero1"], Exit.WRONG, "which card goes where"),
        (["--all"], Exit.WRONG, "--all goes with one word"),
        (["zero9", "slot"], Exit.WRONG, "zero9"),
        (["zero1", "zero2", "slot", "--yes"], Exit.WRONG, "pibramble card write zero1,zero2 slot"),
        (["zero1,zero2", "/dev/null", "--yes"], Exit.FAILED, "is no disk"),
        (["zero1", "empty", "--yes"], Exit.FAILED, "there is no card in"),
        ([NOT_BUILT, "slot", "--yes"], Exit.FAILED, "`pibramble card build zero3` makes it"),
        (["zero1", "nothing", "--yes"], Exit.FAILED, "No such file"),
        (["zero1", "/dev/null", "--yes"], Exit.FAILED, "is no disk"),
        (["zero1", "small", "--yes"], Exit.FAILED, "is too small"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(bench: Bench, words: list[str], code: Exit, said: str) -> None:
    slot, small = bench.card(), bench.card(1_000_000, "small")
    bench.card(0, "empty")
    done = bench.write(*words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert slot.stat().st_blocks == small.stat().st_blocks == 0


def test_whoever_says_no_keeps_what_is_there(bench: Bench) -> None:
    slot = bench.card()
    typed = bench.type("zero1", str(slot))
    typed.until(r"will be lost\. Write the card of zero1 .*\[y/N\]")
    typed.type("n\n")
    typed.until("nothing was written")
    assert typed.process.wait(10) == Exit.FAILED
    assert slot.stat().st_blocks == 0
    os.close(typed.terminal)


def test_all_cards_from_the_first_on_as_they_are_put_in(bench: Bench) -> None:
    """The slot is empty at first: the first card is waited for like the others."""
    assert bench.desk.build().returncode == Exit.OK
    names = ["head", "zero1", "zero2", "zero3"]
    typed = bench.type("--all", str(bench.slot), "--yes")
    for number, name in enumerate(names, start=1):
        typed.until(rf"put in the one for {name} \({number} of 4\)")
        if number > 1:
            bench.slot.rename(bench.desk.folder / names[number - 2])
        bench.card(name="next").rename(bench.slot)
        typed.until(f"is the card of {name}")
    assert typed.process.wait(10) == Exit.OK
    os.close(typed.terminal)
    bench.slot.rename(bench.desk.folder / "zero3")
    (bench.desk.store_of("zero3")).unlink()  # other tests want it not built
    for name in names:
        assert bench.run("inspect", name).stdout.startswith(f"{name} of xmas")


def test_an_empty_reader_is_waited_for_only_where_cards_come_one_after_another(bench: Bench) -> None:
    bench.card(0)
    assert "put one in" in bench.write("zero1", "slot", "--yes").stderr
    typed = bench.type("zero1,zero2", "slot", "--yes")
    typed.until(r"there is no card in slot: put in the one for zero1 \(1 of 2\)")
    os.killpg(typed.process.pid, signal.SIGINT)
    typed.until("written: none; not written: zero1, zero2")
    assert typed.process.wait(10) == Exit.INTERRUPTED
    os.close(typed.terminal)


def test_card_after_card_as_they_are_put_in(bench: Bench) -> None:
    slot = bench.card()
    typed = bench.type("zero[1-2]", str(slot), "--yes")
    typed.until(r"put in the one for zero2 \(2 of 2\)")
    slot.rename(bench.desk.folder / "first")
    bench.card(name="next").rename(slot)
    typed.until("is the card of zero2")
    assert typed.process.wait(10) == Exit.OK
    os.close(typed.terminal)
    first, second = (bench.run("inspect", name).stdout for name in ("first", "slot"))
    assert first.startswith("zero1 of xmas")
    assert second.startswith("zero2 of xmas")


def test_a_card_too_small_in_a_row_is_replaced_by_the_next(bench: Bench) -> None:
    slot = bench.card(1_000_000)
    typed = bench.type("zero[1-2]", str(slot), "--yes")
    typed.until("is too small")
    typed.until(r"put in the one for zero1 \(1 of 2\)")
    slot.rename(bench.desk.folder / "too small")  # kept, so that the next file is another one
    bench.card(name="next").rename(slot)
    typed.until("is the card of zero1")
    typed.until("put in the one for zero2")
    os.killpg(typed.process.pid, signal.SIGINT)
    typed.until("written: zero1; not written: zero2")
    assert typed.process.wait(10) == Exit.INTERRUPTED
    os.close(typed.terminal)


@pytest.fixture
def loop(bench: Bench) -> Iterator[Path]:
    """A loop device over a file, where this machine has them and lets us."""
    done = subprocess.run(
        ["losetup", "--find", "--show", str(bench.card())], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    yield Path(done.stdout.strip())
    subprocess.run(["losetup", "--detach", done.stdout.strip()], check=True)


def test_a_fixed_disk_is_written_only_when_told(bench: Bench, loop: Path) -> None:
    refused = bench.write("zero1", str(loop), "--yes")
    assert refused.returncode == Exit.FAILED
    assert "--not-removable" in refused.stderr
    done = bench.write("zero1", str(loop), "--yes", "--not-removable")
    assert done.returncode == Exit.OK, done.stderr
    assert "as planned" in bench.run("inspect", str(loop)).stdout


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("/boot", "this machine runs from {disk}: {name} is mounted on /boot"),
        ("/var", "this machine runs from {disk}: {name} is mounted on /var"),
        ("mounted", "{disk} is in use: {name} is mounted on {folder}/mounted"),
    ],
)
def test_a_disk_that_a_machine_runs_from_is_refused(bench: Bench, loop: Path, place: str, said: str) -> None:
    """A disk of the test's own is mounted where nobody else sees it: the machine's own is never named to `write`.

    That it would be refused as well, test_devices.py says, which only looks.
    """
    subprocess.run(["mkfs.ext4", "-q", loop], check=True, env=SYSTEM)
    before = data(bench.slot)
    (bench.desk.folder / "mounted").mkdir()
    script = f'mount -o ro "$1" {place} && exec "$2" -m pibramble card write zero1 "$1" --yes --not-removable'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(loop), sys.executable],
        cwd=bench.desk.folder,
        env=bench.desk.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == Exit.FAILED, done.stderr
    assert said.format(disk=loop, name=loop.name, folder=bench.desk.folder) in done.stderr
    assert data(bench.slot) == before


def test_a_disk_that_somebody_uses_is_refused(bench: Bench, loop: Path) -> None:
    holder = os.open(loop, os.O_RDWR | os.O_EXCL)
    try:
        done = bench.write("zero1", str(loop), "--yes", "--not-removable")
    finally:
        os.close(holder)
    assert done.returncode == Exit.BUSY
    assert "is in use" in done.stderr
