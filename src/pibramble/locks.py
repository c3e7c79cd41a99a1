"""One pibramble at a time where two would trip over each other, and who it is that holds the lock."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from pibramble import paths
from pibramble.errors import BusyError


@attrs.frozen
class Holder:
    """Who holds a lock."""

    pid: int
    verb: str


@contextmanager
def held(file: Path, verb: str, *, patience_s: float = 0, interrupt: str = "") -> Iterator[None]:
    """Hold the lock `file` while the block runs.

    Waits up to `patience_s` for another holder. A holder that is doing `interrupt` is sent SIGINT once, so that it
    cleans up and leaves. Raises BusyError that names the holder. The kernel lets go of the lock when we die.
    """
    paths.make_private(file.parent)
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        paths.give_to_owner(file)
        _take(handle, file, patience_s, interrupt)
        os.ftruncate(handle, 0)
        with suppress(OSError):  # a full disk: the others are not told who we are, but a lab can still be taken down
            os.pwrite(handle, json.dumps({"pid": os.getpid(), "verb": verb}).encode(), 0)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _take(handle: int, file: Path, patience_s: float, interrupt: str) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(handle)
            if interrupt and holder and holder.verb == interrupt:
                os.kill(holder.pid, signal.SIGINT)
                interrupt = ""
            if time.monotonic() > deadline:
                who = f"`{holder.verb}`, process {holder.pid}" if holder else "another pibramble"
                message = f"{who} is at work on this cluster"
                raise BusyError(message, hint=f"Wait until it is done, or end it. (The lock is {file}.)") from None
            time.sleep(0.05)
        else:
            return


def _holder(handle: int) -> Holder | None:
    try:
        return Holder(**json.loads(os.pread(handle, 4096, 0)))
    except (ValueError, TypeError):  # it has only just taken the lock
        return None
