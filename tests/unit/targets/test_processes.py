"""A process is known by its number and its start time, or by the lab's label."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import attrs
import pytest

from pibramble.targets.processes import LABEL, Process, labelled


def test_a_running_process_is_alive_and_an_ended_one_is_not() -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    process = Process.of(sleeper.pid)
    assert process.alive()
    process.kill()
    assert not process.alive()
    sleeper.wait()
    assert not process.alive()


def test_another_process_with_the_same_number_is_not_taken_for_it() -> None:
    later = attrs.evolve(Process.of(os.getpid()), started=1)
    assert not later.alive()


def test_processor_time_is_what_a_process_has_had_and_not_what_has_passed() -> None:
    worker, sleeper = subprocess.Popen(["sh", "-c", "while :; do :; done"]), subprocess.Popen(["sleep", "60"])
    busy, idle = Process.of(worker.pid), Process.of(sleeper.pid)
    try:
        deadline = time.monotonic() + 60
        while busy.busy_s() < 0.2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert idle.busy_s() < 0.1
    finally:
        for child in (worker, sleeper):
            child.kill()
            child.wait()
    assert busy.busy_s() == 0


def test_taking_down_a_process_that_is_gone_says_so() -> None:
    sleeper = subprocess.Popen(["true"])
    sleeper.wait()
    with pytest.raises(ProcessLookupError):
        Process.of(sleeper.pid)


def test_processes_are_found_by_their_label_and_not_by_a_part_of_it() -> None:
    sleeper = subprocess.Popen(["sleep", "60"], env={**os.environ, LABEL: "/somewhere/xmas"})
    # The kernel closes Popen's pipe before it has laid out the new program's environment.
    while not Path(f"/proc/{sleeper.pid}/environ").read_bytes():
        time.sleep(0.001)
    try:
        assert list(labelled("/somewhere/xmas")) == [sleeper.pid]
        assert list(labelled("/somewhere/xm")) == []
    finally:
        sleeper.kill()
        sleeper.wait()
