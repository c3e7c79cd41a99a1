"""One pibramble at a time."""

from __future__ import annotations

import os
import resource
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


def test_a_full_disk_keeps_nobody_from_taking_a_lock(tmp_path: Path) -> None:
    def no_room() -> None:  # write(2) fails, as on a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    hold = HOLD.replace("time.sleep(60)", "")
    words = [sys.executable, "-B", "-c", hold, str(tmp_path / "lock"), "down"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, preexec_fn=no_room)
    assert done.stdout == "held\n", done.stderr
