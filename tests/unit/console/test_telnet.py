"""Telnet is taken apart as it was put together, however the network cuts it up."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.console.model import Enter
from pibramble.console.telnet import (
    LONGEST_SUBNEGOTIATION_BYTES,
    Code,
    Command,
    Decoder,
    Encoder,
    Event,
    Negotiation,
    Option,
    Options,
    Subnegotiation,
    TelnetError,
    negotiate,
    subnegotiate,
)

IAC = bytes((Code.IAC,))


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(places)]


def decoded(decoder: Decoder, *blocks: bytes) -> list[Event]:
    """Return what comes out, neighbouring data as one."""
    events: list[Event] = []
    for event in (event for block in blocks for event in decoder.feed(block)):
        if isinstance(event, bytes) and events and isinstance(before := events[-1], bytes):
            events[-1] = before + event
        else:
            events.append(event)
    return events


cuts = st.lists(st.integers(0, 10_000), max_size=8)


@given(st.binary(max_size=400), cuts)
def test_binary_data_arrive_as_they_were_sent(data: bytes, where: list[int]) -> None:
    encoder, decoder = Encoder(), Decoder()
    encoder.binary = decoder.binary = True
    wire = b"".join(encoder.encode(piece) for piece in pieces(data, where))
    assert decoded(decoder, *pieces(wire, where[::-1])) == ([data] if data else [])


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\0", b"a", IAC]), max_size=40).map(b"".join), cuts)
def test_text_goes_out_with_an_lf_or_a_nul_after_every_cr(data: bytes, where: list[int]) -> None:
    encoder = Encoder()
    wire = b"".join(encoder.encode(piece) for piece in pieces(data, where))
    assert all(wire[at + 1 : at + 2] in (b"", b"\n", b"\0") for at, byte in enumerate(wire) if byte == 13)
    at_once = Encoder()
    assert at_once.encode(data) == wire


@pytest.mark.parametrize("sent", [b"\r\n", b"\r\0", b"\r"])
@pytest.mark.parametrize("enter", Enter)
@given(where=cuts)
def test_each_end_of_line_of_telnet_is_the_lines_own_enter(sent: bytes, enter: Enter, where: list[int]) -> None:
    wire = b"show version" + sent + b"x" + sent
    got = decoded(Decoder(enter), *pieces(wire, where))
    assert got == [b"show version" + enter.bytes + b"x" + enter.bytes]


events = st.one_of(
    st.sampled_from([Code.NOP, Code.BRK, Code.AYT, Code.IP]).map(Command),
    st.builds(Negotiation, st.sampled_from([Code.WILL, Code.WONT, Code.DO, Code.DONT]), st.integers(0, 255)),
    st.builds(Subnegotiation, st.integers(0, 254), st.binary(max_size=20)),
    st.binary(min_size=1, max_size=20),
)


def on_the_wire(event: Event) -> bytes:
    match event:
        case bytes():
            return event.replace(IAC, IAC + IAC)
        case Command():
            return bytes((Code.IAC, event.code))
        case Negotiation():
            return negotiate(event.verb, event.option)
        case Subnegotiation():
            return subnegotiate(event.option, event.content)


@given(st.lists(events, max_size=12), cuts)
def test_commands_come_out_in_their_order_among_the_data(said: list[Event], where: list[int]) -> None:
    decoder = Decoder()
    decoder.binary = True
    wire = b"".join(map(on_the_wire, said))
    got = decoded(decoder, *pieces(wire, where))
    assert [event for event in got if not isinstance(event, bytes)] == [e for e in said if not isinstance(e, bytes)]
    assert b"".join(event for event in got if isinstance(event, bytes)) == b"".join(
        e for e in said if isinstance(e, bytes)
    )


@given(st.binary(max_size=300), cuts)
def test_noise_never_breaks_the_decoder(noise: bytes, where: list[int]) -> None:
    decoder = Decoder()
    assert decoded(decoder, *pieces(noise, where)) == decoded(Decoder(), noise)


def test_a_subnegotiation_without_an_end_is_given_up() -> None:
    with pytest.raises(TelnetError, match="1024 bytes"):
        list(Decoder().feed(bytes((Code.IAC, Code.SB, 44)) + b"x" * LONGEST_SUBNEGOTIATION_BYTES))


# Who has asked for an option waits for the answer before it asks anew (RFC 1143): so each option is asked for once.
@given(
    st.lists(
        st.tuples(st.sampled_from([Code.WILL, Code.WONT, Code.DO, Code.DONT]), st.integers(0, 50)),
        max_size=40,
        unique_by=lambda said: (said[0] in {Code.DO, Code.DONT}, said[1]),
    )
)
def test_two_sides_never_negotiate_for_ever(first: list[tuple[Code, int]]) -> None:
    ready = frozenset({Option.BINARY, Option.ECHO, Option.COM_PORT})
    sides = [Options(ready, ready), Options(frozenset({Option.ECHO}), ready)]
    talk = b"".join(negotiate(verb, option) for verb, option in first)
    for turn in range(4):
        said = [event for event in Decoder().feed(talk) if isinstance(event, Negotiation)]
        talk = b"".join(sides[turn % 2].hear(event) for event in said)
    assert talk == b""


def test_what_both_are_ready_for_is_in_force() -> None:
    ours, theirs = (
        Options(frozenset({Option.ECHO}), frozenset({Option.COM_PORT})),
        Options(frozenset({44}), frozenset({1})),
    )
    asked = ours.ask(ours=(Option.ECHO,), theirs=(Option.COM_PORT,))
    answers = b"".join(theirs.hear(event) for event in Decoder().feed(asked) if isinstance(event, Negotiation))
    assert not ours.ours(Option.ECHO)
    for event in Decoder().feed(answers):
        assert isinstance(event, Negotiation)
        assert ours.hear(event) == b""
    assert (ours.ours(Option.ECHO), ours.theirs(Option.COM_PORT)) == (True, True)
    assert ours.hear(Negotiation(Code.WONT, Option.COM_PORT)) == negotiate(Code.DONT, Option.COM_PORT)
    assert not ours.theirs(Option.COM_PORT)


def test_what_is_not_known_is_declined() -> None:
    options = Options(frozenset(), frozenset())
    assert options.hear(Negotiation(Code.DO, 24)) == negotiate(Code.WONT, 24)
    assert options.hear(Negotiation(Code.WILL, 31)) == negotiate(Code.DONT, 31)
