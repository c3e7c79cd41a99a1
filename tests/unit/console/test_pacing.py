"""A text goes down the line as slowly as the profile says, and stops at the first line that is not echoed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.console import pacing
from pibramble.console.model import Enter, Pacing
from tests.unit.console.wires import DeviceWire


def sent(data: bytes, how: Pacing, wire_says: object = None, enter: Enter = Enter.CR) -> DeviceWire:
    async def go() -> DeviceWire:
        wire = DeviceWire(wire_says or (lambda typed: typed.replace(b"\r", b"\r\n")))  # type: ignore[arg-type]
        await pacing.send(data, wire, how, enter)
        return wire

    return asyncio.run(go())


@given(st.lists(st.text("ab #\t", max_size=10), max_size=5), st.sampled_from(["\n", "\r\n"]), st.sampled_from(Enter))
def test_every_line_ends_with_the_enter_of_the_profile(lines: list[str], end: str, enter: Enter) -> None:
    text = end.join([*lines, "last"]).encode()
    wire = sent(text, Pacing(check_echo=True), lambda typed: typed, enter)
    assert wire.sent == text.replace(end.encode(), enter.bytes)


def test_characters_and_lines_are_kept_apart() -> None:
    began = time.monotonic()
    wire = sent(b"ab\ncd\n", Pacing(per_character_seconds=0.01, per_line_seconds=0.05))
    assert wire.writes == [b"a", b"b", b"\r", b"c", b"d", b"\r"]
    assert time.monotonic() - began >= 6 * 0.01 + 2 * 0.05


def test_an_echo_that_lacks_a_character_stops_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing.Echo.__init__, "__defaults__", (0.05,))
    said = b"interface vlan 10\n no shutdown\nend\n"
    went: list[int] = []

    async def go() -> None:
        wire = DeviceWire(lambda typed: typed.replace(b"shutdown", b"shutdwn"))
        with pytest.raises(pacing.EchoError) as raised:
            await pacing.send(said, wire, Pacing(check_echo=True), Enter.CR, sent=went.append)
        assert "line 2 did not come back" in raised.value.message
        assert "sent:  no shutdown" in raised.value.hint
        assert "shutdwn" in raised.value.hint
        assert b"end" not in wire.sent

    asyncio.run(go())
    assert went == [len(b"interface vlan 10\n")]


def test_an_echo_among_prompts_colours_and_wrapped_lines_is_found() -> None:
    long = b"description " + b"x" * 90

    def device(typed: bytes) -> bytes:
        return (
            b"\x1b[1msw1(config-if)#\x1b[0m"
            + typed[:70]
            + b" \r"
            + typed[70:].replace(b"\r", b"\r\n*Nov 25: %SYS-5\r\n")
        )

    assert sent(long + b"\n" + long + b"\n", Pacing(check_echo=True), device).sent == (long + b"\r") * 2


def test_an_empty_line_needs_no_echo() -> None:
    assert sent(b"\n\n", Pacing(check_echo=True), lambda _: b"").sent == b"\r\r"


def shifting(prompt: bytes, width: int = 80, shift: int = 10) -> Callable[[bytes], bytes]:
    """Return a device that shifts a line as Cisco's documentation says: ten to the left at the edge, behind a $."""
    line = bytearray()

    def answer(typed: bytes) -> bytes:
        out = bytearray()
        for byte in typed:
            if byte == ord("\r"):
                line.clear()
                out += b"\r\n" + prompt
                continue
            line.append(byte)
            out.append(byte)
            room = width - len(prompt) - 1
            if len(line) >= room and (len(line) - room) % shift == 0:
                shown = line[-(room - shift) :]
                out += b"\b" * room + b"$" + shown + b" " * shift + b"\b" * shift
        return bytes(out)

    return answer


CERTIFICATE = b"3082024B 308201B4 A0030201 02020101 300D0609 2A864886 F70D0101 04050030 31312F30"


def test_a_line_that_ios_shifts_at_the_edge_is_known_for_its_echo() -> None:
    said = b"  " + CERTIFICATE + b"\n  " + CERTIFICATE[::-1] + b"\n  quit\n"
    device = shifting(b"sw1(config-pubkey-chain)#")
    assert b"$" in shifting(b"sw1(config-pubkey-chain)#")(CERTIFICATE)
    assert sent(said, Pacing(check_echo=True), device).sent == said.replace(b"\n", b"\r")


@given(st.integers(0, len(CERTIFICATE) - 1))
def test_of_a_shifted_line_no_letter_may_be_missing_either(lost: int) -> None:
    wanted = CERTIFICATE.replace(b" ", b"")
    came = shifting(b"sw1(config-pubkey-chain)#")(CERTIFICATE[:lost] + CERTIFICATE[lost + 1 :] + b"\r")
    echoed = re.sub(rb"[\x00-\x20]", b"", came)
    blank = CERTIFICATE[lost : lost + 1] == b" "
    assert (pacing.echo_end(echoed, wanted) is not None) == blank


@given(st.binary(max_size=40), st.binary(min_size=1, max_size=6))
def test_an_echo_ends_where_it_ends(before: bytes, wanted: bytes) -> None:
    assert pacing.echo_end(before + wanted, wanted) is not None
    assert pacing.echo_end(wanted + b"#", wanted) == len(wanted)
