"""RFC 2217, the telnet option by which a client sets a serial line: what it asks for, and the answers.

Section numbers are the RFC's. Nothing here touches a socket or a device; `rfc2217_server` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from typing import Any

import attrs

from pibramble.console.model import Flow, Parity, Settings
from pibramble.console.telnet import Option, subnegotiate

_ANSWER = 100  # section 3: the server's commands are the client's, and 100


class Verb(IntEnum):
    """The client's commands (section 3)."""

    SIGNATURE = 0
    SET_BAUD = 1
    SET_DATA_SIZE = 2
    SET_PARITY = 3
    SET_STOP_SIZE = 4
    SET_CONTROL = 5
    NOTIFY_LINE_STATE = 6
    NOTIFY_MODEM_STATE = 7
    FLOW_SUSPEND = 8
    FLOW_RESUME = 9
    SET_LINE_STATE_MASK = 10
    SET_MODEM_STATE_MASK = 11
    PURGE = 12


class Control(IntEnum):
    """The values of SET_CONTROL (section 3)."""

    ASK_FLOW = 0
    FLOW_NONE = 1
    FLOW_SOFTWARE = 2
    FLOW_HARDWARE = 3
    ASK_BREAK = 4
    BREAK_ON = 5
    BREAK_OFF = 6
    ASK_DTR = 7
    DTR_ON = 8
    DTR_OFF = 9
    ASK_RTS = 10
    RTS_ON = 11
    RTS_OFF = 12
    ASK_INBOUND_FLOW = 13
    INBOUND_FLOW_NONE = 14
    INBOUND_FLOW_SOFTWARE = 15
    INBOUND_FLOW_HARDWARE = 16
    FLOW_DCD = 17
    INBOUND_FLOW_DTR = 18
    FLOW_DSR = 19


class LineState(IntFlag):
    """What has happened on the line (section 3, NOTIFY-LINESTATE)."""

    OVERRUN = 2
    PARITY_ERROR = 4
    FRAMING_ERROR = 8
    BREAK = 16
    SENDING_EMPTY = 32
    SHIFT_EMPTY = 64


class ModemState(IntFlag):
    """How the modem lines are, and which have changed (section 3, NOTIFY-MODEMSTATE)."""

    CTS_CHANGED = 1
    DSR_CHANGED = 2
    RI_FELL = 4
    CD_CHANGED = 8
    CTS = 16
    DSR = 32
    RI = 64
    CD = 128


MODEM_LINES = ModemState.CTS | ModemState.DSR | ModemState.RI | ModemState.CD


class Purge(IntFlag):
    """What is to be thrown away."""

    RECEIVED = 1
    UNSENT = 2


@attrs.frozen
class Signature:
    """The other side tells who it is; with an empty text it asks."""

    text: str


@attrs.frozen
class AskSettings:
    """The client wants to know a setting: `verb` says which."""

    verb: Verb


@attrs.frozen
class ChangeSettings:
    """The client wants another setting. None: one that no line of ours can have."""

    verb: Verb
    change: tuple[str, int | Parity] | None

    def applied(self, settings: Settings) -> Settings:
        """Return the settings as the client wants them."""
        changes: dict[str, Any] = dict([self.change]) if self.change else {}
        return attrs.evolve(settings, **changes)


@attrs.frozen
class SetControl:
    """The client asks for, or sets, flow control, the break or a modem line."""

    control: Control


@attrs.frozen
class AskState:
    """The client asks for the line's state or the modem lines."""

    verb: Verb


@attrs.frozen
class Suspend:
    """The client wants nothing more for now (`on`), or wants it again."""

    on: bool


@attrs.frozen
class SetMask:
    """The client says of which states it wants to hear."""

    verb: Verb
    mask: int


@attrs.frozen
class PurgeBuffers:
    """The client wants buffers emptied."""

    which: Purge


Request = Signature | AskSettings | ChangeSettings | SetControl | AskState | Suspend | SetMask | PurgeBuffers

INBOUND = frozenset(
    {
        Control.ASK_INBOUND_FLOW,
        Control.INBOUND_FLOW_NONE,
        Control.INBOUND_FLOW_SOFTWARE,
        Control.INBOUND_FLOW_HARDWARE,
        Control.INBOUND_FLOW_DTR,
    }
)

_PARITIES: Mapping[int, Parity] = {1: Parity.NONE, 2: Parity.ODD, 3: Parity.EVEN}  # mark and space we do not have
_PARITY_NUMBERS: Mapping[Parity, int] = {parity: number for number, parity in _PARITIES.items()}
_STOP_SIZES = (1, 2)  # 3 is one and a half, which we do not have
_DATA_SIZES = (5, 6, 7, 8)
_LOWEST_BAUD, _HIGHEST_BAUD = 50, 4_000_000  # outside of it no driver tries (asm-generic/termbits.h)
_BAUD_BYTES = 4


def parse(content: bytes) -> Request | None:
    """Return what a client's subnegotiation asks for; None for what the RFC does not have, to be passed over."""
    if not content or content[0] not in list(Verb):
        return None
    verb, value = Verb(content[0]), content[1:]
    if verb is Verb.SIGNATURE:
        return Signature(value.decode("ascii", "replace"))
    if verb in (Verb.FLOW_SUSPEND, Verb.FLOW_RESUME):
        return Suspend(on=verb is Verb.FLOW_SUSPEND)
    if len(value) < (_BAUD_BYTES if verb is Verb.SET_BAUD else 1):
        return AskState(verb) if verb in (Verb.NOTIFY_LINE_STATE, Verb.NOTIFY_MODEM_STATE) else None
    return _with_number(verb, int.from_bytes(value[:_BAUD_BYTES], "big") if verb is Verb.SET_BAUD else value[0])


def _with_number(verb: Verb, number: int) -> Request | None:
    match verb:
        case Verb.SET_BAUD | Verb.SET_DATA_SIZE | Verb.SET_PARITY | Verb.SET_STOP_SIZE:
            return ChangeSettings(verb, _change(verb, number)) if number else AskSettings(verb)
        case Verb.SET_CONTROL:
            return SetControl(Control(number)) if number in list(Control) else None
        case Verb.SET_LINE_STATE_MASK | Verb.SET_MODEM_STATE_MASK:
            return SetMask(verb, number)
        case Verb.PURGE:
            return PurgeBuffers(Purge(number)) if number in (1, 2, 3) else None
        case _:
            return AskState(verb)


def _change(verb: Verb, number: int) -> tuple[str, int | Parity] | None:
    match verb:
        case Verb.SET_BAUD:
            return ("baud", number) if _LOWEST_BAUD <= number <= _HIGHEST_BAUD else None
        case Verb.SET_DATA_SIZE:
            return ("data_bits", number) if number in _DATA_SIZES else None
        case Verb.SET_PARITY:
            return ("parity", _PARITIES[number]) if number in _PARITIES else None
        case _:
            return ("stop_bits", number) if number in _STOP_SIZES else None


def setting_answer(verb: Verb, settings: Settings) -> bytes:
    """Return the answer to SET_BAUD and the like: what the line really has now, as section 3 wants it."""
    match verb:
        case Verb.SET_BAUD:
            value = settings.baud.to_bytes(_BAUD_BYTES, "big")
        case Verb.SET_DATA_SIZE:
            value = bytes((settings.data_bits,))
        case Verb.SET_PARITY:
            value = bytes((_PARITY_NUMBERS[settings.parity],))
        case _:
            value = bytes((settings.stop_bits,))
    return answer(verb, value)


def flow_of(control: Control) -> Flow | None:
    """Return the flow control that is asked for; None for one that no line of ours can have."""
    return _FLOWS.get(control)


def flow_answer(flow: Flow, *, inbound: bool = False) -> bytes:
    """Return the answer about flow control, which is always the same both ways here."""
    control = next(control for control, known in _FLOWS.items() if known is flow and (control in INBOUND) is inbound)
    return answer(Verb.SET_CONTROL, bytes((control,)))


_FLOWS: Mapping[Control, Flow] = {
    Control.FLOW_NONE: Flow.NONE,
    Control.FLOW_SOFTWARE: Flow.SOFTWARE,
    Control.FLOW_HARDWARE: Flow.HARDWARE,
    Control.INBOUND_FLOW_NONE: Flow.NONE,
    Control.INBOUND_FLOW_SOFTWARE: Flow.SOFTWARE,
    Control.INBOUND_FLOW_HARDWARE: Flow.HARDWARE,
}


def answer(verb: Verb, value: bytes) -> bytes:
    """Return a server's subnegotiation for the wire."""
    return subnegotiate(Option.COM_PORT, bytes((verb + _ANSWER,)) + value)


def modem_state(lines: ModemState, before: ModemState) -> ModemState:
    """Return the lines together with what has changed since `before`."""
    changed = (lines ^ before) & MODEM_LINES
    deltas = ModemState((changed & ~ModemState.RI) >> 4)
    if before & ModemState.RI and not lines & ModemState.RI:
        deltas |= ModemState.RI_FELL  # "trailing edge"
    return lines & MODEM_LINES | deltas
