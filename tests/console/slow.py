"""A device that loses what is pasted too fast: it thinks after each line, and meanwhile its UART keeps 16 characters.

python -m tests.console.slow LINK        makes LINK lead to its pty, until Ctrl-C
"""

from __future__ import annotations

import os
import pty
import select
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FIFO_BYTES = 16  # a 16550's
THINKS_SECONDS = 0.03
PROMPT = b"slow#"


class Slow:
    """The device's side: bytes in, echo and prompts out."""

    def __init__(self, say: Callable[[bytes], None], thinks_seconds: float = THINKS_SECONDS) -> None:
        self._say, self._thinks_seconds = say, thinks_seconds
        self.lines: list[str] = []
        self.lost_bytes = 0
        self._line = bytearray()
        self._fifo = bytearray()
        self._busy_until = 0.0

    def power_on(self) -> None:
        """Clear the screen, and be there."""
        self._say(b"\x1b[H\x1b[2J" + PROMPT)

    def feed(self, data: bytes) -> None:
        """Take what comes; what comes while it thinks must fit into the FIFO."""
        if self.thinks:
            room = FIFO_BYTES - len(self._fifo)
            self._fifo += data[:room]
            self.lost_bytes += max(0, len(data) - room)
            return
        end = data.find(b"\r") + 1
        taken, rest = (data[:end], data[end:]) if end else (data, b"")
        for byte in taken:
            self._key(byte)
        if rest:
            self.feed(rest)

    def tick(self) -> None:
        """Let time pass."""
        if self._fifo and not self.thinks:
            waiting, self._fifo = bytes(self._fifo), bytearray()
            self.feed(waiting)

    @property
    def thinks(self) -> bool:
        return time.monotonic() < self._busy_until

    def _key(self, byte: int) -> None:
        if byte == ord("\r"):
            self.lines.append(self._line.decode())
            self._line.clear()
            self._say(b"\r\n" + PROMPT)
            self._busy_until = time.monotonic() + self._thinks_seconds
        elif byte == 3:
            self._line.clear()
            self._say(b"^C\r\n" + PROMPT)
        else:
            self._line.append(byte)
            self._say(bytes((byte,)))


@contextmanager
def plugged_in(thinks_seconds: float = THINKS_SECONDS) -> Iterator[tuple[Slow, str]]:
    """Give the device and the path of its pty, while the block runs."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    slow = Slow(lambda data: _write(master, data), thinks_seconds)
    ending = threading.Event()
    thread = threading.Thread(target=_run, args=(slow, master, ending), daemon=True)
    thread.start()
    try:
        yield slow, os.ttyname(slave)
    finally:
        ending.set()
        thread.join(5)
        os.close(master)
        os.close(slave)


def _run(slow: Slow, master: int, ending: threading.Event) -> None:
    while not ending.is_set():
        if select.select([master], [], [], 0.005)[0]:
            slow.feed(os.read(master, 65536))
        slow.tick()


def _write(master: int, data: bytes) -> None:
    while data:
        data = data[os.write(master, data) :]


def _main() -> None:
    link = Path(sys.argv[1])
    with plugged_in() as (slow, path):
        slow.power_on()
        link.symlink_to(path)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
        finally:
            link.unlink(missing_ok=True)


if __name__ == "__main__":
    _main()
