"""The person's own terminal, lent to a serial line: raw while it lasts, and given back on every way out."""

from __future__ import annotations

import asyncio
import os
import re
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pibramble.console.pasted import ASK_FOR_MARKS, Mode

# What a device's programs may have left switched on. DECSTBM and the origin mode send the cursor home: it is saved.
GIVEN_BACK = (
    b"\x1b[0m\x1b(B\x0f\x1b>\x1b[4l\x1b[?1l\x1b[?5l\x1b[?7h\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l"
    b"\x1b7\x1b[?6l\x1b[r\x1b8"
)

LARGEST_BUFFER_BYTES = 256 << 10

_ALTERNATE = re.compile(rb"\x1b\[\?(?:47|1047|1049)([hl])")


@contextmanager
def raw(fd: int) -> Iterator[None]:
    """Make a terminal raw while the block runs: Ctrl-C is a character like others. Not a terminal: do nothing."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSANOW)
        yield
    finally:
        with suppress(termios.error):  # the terminal has hung up
            termios.tcsetattr(fd, termios.TCSANOW, before)


class Output:
    """Writes to the terminal without ever waiting for it."""

    def __init__(self, fd: int, *, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Write to `fd`; `pause` and `resume` are told when the terminal is too slow."""
        self._marks: Mode | None = None
        self._pause, self._resume = pause, resume
        self._buffer = bytearray()
        self._paused = False
        self.alternate = False  # a full-screen program's screen is shown
        self._own = False
        self._fd = fd
        self._was_blocking = True
        if os.isatty(fd):
            # Opened anew: whether writing waits is a property of an opening, and this one is the shell's too.
            with suppress(OSError):
                self._fd, self._own = (
                    os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC),
                    True,
                )
        if not self._own:
            self._was_blocking = os.get_blocking(fd)
            os.set_blocking(fd, False)

    def write(self, data: bytes) -> None:
        """Write, now or when there is room."""
        if self._marks is not None:
            data = self._marks.kept(data)
        if b"\x1b[?" in data and (found := _ALTERNATE.findall(data)):
            self.alternate = found[-1] == b"h"
        self._put(data)

    def mark_pastes(self) -> None:
        """Let the terminal mark what is pasted, now and whatever the device says of it."""
        self._marks = Mode()
        self._put(ASK_FOR_MARKS)

    @property
    def marks_wanted(self) -> bool:
        """Tell whether the device's program has asked for marks itself."""
        return self._marks is not None and self._marks.wanted

    def _put(self, data: bytes) -> None:
        if self._buffer:
            self._buffer += data
        else:
            written = self._try(data)
            if written < len(data):
                self._buffer += data[written:]
                asyncio.get_running_loop().add_writer(self._fd, self._more)
        if len(self._buffer) > LARGEST_BUFFER_BYTES and not self._paused:
            self._paused = True
            self._pause()

    def clean(self) -> bytes:
        """Return what switches off all that the device switched on."""
        return (b"\x1b[?1049l" if self.alternate else b"") + GIVEN_BACK

    def close(self) -> None:
        """Give the terminal back, as it was."""
        if self._buffer:
            asyncio.get_running_loop().remove_writer(self._fd)
            self._buffer.clear()
        if os.isatty(self._fd):
            self._try(self.clean() + b"\r\n")
        if self._own:
            os.close(self._fd)
        else:
            with suppress(OSError):
                os.set_blocking(self._fd, self._was_blocking)

    def _more(self) -> None:
        written = self._try(bytes(self._buffer[:65536]))
        del self._buffer[:written]
        if not self._buffer:
            asyncio.get_running_loop().remove_writer(self._fd)
            if self._paused:
                self._paused = False
                self._resume()

    def _try(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:  # it has hung up; the input will say so too
            return len(data)
