"""vttest, the test of terminals, run as a person runs it; what it prints is recorded."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import termios
import time
from collections.abc import Sequence

from pibramble.console.emulation import Terminal

VTTEST = shutil.which("vttest")
QUIET_S = 0.1  # after which it may wait for a key
PATIENCE_S = 60  # for one menu


class _Answering(Terminal):
    """A terminal that answers what it is asked."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def write_process_input(self, data: str) -> None:
        os.write(self._fd, data.encode())


def record(*choices: str) -> bytes:
    """Return all that vttest prints while somebody works through a menu, Return after Return."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe("vttest", ["vttest", "24x80.80"], {**os.environ, "TERM": "vt100"})  # noqa: S606 (no shell)
    try:
        termios.tcsetwinsize(fd, (24, 80))
        return _work_through(fd, choices)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)


def _work_through(fd: int, choices: Sequence[str]) -> bytes:
    screen, recorded, waiting = _Answering(fd), b"", list(choices)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        recorded += (came := _until_quiet(fd, screen))
        asked = screen.display[screen.cursor.y][: screen.cursor.x].rstrip()
        if came and asked.endswith("<RETURN>"):
            os.write(fd, b"\r")
        elif came and "choice number" in asked:
            if not waiting:
                return recorded
            os.write(fd, waiting.pop(0).encode() + b"\r")
    raise AssertionError(_text(screen))


def _until_quiet(fd: int, screen: Terminal) -> bytes:
    came = b""
    while select.select([fd], [], [], QUIET_S)[0]:
        data = os.read(fd, 65536)
        came += data
        screen.feed(data)
    return came


def _text(screen: Terminal) -> str:
    return "\n".join(line.rstrip() for line in screen.display if line.strip())
