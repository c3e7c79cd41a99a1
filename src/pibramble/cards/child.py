"""A program that works for minutes: it ends with us, its children and all, however we end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pibramble import proc

_STOP_S = 60  # to remove what it has made
# The group is told, not the one process: mmdebstrap's own ignores signals and leaves it to its children to clean up.
# And the kernel tells it when we are killed and can tell nobody. The program is started before the trap is set: between
# its fork and its exec it would lose a signal that the shell has a trap for.
_ON_TERM = """"$@" & trap 'trap "" TERM; kill -TERM 0; wait; exit 143' TERM; wait $!"""
_ENDED_WITH_US = ("setpriv", "--pdeathsig", "TERM", "--", "sh", "-c", _ON_TERM, "sh")


class _Child:
    """A program at work, and the one order to stop that it gets: a second one would break off its cleaning up."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._lock = threading.Lock()
        self._told = False

    def tell(self) -> None:
        with self._lock:
            if not self._told and self.process.poll() is None:
                self._told = True
                self._signal(signal.SIGTERM)

    def await_end(self) -> None:
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has ended meanwhile, and another thread has waited for it
            os.killpg(self.process.pid, number)


_at_work: set[_Child] = set()


@contextmanager
def running(argv: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:  # noqa: ANN401 (Popen's own)
    """Start a program; whatever of it still runs when the block ends is told to stop, then killed."""
    child = _Child(proc.start([*_ENDED_WITH_US, *argv], stdin=subprocess.DEVNULL, process_group=0, **options))
    _at_work.add(child)
    try:
        yield child.process
    finally:  # as at Ctrl-C, or when the disk is full where its log goes
        child.tell()
        child.await_end()
        _at_work.discard(child)


def stop_all() -> None:
    """End all that runs now, in whatever thread; those who wait for it find that it has ended."""
    stopping = tuple(_at_work)
    for child in stopping:
        child.tell()
    for child in stopping:
        child.await_end()
