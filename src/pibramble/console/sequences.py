"""The control sequences of a terminal's stream, found over whole blocks; and those that a restore must not repeat.

Names and numbers are those of ECMA-48 and of xterm's "Control Sequences" (ctlseqs).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_CSI = rb"(?:\x1b\[|\xc2\x9b)"
_STRING_BODY = rb"[^\x18\x1a\x1b]*"

# Everything that is no plain text. Lines end with LF, which is plain; CR, BS, TAB and BEL stay on their line.
TOKEN = re.compile(
    rb"(?P<csi>" + _CSI + rb"(?P<parameters>[\x30-\x3f]*)(?P<intermediates>[\x20-\x2f]*)(?P<final>[\x40-\x7e]))"
    rb"|(?P<osc>\x1b\][^\x07\x18\x1a\x1b]*(?:\x07|\x1b\\|[\x18\x1a]))"
    rb"|(?P<string>\x1b[PX^_]" + _STRING_BODY + rb"(?:\x1b\\|[\x18\x1a]))"
    rb"|(?P<escape>\x1b[\x20-\x2f]*[\x30-\x4f\x51-\x57\x59\x5a\x5c\x60-\x7e])"
    rb"|(?P<odd>\x1b|\xc2[\x80-\x9f])"  # broken, cut off, or of a kind that nobody uses
    rb"|(?P<control>[\x0b\x0c\x0e\x0f])"
)

_BEGINNING = re.compile(rb"[\x1b\xc2\x0b\x0c\x0e\x0f]")  # of a token; found ten times as fast as one

INCOMPLETE = re.compile(
    rb"(?:\x1b[\x20-\x2f]*|"
    + _CSI
    + rb"[\x20-\x3f]*|\x1b\][^\x07\x18\x1a\x1b]*\x1b?|\x1b[PX^_]"
    + _STRING_BODY
    + rb"\x1b?|\xc2)\Z"
)

# What makes a terminal answer. An answer to what was asked long ago would be typed into the device.
_QUERY = re.compile(
    rb"\x05"  # ENQ
    rb"|\x1bZ"  # DECID
    rb"|" + _CSI + rb"[0-9;]*c|" + _CSI + rb"[>=][0-9;]*c"  # DA1, DA2, DA3
    rb"|" + _CSI + rb"\??[0-9;]*n"  # DSR
    rb"|" + _CSI + rb"[0-9;]*x"  # DECREQTPARM
    rb"|" + _CSI + rb"\??[0-9;]*\$p"  # DECRQM
    rb"|" + _CSI + rb">[0-9;]*q"  # XTVERSION
    rb"|" + _CSI + rb"[0-9;]*\*y"  # DECRQCRA
    rb"|" + _CSI + rb"[0-9;]*\$w"  # DECRQPSR
    rb"|" + _CSI + rb"\?u"  # the kitty keyboard's flags
    rb"|" + _CSI + rb"(?:1[1-9]|2[01])(?:;[0-9;]*)?t"  # XTWINOPS that report
    rb"|\x1bP[$+]q[^\x18\x1a\x1b]*\x1b\\"  # DECRQSS, XTGETTCAP
    rb"|\x1b\](?:4|5|1[0-9]|52)(?:;[^\x07\x18\x1a\x1b;]*)*;\?(?:\x07|\x1b\\)"  # colours and the clipboard, asked for
)


def tokens(data: bytes) -> Iterator[re.Match[bytes]]:
    """Yield all tokens, in their order."""
    at = 0
    while begun := _BEGINNING.search(data, at):
        token = TOKEN.match(data, begun.start())
        if token:
            yield token
        at = token.end() if token else begun.end()


def without_queries(data: bytes) -> bytes:
    """Return a stream without what a terminal would answer."""
    return _QUERY.sub(b"", data)


def readable(data: bytes) -> bytes:
    """Return a stream without its control sequences."""
    return TOKEN.sub(b"", data) if b"\x1b" in data or b"\xc2" in data else data


def last_line(data: bytes, longest: int = 200) -> str:
    """Return the last line with something on it, as a person reads it: an overwritten line as it ended."""
    for line in reversed(readable(data[-4096:]).split(b"\n")):
        text = line.rstrip(b"\r").rsplit(b"\r", 1)[-1].decode(errors="replace")
        shown = "".join(character for character in text if character.isprintable()).rstrip()
        if shown.strip():
            return shown[-longest:]
    return ""
