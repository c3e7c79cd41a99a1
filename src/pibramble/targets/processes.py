"""Processes known for certain: by id and start time, or by a label in their environment. Never by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

LABEL = "PIBRAMBLE_LAB"  # in the environment of everything that a lab starts; its value is the lab's folder

# Of /proc/PID/stat, counted behind the name (proc(5)).
_STATE_FIELD, _USER_TIME_FIELD, _SYSTEM_TIME_FIELD, _START_FIELD = 0, 11, 12, 19


@attrs.frozen
class Process:
    """A process that cannot be mistaken for another that got its number later."""

    pid: int
    started: int  # clock ticks since boot

    @classmethod
    def of(cls, pid: int) -> Process:
        """Take down a running process. Raises ProcessLookupError."""
        return cls(pid, int(_stat(pid)[_START_FIELD]))

    def alive(self) -> bool:
        """Say whether it still runs; a zombie does not."""
        try:
            fields = _stat(self.pid)
        except ProcessLookupError:
            return False
        return int(fields[_START_FIELD]) == self.started and fields[_STATE_FIELD] not in {"Z", "X"}

    def busy_s(self) -> float:
        """Return how much processor time it has had, all its threads together; 0 when it is gone."""
        try:
            fields = _stat(self.pid)
        except ProcessLookupError:
            return 0.0
        ticks = int(fields[_USER_TIME_FIELD]) + int(fields[_SYSTEM_TIME_FIELD])
        return ticks / os.sysconf("SC_CLK_TCK") if int(fields[_START_FIELD]) == self.started else 0.0

    def kill(self, *, timeout_s: float = 10) -> None:
        """End it (SIGKILL) and wait until it is gone. Raises PermissionError, TimeoutError."""
        deadline = time.monotonic() + timeout_s
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
        while self.alive():
            if time.monotonic() > deadline:
                message = f"process {self.pid} does not go away"
                raise TimeoutError(message)
            time.sleep(0.005)

    def children(self) -> list[int]:
        """Return the ids of its children."""
        try:
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        except OSError:
            return []
        return [int(word) for word in text.split()]

    def namespace(self, kind: str) -> str:
        """Return the identity of one of its namespaces, as `pid:[4026531836]`; empty when it is gone."""
        return namespace(self.pid, kind)


def namespace(pid: int, kind: str) -> str:
    """Return the identity of a namespace of process `pid`; empty when it is gone or not ours to ask."""
    try:
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    except OSError:
        return ""


def labelled(value: str) -> Iterator[int]:
    """Yield the ids of all processes that carry the label with this value."""
    wanted = f"{LABEL}={value}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:  # gone meanwhile, or another user's
                continue
            if wanted in environment.split(b"\0"):
                yield int(entry.name)


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise ProcessLookupError(pid) from None
    return text.rpartition(")")[2].split()
