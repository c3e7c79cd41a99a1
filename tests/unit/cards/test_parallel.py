"""Works side by side: what they make, and that they end together."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest

from pibramble.cards import base, child, parallel, shelf
from pibramble.errors import PibrambleError
from pibramble.progress import Progress, SilentProgress

SILENT = SilentProgress()


class Kitchen:
    """Works like the making of a base: a folder, and in it a program that takes its time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at_work = threading.Semaphore(0)
        self.began: list[str] = []

    def make(self, key: str, progress: Progress) -> Path:
        def build(scratch: Path) -> None:
            with progress.step(f"Making {key}"):
                self._sleep(scratch, key)

        return shelf.make(self.folder, key, key, lambda: self._load(key), build, progress)

    def _load(self, key: str) -> Path | None:
        path = self.folder / key
        return path if path.exists() else None

    def _sleep(self, scratch: Path, key: str) -> None:
        (scratch / shelf.LOG).write_text("began\n")
        self.began.append(key)
        with child.running(["sleep", "1000"]) as program:
            self.at_work.release()
            if program.wait() != 0:
                raise PibrambleError(f"{key} could not be made")

    def left(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path / "kitchen")


@contextmanager
def ended_soon() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 60, "the programs would have gone on for 1000 s"


def test_what_they_make_comes_in_their_order() -> None:
    both = threading.Barrier(2)

    def work(name: str, seconds: float, progress: Progress) -> str:
        with progress.step(name) as step:
            both.wait(20)  # alone, nobody would come here
            time.sleep(seconds)
            step.advance()
        return name

    assert parallel.run([partial(work, "slow", 0.2), partial(work, "quick", 0)], SILENT, at_once=2) == ["slow", "quick"]


def test_one_at_a_time_is_done_by_ourselves() -> None:
    def work(_progress: Progress) -> str:
        return threading.current_thread().name

    assert parallel.run([work, work], SILENT, at_once=1) == [threading.main_thread().name] * 2


def test_when_one_fails_the_other_is_undone_and_the_failure_told(kitchen: Kitchen) -> None:
    def fail(_progress: Progress) -> Path:
        assert kitchen.at_work.acquire(timeout=20)
        raise PibrambleError("no such package", hint="look for another")

    works: list[Callable[[Progress], Path]] = [partial(kitchen.make, "first"), fail, partial(kitchen.make, "never")]
    with ended_soon(), pytest.raises(PibrambleError, match="no such package"):
        parallel.run(works, SILENT, at_once=2)
    assert kitchen.left() <= {".lock-first", ".lock-never"}, "no folder, and no log of a failure that was none"
    assert "first" in kitchen.began


def test_ctrl_c_undoes_all(kitchen: Kitchen) -> None:
    def interrupt() -> None:
        assert kitchen.at_work.acquire(timeout=20)
        assert kitchen.at_work.acquire(timeout=20)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with ended_soon(), pytest.raises(KeyboardInterrupt):
        parallel.run([partial(kitchen.make, "first"), partial(kitchen.make, "second")], SILENT, at_once=2)
    thread.join()
    assert sorted(kitchen.began) == ["first", "second"]
    assert kitchen.left() == {".lock-first", ".lock-second"}


def test_a_work_between_two_programs_stops_at_its_next_step(kitchen: Kitchen) -> None:
    reached = []

    def busy(progress: Progress) -> Path:
        with progress.step("counting") as step:
            kitchen.at_work.release()
            while True:
                step.advance()
                time.sleep(0.01)
                reached.append(time.monotonic())

    def fail(_progress: Progress) -> Path:
        assert kitchen.at_work.acquire(timeout=20)
        raise PibrambleError("no such package")

    with pytest.raises(PibrambleError, match="no such package"):
        parallel.run([busy, fail], SILENT, at_once=2)
    ended = time.monotonic()
    assert reached
    assert reached[-1] <= ended


@attrs.frozen
class Disk:
    free: int


@pytest.mark.parametrize(("free_bytes", "count"), [(3_900_000_000, 1), (9_000_000_000, 2), (90_000_000_000, 3)])
def test_there_are_as_many_at_once_as_fit(monkeypatch: pytest.MonkeyPatch, free_bytes: int, count: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Disk(free_bytes))
    monkeypatch.setenv("TMPDIR", "/nowhere/at/all")
    assert base.at_once(3) == count


def test_there_are_no_more_at_once_than_processor_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    assert base.at_once(3) == 1
    assert base.at_once(0) == 1
