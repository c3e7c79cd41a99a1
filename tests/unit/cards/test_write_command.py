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
from tests.unit.cards.test_build_command import Desk, desk  # noqa: F401 (a fixture)

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


@pytest.fixture
def bench(desk: Desk) -> Bench:  # noqa: F811
    made = Bench(desk, desk.folder / "slot")
    done = desk.build("head,zero[1-2]")
    assert done.returncode == 0, done.stderr
    return made


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
        ([NOT_BUILT, "slot", "--yes"], Exit.FAILED, "`pibramble card build zero3` makes it"),
        (["zero1", "nothing", "--yes"], Exit.FAILED, "No such file"),
        (["zero1", "/dev/null", "--yes"], Exit.FAILED, "is no disk"),
        (["zero1", "small", "--yes"], Exit.FAILED, "is too small"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(bench: Bench, words: list[str], code: Exit, said: str) -> None:
    slot, small = bench.card(), bench.card(1_000_000, "small")
    done = bench.write(*words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert slot.stat().st_blocks == small.stat().st_blocks == 0


def test_the_disk_this_machine_runs_from_is_refused(bench: Bench) -> None:
    found = subprocess.run(
        ["findmnt", "-no", "SOURCE", "/"], capture_output=True, text=True, check=False
    ).stdout.strip()
    if not found.startswith("/dev/") or not Path(found).is_block_device():
        pytest.skip("this machine's root is on no disk that can be named")
    done = bench.write("zero1", found, "--yes", "--not-removable")
    assert done.returncode in {Exit.FAILED, Exit.MISSING}
    assert "this machine runs from" in done.stderr or "is a partition" in done.stderr or "sudo" in done.stderr


def test_whoever_says_no_keeps_what_is_there(bench: Bench) -> None:
    slot = bench.card()
    typed = bench.type("zero1", str(slot))
    typed.until(r"will be lost\. Write the card of zero1 .*\[y/N\]")
    typed.type("n\n")
    typed.until("nothing was written")
    assert typed.process.wait(10) == Exit.FAILED
    assert slot.stat().st_blocks == 0
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


def test_a_disk_that_somebody_uses_is_refused(bench: Bench, loop: Path) -> None:
    holder = os.open(loop, os.O_RDWR | os.O_EXCL)
    try:
        done = bench.write("zero1", str(loop), "--yes", "--not-removable")
    finally:
        os.close(holder)
    assert done.returncode == Exit.BUSY
    assert "is in use" in done.stderr
