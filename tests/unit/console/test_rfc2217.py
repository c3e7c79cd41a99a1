"""What a client asks a serial line for is understood as pyserial says it, and answered by what the line really has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serial import rfc2217 as pyserial

from pibramble.console import rfc2217
from pibramble.console.model import Flow, Parity, Settings
from pibramble.console.rfc2217 import AskSettings, Control, ModemState, Purge, Verb
from pibramble.console.telnet import Decoder, Subnegotiation


def content(wire: bytes) -> bytes:
    [event] = Decoder().feed(wire)
    assert isinstance(event, Subnegotiation)
    assert event.option == 44
    return event.content


def changed(verb: bytes, value: bytes, before: Settings | None = None) -> Settings:
    request = rfc2217.parse(verb + value)
    assert isinstance(request, rfc2217.ChangeSettings)
    return request.applied(before or Settings())


def test_the_numbers_are_those_that_pyserial_uses() -> None:
    assert {verb.name: bytes((verb,)) for verb in Verb} == {
        "SIGNATURE": b"\0",
        "SET_BAUD": pyserial.SET_BAUDRATE,
        "SET_DATA_SIZE": pyserial.SET_DATASIZE,
        "SET_PARITY": pyserial.SET_PARITY,
        "SET_STOP_SIZE": pyserial.SET_STOPSIZE,
        "SET_CONTROL": pyserial.SET_CONTROL,
        "NOTIFY_LINE_STATE": pyserial.NOTIFY_LINESTATE,
        "NOTIFY_MODEM_STATE": pyserial.NOTIFY_MODEMSTATE,
        "FLOW_SUSPEND": pyserial.FLOWCONTROL_SUSPEND,
        "FLOW_RESUME": pyserial.FLOWCONTROL_RESUME,
        "SET_LINE_STATE_MASK": pyserial.SET_LINESTATE_MASK,
        "SET_MODEM_STATE_MASK": pyserial.SET_MODEMSTATE_MASK,
        "PURGE": pyserial.PURGE_DATA,
    }
    assert [pyserial.SET_CONTROL_BREAK_ON[0], pyserial.SET_CONTROL_DTR_OFF[0], pyserial.SET_CONTROL_RTS_ON[0]] == [
        Control.BREAK_ON,
        Control.DTR_OFF,
        Control.RTS_ON,
    ]
    assert [pyserial.MODEMSTATE_MASK_CD, pyserial.MODEMSTATE_MASK_CTS] == [ModemState.CD, ModemState.CTS]
    assert pyserial.LINESTATE_MASK_BREAK_DETECT == rfc2217.LineState.BREAK


def test_each_setting_is_taken_over() -> None:
    assert changed(pyserial.SET_BAUDRATE, (115_200).to_bytes(4, "big")).baud == 115_200
    assert changed(pyserial.SET_DATASIZE, b"\7").data_bits == 7
    assert changed(pyserial.SET_STOPSIZE, b"\2").stop_bits == 2
    parities = {
        letter: changed(pyserial.SET_PARITY, bytes((number,))).parity.letter
        for letter, number in pyserial.RFC2217_PARITY_MAP.items()
        if letter in "NEO"
    }
    assert parities == {"N": "N", "E": "E", "O": "O"}


@pytest.mark.parametrize(
    ("verb", "value"),
    [
        (pyserial.SET_BAUDRATE, b"\xff\xff\xff\xff"),
        (pyserial.SET_BAUDRATE, b"\0\0\0\1"),
        (pyserial.SET_DATASIZE, b"\x09"),
        (pyserial.SET_PARITY, b"\4"),  # mark
        (pyserial.SET_STOPSIZE, b"\3"),  # one and a half
    ],
)
def test_what_no_line_can_have_changes_nothing(verb: bytes, value: bytes) -> None:
    before = Settings(19_200, 7, Parity.EVEN, 2)
    assert changed(verb, value, before) == before


def test_the_answer_is_what_the_line_has() -> None:
    settings = Settings(0xFF00, 7, Parity.ODD, 2)  # a byte of 255 must be doubled on the wire
    assert content(rfc2217.setting_answer(Verb.SET_BAUD, settings)) == pyserial.SERVER_SET_BAUDRATE + b"\0\0\xff\0"
    assert content(rfc2217.setting_answer(Verb.SET_DATA_SIZE, settings)) == pyserial.SERVER_SET_DATASIZE + b"\7"
    assert content(rfc2217.setting_answer(Verb.SET_PARITY, settings)) == pyserial.SERVER_SET_PARITY + b"\2"
    assert content(rfc2217.setting_answer(Verb.SET_STOP_SIZE, settings)) == pyserial.SERVER_SET_STOPSIZE + b"\2"


def test_zero_asks() -> None:
    for verb in (Verb.SET_DATA_SIZE, Verb.SET_PARITY, Verb.SET_STOP_SIZE):
        assert rfc2217.parse(bytes((verb, 0))) == AskSettings(verb)
    assert rfc2217.parse(bytes((Verb.SET_BAUD, 0, 0, 0, 0))) == AskSettings(Verb.SET_BAUD)


@pytest.mark.parametrize("flow", Flow)
@pytest.mark.parametrize("inbound", [False, True])
def test_flow_control_is_answered_in_the_numbers_of_its_direction(flow: Flow, *, inbound: bool) -> None:
    number = content(rfc2217.flow_answer(flow, inbound=inbound))[1]
    assert rfc2217.flow_of(Control(number)) is flow
    assert (Control(number) in rfc2217.INBOUND) is inbound


@given(st.binary(max_size=12))
def test_nonsense_is_passed_over(noise: bytes) -> None:
    request = rfc2217.parse(noise)
    assert request is None or noise[0] in list(Verb)


def test_modem_lines_say_what_has_changed() -> None:
    cts, both = ModemState.CTS, ModemState.CTS | ModemState.CD
    assert rfc2217.modem_state(both, cts) == both | ModemState.CD_CHANGED
    assert rfc2217.modem_state(cts, cts) == cts
    assert rfc2217.modem_state(ModemState(0), ModemState.RI) == ModemState.RI_FELL
    assert rfc2217.modem_state(ModemState.RI, ModemState(0)) == ModemState.RI


def test_buffers_to_empty_are_told_apart() -> None:
    requests = [rfc2217.parse(bytes((Verb.PURGE, number))) for number in (1, 2, 3, 4)]
    both = Purge.RECEIVED | Purge.UNSENT
    assert requests == [*(rfc2217.PurgeBuffers(which) for which in (Purge.RECEIVED, Purge.UNSENT, both)), None]
