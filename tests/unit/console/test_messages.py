"""The protocol: what goes in comes out, and what is no message is refused in words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.console import messages
from pibramble.console.messages import (
    Attach,
    Attached,
    ButtonShown,
    Frames,
    Kind,
    MessageError,
    Ports,
    PortStatus,
    SendBreak,
    StateChanged,
    data_frame,
    decode_reply,
    decode_request,
    encode,
    message_frame,
)
from pibramble.console.model import Source, State

STATUS = PortStatus(
    "sw1", "/dev/ttyUSB0", "cisco-ios", "9600 8N1", Source.AD_HOC, State.OPEN, "", ("ada",), None, "Router>", "/x/log"
)


@pytest.mark.parametrize(
    "message",
    [
        Attach("sw1", "ada", read_only=True),
        SendBreak(),
        SendBreak(0.25),
        messages.Answer(3, yes=True),
        messages.Watch(),
    ],
)
def test_requests_survive_the_wire(message: messages.Request) -> None:
    assert decode_request(encode(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        Ports((STATUS, STATUS)),
        Attached(STATUS, (ButtonShown("b", "Break"),), "\r\0"),
        StateChanged("sw1", State.ABSENT, "gone"),
        messages.WriterChanged("sw1", None),
    ],
)
def test_replies_survive_the_wire(message: messages.Reply) -> None:
    assert decode_reply(encode(message)) == message


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{", "no JSON"),
        ("[]", "object"),
        ("{}", "unknown message type null"),
        ('{"type": "attack"}', "unknown message type"),
        ('{"type": ["take"]}', "unknown message type"),
        ('{"type": "attach", "port": "x"}', "`name` is missing"),
        ('{"type": "attach", "port": 1, "name": "x"}', "a str is expected"),
        ('{"type": "attach", "port": "x", "name": "x", "read_only": 1}', "a bool is expected"),
        ('{"type": "send-break", "seconds": true}', "a float is expected"),
        ('{"type": "take", "from": "ada"}', "unknown key"),
        ('{"type": "ports", "ports": []}', "unknown message type"),  # the broker's own, not a client's
        ("[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_request_is_refused_in_words(said: str, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        decode_request(said)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_no_json_at_all_breaks_the_decoder(value: object) -> None:
    for said in (json.dumps(value), json.dumps({"type": "attach", "port": value, "name": value})):
        try:
            decode_request(said)
        except MessageError:
            continue
        assert isinstance(value, str)


@given(st.lists(st.binary(max_size=300)), st.integers(1, 50))
def test_frames_come_apart_wherever_the_stream_is_cut(contents: list[bytes], step: int) -> None:
    stream = b"".join(data_frame(content) + message_frame(messages.Take()) for content in contents)
    frames = Frames()
    found = [frame for at in range(0, len(stream), step) for frame in frames.feed(stream[at : at + step])]
    assert [content for kind, content in found if kind is Kind.DATA] == [content for content in contents if content]
    assert sum(1 for kind, _ in found if kind is Kind.MESSAGE) == len(contents)


def test_more_than_a_frame_holds_goes_in_several() -> None:
    data = bytes(range(256)) * 8192
    found = list(Frames().feed(data_frame(data)))
    assert len(found) == 2
    assert b"".join(content for _, content in found) == data


@pytest.mark.parametrize("header", [b"\x07\0\0\0\0", b"\0\x7f\xff\xff\xff", b"GET / HTTP/1.1\r\n"])
def test_a_stream_of_another_kind_is_refused(header: bytes) -> None:
    with pytest.raises(MessageError):
        list(Frames().feed(header))
