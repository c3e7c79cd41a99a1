"""Bytes in blocks of any size, into sentences.

A serial line gives whatever it gives: half a sentence, noise, a binary protocol, or megabytes without a line's end. So
what is kept of it is bounded, and what is thrown away is counted. A sentence counts when its checksum is right, and no
other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# NMEA 0183 allows 82 characters, receivers of the day send up to 120 (Skytraq's $PSTI, RTK positions). gpsd draws the
# line at 130: what is longer are two sentences that ran into each other, at times with a right checksum (Garmin's GPS
# 10).
LONGEST = 130
_KEPT = 1024  # bytes of an unfinished sentence

# A sentence runs to the line's end or to the next `$`: that one begins anew, whatever was before. Lines of recorded
# logs that begin with `#` are remarks.
_PIECE = re.compile(rb"^#[^\n]*\n|\$([^$\r\n]+)[\r\n]|\$[^$\r\n]*(?=\$)", re.MULTILINE)


class Framer:
    """Finds the sentences in a stream of bytes. Use one for each stream."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._rest = b""
        self.bytes = 0
        self.sentences = 0
        self.wrong = 0
        self.foreign = 0

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Yield the sentences that this block completes, without `$` and checksum."""
        self.bytes += len(block)
        data = self._rest + block
        done = 0
        for piece in _PIECE.finditer(data):
            self.foreign += _substance(data[done : piece.start()])
            done = piece.end()
            body = piece[1]
            if body is None:  # a remark, or a sentence that was cut by the next one
                self.wrong += piece[0].startswith(b"$")
                continue
            content = checked(body)
            if content is None:
                self.wrong += 1
            else:
                self.sentences += 1
                yield content
        self._keep(data[done:])

    def _keep(self, rest: bytes) -> None:
        """Keep what may become a sentence, or a remark; count the rest as lost."""
        start = rest.rfind(b"$")
        remark = rest.startswith(b"#") or b"\n#" in rest
        if start < 0 and not remark:
            self.foreign += _substance(rest)
            self._rest = b"\n" if rest.endswith(b"\n") else b""  # `^` must know that a line ended here
            return
        if not remark:
            self.foreign += _substance(rest[:start])
            rest = rest[start:]
        if len(rest) > _KEPT:
            self.foreign += len(rest)
            rest = b""
        self._rest = rest


def _substance(junk: bytes) -> int:
    """Return how many bytes of it are more than the ends of lines."""
    return len(junk) - junk.count(b"\r") - junk.count(b"\n") if junk else 0


def checked(body: bytes) -> bytes | None:
    """Return what stands before the checksum when that is right, else None.

    The last `*` counts: text may hold others, and some receivers add something behind the checksum.
    """
    if len(body) > LONGEST:
        return None
    content, _, said = body.rpartition(b"*")
    try:
        right = int(said[:2], 16) == checksum(content) and len(said) > 1
    except ValueError:
        return None
    return content if right and content else None


def checksum(content: bytes) -> int:
    """Return all bytes XORed (NMEA 0183, 5.2.2): as one large number, halves upon halves, which takes few steps."""
    number = int.from_bytes(content, "big")
    width = 1 << max(3, (len(content) * 8 - 1).bit_length())
    while width > 8:  # noqa: PLR2004 (bits of a byte)
        width >>= 1
        number = (number >> width) ^ (number & ((1 << width) - 1))
    return number


def sentence(content: str | bytes) -> bytes:
    """Return a whole sentence: `$`, content, checksum, line's end."""
    raw = content.encode("ascii") if isinstance(content, str) else content
    return b"$%b*%02X\r\n" % (raw, checksum(raw))
