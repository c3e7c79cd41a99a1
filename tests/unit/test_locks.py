"""One pibramble at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pibramble import locks
from pibramble.errors import BusyError

HOLD = """
import sys, time
from pathlib import Path
from pibramble import locks
with locks.held(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock"), "up"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_the_first_is(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(BusyError, match=f"`up`, process {holder.pid}"), locks.held(tmp_path / "lock", "down"):
        pass
    holder.kill()
    holder.wait()


def test_a_lock_whose_holder_was_killed_is_free(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with locks.held(tmp_path / "lock", "up"):
        pass


def test_down_interrupts_up_and_then_has_its_turn(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with locks.held(tmp_path / "lock", "down", patience_s=10, interrupt="up"):
        assert holder.wait(5) in {-signal.SIGINT, 1}


def test_only_the_named_verb_is_interrupted(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(BusyError), locks.held(tmp_path / "lock", "down", interrupt="run"):
        pass
    assert holder.poll() is None
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
