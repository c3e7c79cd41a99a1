"""Telnet, as far as a serial line behind a TCP port needs it: what comes taken apart, what goes put together.

RFC 854 (the protocol), RFC 856 (binary transmission), RFC 857 (echo), RFC 858 (suppress go-ahead), RFC 1143 (options
agreed on without loops). Nothing here touches a socket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, IntEnum, auto

import attrs

from pibramble.console.model import Enter
from pibramble.errors import PibrambleError

LONGEST_SUBNEGOTIATION_BYTES = 1024

_CR, _LF, _NUL = 13, 10, 0


class Code(IntEnum):
    """The commands after an IAC (RFC 854)."""

    SE = 240
    NOP = 241
    DM = 242
    BRK = 243
    IP = 244
    AO = 245
    AYT = 246
    EC = 247
    EL = 248
    GA = 249
    SB = 250
    WILL = 251
    WONT = 252
    DO = 253
    DONT = 254
    IAC = 255


class Option(IntEnum):
    """The options that we know."""

    BINARY = 0
    ECHO = 1
    SUPPRESS_GO_AHEAD = 3
    COM_PORT = 44  # RFC 2217


class TelnetError(PibrambleError):
    """What the other side says is no telnet."""


@attrs.frozen
class Command:
    """A command without an option, such as a break. `code` may be one that `Code` does not have."""

    code: int


@attrs.frozen
class Negotiation:
    """WILL, WONT, DO or DONT."""

    verb: Code
    option: int


@attrs.frozen
class Subnegotiation:
    """What an option says about itself."""

    option: int
    content: bytes


Event = bytes | Command | Negotiation | Subnegotiation

_VERBS = (Code.WILL, Code.WONT, Code.DO, Code.DONT)
_IAC = bytes((Code.IAC,))
_END_OF_LINE = re.compile(rb"\r[\n\0]?")


class _At(Enum):
    """Where in the stream the decoder stands."""

    DATA = auto()
    COMMAND = auto()  # an IAC has come
    OPTION = auto()  # a verb has come
    INSIDE = auto()  # a subnegotiation
    INSIDE_COMMAND = auto()  # an IAC in a subnegotiation


class Decoder:
    """Takes apart what a client sends."""

    def __init__(self, enter: Enter = Enter.CR) -> None:
        """Begin. `enter` is what the line wants for a telnet's end of line."""
        self.binary = False  # whether the client sends binary: then a CR is a CR
        self._enter = enter.bytes
        self._at = _At.DATA
        self._verb = Code.WILL
        self._inside = bytearray()
        self._after_cr = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield what is whole now; data in blocks. Raises TelnetError for a subnegotiation without an end."""
        at, end = 0, len(data)
        while at < end:
            if self._at in {_At.DATA, _At.INSIDE}:
                stop = data.find(_IAC, at)
                stop = end if stop < 0 else stop
                if stop > at:
                    yield from self._take(data[at:stop])
                if stop < end:
                    self._at = _At.COMMAND if self._at is _At.DATA else _At.INSIDE_COMMAND
                at = stop + 1
            else:
                yield from self._step(data[at])
                at += 1

    def _take(self, data: bytes) -> Iterator[bytes]:
        if self._at is _At.INSIDE:
            self._keep(data)
        elif text := data if self.binary else self._ends_of_lines(data):
            yield text

    def _step(self, byte: int) -> Iterator[Event]:
        at, self._at = self._at, _At.DATA
        match at:
            case _At.COMMAND if byte == Code.IAC:
                self._after_cr = False
                yield _IAC
            case _At.COMMAND if byte in _VERBS:
                self._verb, self._at = Code(byte), _At.OPTION
            case _At.COMMAND if byte == Code.SB:
                self._at = _At.INSIDE
                self._inside.clear()
            case _At.COMMAND:
                yield Command(byte)
            case _At.OPTION:
                yield Negotiation(self._verb, byte)
            case _At.INSIDE_COMMAND if byte == Code.SE:
                if self._inside:
                    yield Subnegotiation(self._inside[0], bytes(self._inside[1:]))
            case _At.INSIDE_COMMAND:  # a doubled IAC; any other command here is a mistake that costs one byte
                self._at = _At.INSIDE
                if byte == Code.IAC:
                    self._keep(_IAC)

    def _keep(self, data: bytes) -> None:
        self._inside += data
        if len(self._inside) > LONGEST_SUBNEGOTIATION_BYTES:
            raise TelnetError(f"a telnet subnegotiation of more than {LONGEST_SUBNEGOTIATION_BYTES} bytes")

    def _ends_of_lines(self, data: bytes) -> bytes:
        """Make CR LF and CR NUL, and a CR with neither, the line's own Enter; it must not wait for the second byte."""
        if self._after_cr and data[0] in (_LF, _NUL):
            data = data[1:]
            self._after_cr = False
        if not data:
            return data
        self._after_cr = data[-1] == _CR
        if b"\r" not in data:
            return data
        return _END_OF_LINE.sub(self._enter, data)


class Encoder:
    """Puts together what goes to a client."""

    def __init__(self) -> None:
        """Begin."""
        self.binary = False  # whether the client takes binary: then a CR is a CR
        self._after_cr = False

    def encode(self, data: bytes) -> bytes:
        """Return the line's bytes for the wire: IACs doubled; unless it is binary, a CR has its LF or NUL."""
        data = data.replace(_IAC, _IAC + _IAC)
        if self.binary or not data:
            return data
        before = b"\0" if self._after_cr and data[0] not in (_LF, _NUL) else b""
        self._after_cr = data[-1] == _CR  # its LF may come with the next block
        if b"\r" in data:
            lines = data.split(b"\r")
            rest = (line if line[:1] in (b"\n", b"\0") else b"\0" + line for line in lines[1:-1])
            last = lines[-1] if self._after_cr or lines[-1][:1] in (b"\n", b"\0") else b"\0" + lines[-1]
            data = b"\r".join((lines[0], *rest, last))
        return before + data


def negotiate(verb: Code, option: int) -> bytes:
    """Return WILL, WONT, DO or DONT for the wire."""
    return bytes((Code.IAC, verb, option))


def subnegotiate(option: int, content: bytes) -> bytes:
    """Return a subnegotiation for the wire."""
    inside = content.replace(_IAC, _IAC + _IAC)
    return bytes((Code.IAC, Code.SB, option)) + inside + bytes((Code.IAC, Code.SE))


class _Agreed(Enum):
    NO = auto()
    ASKED = auto()
    YES = auto()


class Options:
    """Which options are in force on either side; no answer is ever answered (RFC 1143)."""

    def __init__(self, ours: frozenset[int], theirs: frozenset[int]) -> None:
        """Be ready for options on our side and on the client's; all others are declined."""
        self._ready = {Code.DO: ours, Code.WILL: theirs}
        self._agreed: dict[tuple[Code, int], _Agreed] = {}

    def ask(self, ours: tuple[int, ...], theirs: tuple[int, ...]) -> bytes:
        """Return what asks for options."""
        asked = bytearray()
        for side, verb, options in ((Code.DO, Code.WILL, ours), (Code.WILL, Code.DO, theirs)):
            for option in options:
                if self._state(side, option) is _Agreed.NO:
                    self._agreed[side, option] = _Agreed.ASKED
                    asked += negotiate(verb, option)
        return bytes(asked)

    def ours(self, option: int) -> bool:
        """Tell whether an option is in force on our side."""
        return self._state(Code.DO, option) is _Agreed.YES

    def theirs(self, option: int) -> bool:
        """Tell whether an option is in force on the client's side."""
        return self._state(Code.WILL, option) is _Agreed.YES

    def hear(self, said: Negotiation) -> bytes:
        """Take what the client says of an option; return the answer, if there is one to give."""
        side = Code.DO if said.verb in (Code.DO, Code.DONT) else Code.WILL
        yes, no = (Code.WILL, Code.WONT) if side is Code.DO else (Code.DO, Code.DONT)
        before = self._state(side, said.option)
        if said.verb is side:
            ready = said.option in self._ready[side]
            if ready:
                self._agreed[side, said.option] = _Agreed.YES
            return negotiate(yes if ready else no, said.option) if before is _Agreed.NO else b""
        self._agreed[side, said.option] = _Agreed.NO
        return negotiate(no, said.option) if before is _Agreed.YES else b""

    def _state(self, side: Code, option: int) -> _Agreed:
        return self._agreed.get((side, option), _Agreed.NO)
