"""Work of minutes on several things side by side, each in a thread; it ends together, however it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from pibramble.cards import child
from pibramble.progress import Lines, Progress, Step

_LOOK_AGAIN_S = 0.2

_Made = TypeVar("_Made")
Work = Callable[[Progress], _Made]


def run(works: Sequence[Work[_Made]], progress: Progress, *, at_once: int) -> list[_Made]:
    """Do all works, `at_once` at a time, and return what they made, in their order.

    When one of them raises, or Ctrl-C comes, the programs of the others are ended, and they too undo what they have
    begun before this raises the same. Works that run no program of `child.running` are waited for at their next step.
    """
    if at_once <= 1 or len(works) <= 1:
        return [work(progress) for work in works]
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait  # most builds find their bases made

    stopping = threading.Event()
    with ThreadPoolExecutor(at_once) as threads:
        doing = [threads.submit(work, _Stoppable(progress, stopping)) for work in works]
        try:
            wait(doing, return_when=FIRST_EXCEPTION)
            return [one.result() for one in doing if one.done()]  # all of them, or this raises what one has raised
        except BaseException:
            stopping.set()
            for one in doing:
                one.cancel()
            while not all(one.done() for one in doing):
                child.stop_all()  # again, for one may have been about to start its program
                wait(doing, _LOOK_AGAIN_S)
            raise


class _StoppedError(Exception):
    """Another work has failed, or Ctrl-C came. Nobody sees this: what it is raised for is told instead."""


class _Stoppable:
    """A progress whose steps end their work when it is to stop."""

    def __init__(self, progress: Progress, stopping: threading.Event) -> None:
        self._progress = progress
        self._stopping = stopping

    def _check(self) -> None:
        if self._stopping.is_set():
            raise _StoppedError

    @contextmanager
    def step(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Step]:
        self._check()
        with self._progress.step(title, total, unit) as step:
            try:
                yield _StoppableStep(step, self._check)
            except Exception:
                self._check()  # what fails because its program was ended is not a failure to be told, or to be logged
                raise
            self._check()

    @contextmanager
    def lines(self, names: Sequence[str]) -> Iterator[Lines]:
        self._check()
        with self._progress.lines(names) as lines:
            yield lines


class _StoppableStep:
    def __init__(self, step: Step, check: Callable[[], None]) -> None:
        self._step = step
        self._check = check

    def advance(self, units: int = 1, note: str = "") -> None:
        self._check()
        self._step.advance(units, note)
