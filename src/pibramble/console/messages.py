"""What the broker and its clients say to each other: frozen types, and their form on the wire.

One protocol for two ways in. On the Unix socket a frame is a byte (0: bytes of the line, 1: a message), four bytes of
length, big endian, and the content. On a WebSocket a binary frame holds bytes of the line and a text frame a message.
A message is a JSON object whose `type` names its class.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from enum import IntEnum, StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import attrs

from pibramble.console.model import Source, State
from pibramble.errors import Exit, PibrambleError

LARGEST_FRAME_BYTES = 1 << 20
WINDOW_BYTES = (
    16 << 10
)  # a client sends no more than this ahead of `Written`: its other messages are then never held up

LARGEST_PASTE_BYTES = 512 << 10  # nine minutes at 9600 baud; as JSON it still fits a frame


class MessageError(PibrambleError):
    """The other side said something that is no message."""


# --- What a client asks for ---


@attrs.frozen
class ListPorts:
    """Which ports are there? Answered by `Ports`."""


@attrs.frozen
class Attach:
    """Watch a port. Answered by `Attached`, then `Restored` and the bytes that restore the screen."""

    port: str
    name: str  # who it is, for the others: "ada in the shell"
    read_only: bool = False  # true: this client can never take control


@attrs.frozen
class Detach:
    """Watch it no longer."""


@attrs.frozen
class Take:
    """Take control: from now on this client writes, and nobody else."""


@attrs.frozen
class Release:
    """Give control back."""


@attrs.frozen
class Cancel:
    """Throw away what was sent and has not gone down the line yet. Answered by `Cancelled`."""


@attrs.frozen
class SendBreak:
    """Hold the line low; None: as long as the profile says."""

    seconds: float | None = None


@attrs.frozen
class ChangeSettings:
    """Change speed and framing until the broker ends; as "115200 8N1"."""

    settings: str


@attrs.frozen
class Press:
    """Run a hot button's steps."""

    button: str


@attrs.frozen
class Paste:
    """Send a text as slowly as the profile says; each newline is the Enter key. A long one is asked about first.

    Answered by `Pasting` until all of it has gone; `Cancel` stops it.
    """

    text: str
    bracketed: bool = False  # the device's program has asked for the marks of a bracketed paste


@attrs.frozen
class Answer:
    """What the person said to an `Ask`."""

    id: int
    yes: bool


@attrs.frozen
class OpenDevice:
    """Serve a device that the cluster file does not have. Answered by `Opened`."""

    device: str
    profile: str | None = None
    settings: str | None = None


@attrs.frozen
class WhereLog:
    """Where is the log of this port? Answered by `LogAt`."""


@attrs.frozen
class CountErrors:
    """How many errors and breaks has the driver counted? Answered by `ErrorCounts`."""


@attrs.frozen
class Watch:
    """Send every port's events, and `Ports` first, without attaching."""


Request = (
    ListPorts
    | Attach
    | Detach
    | Take
    | Release
    | Cancel
    | SendBreak
    | ChangeSettings
    | Press
    | Paste
    | Answer
    | OpenDevice
    | WhereLog
    | CountErrors
    | Watch
)


# --- What the broker says ---


@attrs.frozen
class ButtonShown:
    """A hot button, as its viewer sees it."""

    name: str
    label: str


@attrs.frozen
class PortStatus:
    """How a port is."""

    name: str
    device: str
    profile: str
    settings: str
    source: Source
    state: State
    reason: str  # why it is not open; empty when it is
    viewers: tuple[str, ...]
    writer: str | None
    last_line: str  # the last line with something on it, readable
    log: str  # the file that is written now
    logged_line: str = ""  # the last line of the log from before this broker


@attrs.frozen
class Ports:
    """All ports, in the order of the cluster file."""

    ports: tuple[PortStatus, ...]


@attrs.frozen
class Attached:
    """You watch this port from now on."""

    status: PortStatus
    buttons: tuple[ButtonShown, ...]
    enter: str  # what the Enter key sends: \r, \r\n, \r\0 or \n


@attrs.frozen
class Restored:
    """Reset the terminal: the line's next bytes, so many, restore the screen. What is live follows them."""

    bytes: int


@attrs.frozen
class Opened:
    """The device is served as this port."""

    port: str


@attrs.frozen
class Written:
    """So many more bytes have gone down the line."""

    bytes: int


@attrs.frozen
class Cancelled:
    """So many bytes were thrown away."""

    bytes: int


@attrs.frozen
class Pasting:
    """How far a paste is: told when it begins, now and then, and when all its bytes have gone."""

    bytes: int
    of_bytes: int
    lines: int
    of_lines: int


@attrs.frozen
class LogAt:
    """The log is this file."""

    path: str


@attrs.frozen
class ErrorCounts:
    """What the driver has counted since it was loaded; `known` is false where it does not count."""

    known: bool
    framing_errors: int = 0
    parity_errors: int = 0
    overruns: int = 0
    breaks: int = 0


@attrs.frozen
class StateChanged:
    """The device came, went, or is held by another program."""

    port: str
    state: State
    reason: str = ""


@attrs.frozen
class WriterChanged:
    """Somebody took control, or gave it back (None)."""

    port: str
    writer: str | None
    you: bool = False  # it is you who may write now


@attrs.frozen
class ViewersChanged:
    """Somebody came or went."""

    port: str
    viewers: tuple[str, ...]


@attrs.frozen
class SettingsChanged:
    """The line has another speed or framing."""

    port: str
    settings: str


@attrs.frozen
class Missed:
    """You read too slowly: so many bytes were left out. A fresh `Restored` follows."""

    bytes: int


@attrs.frozen
class Ask:
    """A hot button wants to know something before it goes on. Answered by `Answer`."""

    id: int
    question: str


@attrs.frozen
class Notice:
    """Something to be told to the person: the log cannot be written, a button ended."""

    port: str
    text: str


@attrs.frozen
class Refused:
    """What was asked for is not done."""

    message: str
    hint: str = ""
    what: str = ""  # the type of the request, or "data"
    code: int = int(Exit.FAILED)  # the exit code of a command that ends with this


Event = StateChanged | WriterChanged | ViewersChanged | SettingsChanged | Ask | Notice

Reply = (
    Ports
    | Attached
    | Restored
    | Opened
    | Written
    | Cancelled
    | Pasting
    | LogAt
    | ErrorCounts
    | Missed
    | Refused
    | Event
)

Message = Request | Reply


# --- Their form on the wire ---


class Kind(IntEnum):
    """The first byte of a frame."""

    DATA = 0
    MESSAGE = 1


_HEADER_BYTES = 5


def _type_name(cls: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


_REQUESTS: Mapping[str, type] = {_type_name(cls): cls for cls in get_args(Request)}
_REPLIES: Mapping[str, type] = {_type_name(cls): cls for cls in get_args(Reply)}


def encode(message: Message) -> str:
    """Return a message as JSON."""
    return json.dumps({"type": _type_name(type(message)), **attrs.asdict(message)}, ensure_ascii=False)


def decode_request(text: str | bytes) -> Request:
    """Return what a client asks for. Raises MessageError that says what is wrong with it."""
    request: Request = _decode(text, _REQUESTS)
    return request


def decode_reply(text: str | bytes) -> Reply:
    """Return what the broker says. Raises MessageError that says what is wrong with it."""
    reply: Reply = _decode(text, _REPLIES)
    return reply


def data_frame(data: bytes) -> bytes:
    """Return the frames, one or several, that carry bytes of the line on the Unix socket."""
    return b"".join(
        bytes((Kind.DATA,)) + len(part).to_bytes(4, "big") + part
        for part in (data[at : at + LARGEST_FRAME_BYTES] for at in range(0, len(data), LARGEST_FRAME_BYTES))
    )


def message_frame(message: Message) -> bytes:
    """Return the frame that carries a message on the Unix socket."""
    content = encode(message).encode()
    return bytes((Kind.MESSAGE,)) + len(content).to_bytes(4, "big") + content


class Frames:
    """Takes a Unix socket's stream apart into frames."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Yield the frames that are whole now. Raises MessageError at the first that cannot be one."""
        rest = self._rest
        rest += data
        at = 0
        while len(rest) - at >= _HEADER_BYTES:
            kind, length = rest[at], int.from_bytes(rest[at + 1 : at + _HEADER_BYTES], "big")
            if kind not in list(Kind):
                raise MessageError(
                    f"a frame of the unknown kind {kind}", hint="does the other side speak this protocol?"
                )
            if length > LARGEST_FRAME_BYTES:
                raise MessageError(f"a frame of {length:,} bytes; {LARGEST_FRAME_BYTES:,} are the most")
            end = at + _HEADER_BYTES + length
            if len(rest) < end:
                break
            yield Kind(kind), bytes(rest[at + _HEADER_BYTES : end])
            at = end
        del rest[:at]


def _decode(text: str | bytes, known: Mapping[str, type]) -> Any:  # noqa: ANN401 (one of `known`)
    if len(text) > LARGEST_FRAME_BYTES:
        raise MessageError(f"a message of {len(text):,} bytes; {LARGEST_FRAME_BYTES:,} are the most")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise MessageError("this is no JSON") from None
    if not isinstance(said, dict):
        raise MessageError("a message is a JSON object")
    cls = known.get(name) if isinstance(name := said.pop("type", None), str) else None
    if cls is None:
        raise MessageError(f"unknown message type {json.dumps(name)[:80]}", hint=f"known: {', '.join(known)}")
    return _object(said, cls, str(name))


def _object(said: object, cls: type, where: str) -> Any:  # noqa: ANN401 (a `cls`)
    if not isinstance(said, dict):
        raise MessageError(f"{where}: an object is expected")
    types = _types(cls)
    if unknown := next((key for key in said if key not in types), None):
        raise MessageError(f"{where}: unknown key {json.dumps(unknown)[:80]}", hint=f"known: {', '.join(types)}")
    values = {key: _value(value, types[key], f"{where}.{key}") for key, value in said.items()}
    for field in attrs.fields(cls):
        if field.default is attrs.NOTHING and field.name not in values:
            raise MessageError(f"{where}: `{field.name}` is missing")
    return cls(**values)


def _value(value: object, expected: Any, where: str) -> Any:  # noqa: ANN401 (JSON's types, and ours)
    if get_origin(expected) in {Union, UnionType}:
        if value is None:
            return None
        expected = next(part for part in get_args(expected) if part is not NoneType)
    if get_origin(expected) is tuple:
        if not isinstance(value, list):
            raise MessageError(f"{where}: a list is expected")
        return tuple(_value(item, get_args(expected)[0], where) for item in value)
    if attrs.has(expected):
        return _object(value, expected, where)
    if issubclass(expected, StrEnum):
        if value not in list(expected):
            raise MessageError(f"{where}: one of {', '.join(expected)} is expected")
        return expected(value)
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is not expected:
        raise MessageError(f"{where}: a {expected.__name__} is expected")
    return value


@cache
def _types(cls: type) -> Mapping[str, Any]:
    attrs.resolve_types(cls)
    return {field.name: field.type for field in attrs.fields(cls)}
