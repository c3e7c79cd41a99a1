"""Chunks of output into lines, in time that grows with the bytes only."""

from __future__ import annotations

LONG = 64 * 1024  # a line that is longer comes in pieces: memory stays bounded, and nothing waits for ever


class LineSplitter:
    """Splits one stream."""

    def __init__(self) -> None:
        """Start at the beginning of a line."""
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that `chunk` completes, without their newlines."""
        first, newline, rest = chunk.partition(b"\n")
        self._parts.append(first)
        self._size += len(first)
        if not newline:
            return self.rest() if self._size >= LONG else []
        lines = [b"".join(self._parts)]
        if rest:
            lines += rest.split(b"\n")
            last = lines.pop()
        else:
            last = b""
        self._parts, self._size = [last] if last else [], len(last)
        return lines

    def rest(self) -> list[bytes]:
        """Return what stands there without a newline, if anything, and start anew."""
        line = b"".join(self._parts)
        self._parts, self._size = [], 0
        return [line] if line else []
