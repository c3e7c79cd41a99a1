"""How work tells that it goes on: one line a step, and lines of what goes on side by side."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from pibramble.progress import PlainProgress, SilentProgress

SCRIPT = """
from pibramble.progress import TerminalProgress, for_terminal
progress = for_terminal()
assert isinstance(progress, TerminalProgress)
with progress.lines(["head", "zero1"]) as lines:
    lines.say("head", "kernel 3 s")
    lines.say("zero1", "kernel 4 s")
    lines.say("head", "kernel 3 s, systemd 9 s")
"""


def test_in_a_log_there_is_a_line_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainProgress().lines(["head", "zero1"]) as lines:
        lines.say("head", "kernel 3 s")
        lines.say("head", "kernel 3 s")
        lines.say("zero1", "kernel 4 s")
        lines.say("head", "kernel 3 s, systemd 9 s")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "head   kernel 3 s\nzero1  kernel 4 s\nhead   kernel 3 s, systemd 9 s\n"


def test_of_nothing_there_are_no_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainProgress().lines([]):
        pass
    assert capsys.readouterr() == ("", "")


def test_who_wants_silence_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    with SilentProgress().lines(["head"]) as lines:
        lines.say("head", "kernel 3 s")
    assert capsys.readouterr() == ("", "")


def seen(script: str) -> str:
    """Run a script in a terminal; return what stands there in the end: what was drawn after the last movement up."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=theirs, stdout=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # EIO: the other side has closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(20) == 0, shown.decode()
    last = re.split(r"\x1b\[1A\x1b\[2K|\r\x1b\[2K", shown.decode())[-1]
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last).replace("\r", "").strip()


def test_in_a_terminal_each_has_one_line_that_stays() -> None:
    text = seen(SCRIPT)
    assert [line.split("  ", maxsplit=1) for line in text.splitlines()] == [
        ["head", " kernel 3 s, systemd 9 s"],
        ["zero1", "kernel 4 s"],
    ]


SIDE_BY_SIDE = """
from threading import Barrier, Thread
from pibramble.progress import for_terminal
progress, both = for_terminal(), Barrier(2)

def head():
    with progress.step("Installing the head", total=236, unit="packages") as step:
        both.wait()
        step.advance(235, "the last but one")
        both.wait()

def worker():
    with progress.step("Installing a worker", total=167, unit="packages") as step:
        both.wait()
    with progress.step("Making its root"):
        both.wait()

threads = [Thread(target=head), Thread(target=worker)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_in_a_terminal_steps_that_go_on_side_by_side_stand_below_each_other() -> None:
    lines = [re.sub(r" *[━╸╺]+ *", "|", line).rstrip() for line in seen(SIDE_BY_SIDE).splitlines()]
    assert sorted(lines) == [
        "Installing a worker|167/167 0:00:00",
        "Installing the head|236/236 0:00:00",
        "Making its root|0:00:00",
    ]


@pytest.mark.parametrize(
    ("total", "unit", "said"), [(5, "nodes", " (5 nodes)"), (1, "nodes", " (1 node)"), (9, "B", "")]
)
def test_a_step_is_one_line_with_its_count_and_time(
    capsys: pytest.CaptureFixture[str], total: int, unit: str, said: str
) -> None:
    with PlainProgress().step("Making", total, unit) as step:
        step.advance()
        assert capsys.readouterr().err == ""
    assert re.fullmatch(rf"Making{re.escape(said)}: \d+\.\d\d s\n", capsys.readouterr().err)
