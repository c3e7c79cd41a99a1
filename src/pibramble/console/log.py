"""The log of one line: a text file with a time before each line, rotated by size, readable by its owner only.

Escape sequences are taken out, so that a log can be shown with `cat`. What has come is written at once, the unfinished
line too: a broker that is killed leaves no hole but the time it was down. Only a line that may hold a secret waits
until it is whole and can be masked.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pibramble.console import masking
from pibramble.console.sequences import INCOMPLETE, readable
from pibramble.paths import make_private

LARGEST_BYTES = 8 << 20
KEPT_FILES = 7  # besides the one that is written: 64 MiB a line at most
LONGEST_LINE_BYTES = 4096  # longer ones are broken here: noise at the wrong speed has no line ends
RETRY_SECONDS = 1

FILE = "console.log"
HELD = "held-back"  # beside it while a line is held back: a broker that is killed then cannot say so itself

_UNPRINTABLE = bytes(set(range(32)) - set(b"\n\t")) + b"\x7f"
_STAMP = re.compile(rb"^\S+Z(?: |$)")
_MARK = re.compile(rb"--- .* ---")
_END_BYTES = 64 << 10
_LONG = re.compile(rb"[^\n]{%d}" % LONGEST_LINE_BYTES)


def stamp(seconds: float) -> str:
    """Return a time as the log has it: UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def last_line(folder: Path, longest: int = 200) -> str:
    """Return the last line that a device printed, from the end of its log; nothing where there is none to read."""
    try:
        with (folder / FILE).open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _END_BYTES))
            lines = stream.read().splitlines()
    except OSError:
        return ""
    if size > _END_BYTES:
        del lines[0]  # the rest of a line
    for line in reversed(lines):
        text = _STAMP.sub(b"", line).strip()
        if text and not _MARK.fullmatch(text):
            return text.decode(errors="replace")[:longest]
    return ""


class Log:
    """The log of one line."""

    def __init__(
        self,
        folder: Path,
        *,
        trouble: Callable[[str], None] = lambda _text: None,
        clock: Callable[[], float] = time.time,
        largest_bytes: int = LARGEST_BYTES,
    ) -> None:
        """Write below `folder`; `trouble` is told when nothing can be written, and when it can again."""
        self.path = folder / FILE
        self._trouble, self._clock, self._largest_bytes = trouble, clock, largest_bytes
        self._fd: int | None = None
        self._size = 0
        self._rest = b""  # of a sequence or a line end that is not whole yet
        self._line = b""  # the unfinished line, as far as it is written
        self._held = b""  # and what of it is held back, for it may hold a secret
        self._noted = False  # HELD is there
        self._whole = True  # the last byte that was written ends a line
        self._lost_bytes = 0
        self._lost_since = 0.0
        self._tried_at = 0.0

    def mark(self, text: str) -> None:
        """Write a line of our own: when a device came or went."""
        self.flush()
        self._write(self._ended() + f"{stamp(self._clock())} --- {text} ---\n".encode())

    def resume(self) -> None:
        """Say since when nothing was recorded, if there is a log from before."""
        held = self.path.with_name(HELD)
        with suppress(OSError):
            since = self.path.stat().st_mtime
            self._line = b"?" if not self._ends_whole() else b""
            lost = ", and an unfinished line, held back for it may hold a secret, is lost" if held.exists() else ""
            self.mark(f"nothing was recorded since {stamp(since)}{lost}")
            held.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Record what the device printed. Never raises: a full disk must not stop the line."""
        data = self._rest + data
        self._rest = b""
        if found := INCOMPLETE.search(data[-256:]) if b"\x1b" in data[-256:] or data.endswith(b"\xc2") else None:
            self._rest = data[len(data) - len(found[0]) :]
            data = data[: len(data) - len(found[0])]
        shown = readable(data)
        whole = shown.rstrip(b"\r")  # the LF may follow
        self._rest = shown[len(whole) :] + self._rest
        text = whole.replace(b"\r\n", b"\n")
        if b"\r" in text:
            text = re.sub(rb"\r+\n?", b"\n", text)
        self._text(text.translate(None, _UNPRINTABLE))

    def flush(self) -> None:
        """Write what is held back of an unfinished line: nothing more of it has come for a while."""
        held, self._held = self._held, b""
        if held:
            self._write(self._stamped(self._masked(held)))
            self._line += held
            self._note()

    def close(self) -> None:
        """Write what is held back, and close the file."""
        self.flush()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def holds_back(self) -> bool:
        """Tell whether `flush` has something to write."""
        return bool(self._held)

    def _text(self, text: bytes) -> None:
        if not text:
            return
        text = self._held + text
        self._held = b""
        if len(text) >= LONGEST_LINE_BYTES:
            text = _LONG.sub(rb"\g<0>\n", text)
        whole, end, rest = text.rpartition(b"\n")
        parts = []
        if end:
            parts.append(self._stamped(self._masked(whole + b"\n")))
            self._line = b""
        if rest:
            if masking.may_hold_a_secret(self._line + rest):
                self._held = rest
            else:
                parts.append(self._stamped(rest))
                self._line += rest
                if len(self._line) >= LONGEST_LINE_BYTES:
                    parts.append(self._ended())
        self._write(b"".join(parts))
        self._note()

    def _note(self) -> None:
        """Let HELD be there while something is held back."""
        if bool(self._held) is self._noted:
            return
        self._noted = not self._noted
        note = self.path.with_name(HELD)
        with suppress(OSError):
            if self._noted:
                make_private(note.parent)
                note.touch(0o600)
            else:
                note.unlink(missing_ok=True)

    def _masked(self, text: bytes) -> bytes:
        """Return text that follows the unfinished line with its secrets taken out."""
        if not masking.may_hold_a_secret(self._line + text):
            return text
        masked = masking.mask(self._line + text)
        return masked[len(self._line) :] if masked.startswith(self._line) else masking.mask(text)

    def _stamped(self, text: bytes) -> bytes:
        """Put the time before each line that begins in `text`."""
        now = f"{stamp(self._clock())} ".encode()
        begun = b"" if self._line else now
        if text.endswith(b"\n"):
            return begun + text[:-1].replace(b"\n", b"\n" + now) + b"\n"
        return begun + text.replace(b"\n", b"\n" + now)

    def _ended(self) -> bytes:
        """End the unfinished line."""
        line, self._line = self._line, b""
        return b"\n" if line else b""

    # --- The file ---

    def _write(self, data: bytes) -> None:
        if not data:
            return
        now = self._clock()
        if self._lost_bytes and now - self._tried_at < RETRY_SECONDS:
            self._lost_bytes += len(data)
            return
        self._tried_at = now
        try:
            if self._lost_bytes:
                self._append(self._hole())
                self._trouble(f"the log is written again; it says what is missing ({self.path})")
                self._lost_bytes = 0
            self._append(data)
        except OSError as error:
            if not self._lost_bytes:
                self._lost_since = now
                self._trouble(f"the log cannot be written: {error.strerror} ({self.path})")
            self._lost_bytes += len(data)

    def _hole(self) -> bytes:
        now = stamp(self._clock())
        between = f"{stamp(self._lost_since)} and {now}"
        broken = "" if self._whole else "\n"  # the disk may have filled up in the middle of a line
        return f"{broken}{now} --- {self._lost_bytes} bytes were not recorded between {between} ---\n".encode()

    def _append(self, data: bytes) -> None:
        too_large = self._size + len(data) > self._largest_bytes
        if self._fd is not None and too_large and self._size and self._whole:  # a line stays in one file
            self._rotate()
        if self._fd is None:
            make_private(self.path.parent)
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._fd).st_size
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            self._size += written
            self._whole = view[written - 1] == ord("\n")
            view = view[written:]

    def _rotate(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        for number in range(KEPT_FILES, 0, -1):
            older = self.path if number == 1 else self.path.with_name(f"{FILE}.{number - 1}")
            with suppress(FileNotFoundError):
                older.rename(self.path.with_name(f"{FILE}.{number}"))

    def _ends_whole(self) -> bool:
        with self.path.open("rb") as stream:
            if stream.seek(0, os.SEEK_END) == 0:
                return True
            stream.seek(-1, os.SEEK_END)
            return stream.read(1) == b"\n"
