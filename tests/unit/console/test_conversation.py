"""A talk waits for what the device says, sees prompts as they are shown, and says what it waited for in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pibramble.console.conversation import Conversation, as_shown
from pibramble.console.model import Enter
from pibramble.errors import TimedOutError
from tests.unit.console.wires import DeviceWire

IOS_PROMPT = r"^[\w.:/-]+(\([\w./-]+\))?[>#] ?$"


def talk(
    conversation: Callable[[Conversation, DeviceWire], Awaitable[object]], wire_says: Callable[[bytes], bytes]
) -> object:
    async def go() -> object:
        wire = DeviceWire(wire_says)
        return await conversation(Conversation(wire), wire)

    return asyncio.run(go())


def test_newlines_are_the_enter_key_of_the_profile() -> None:
    async def go() -> bytes:
        wire = DeviceWire()
        await Conversation(wire, Enter.CR_NUL).send("enable\nshow version\n")
        return wire.sent

    assert asyncio.run(go()) == b"enable\r\0show version\r\0"


def test_each_wait_goes_on_where_the_last_one_ended() -> None:
    async def go(conversation: Conversation, wire: DeviceWire) -> str:
        wire.say(b"\r\nlogin: ")
        await conversation.wait_for("login: $", 1)
        with pytest.raises(TimedOutError):
            await conversation.wait_for("login: $", 0.05)
        wire.say(b"ada\r\nPassword: ")
        return (await conversation.wait_for("assword: $", 1)).text

    assert talk(go, lambda _: b"") == "ada\nPassword: "


def test_a_prompt_is_one_only_when_nothing_follows_it() -> None:
    async def go(conversation: Conversation, wire: DeviceWire) -> str:
        wire.say(b"show log\r\nsw1#")
        asyncio.get_running_loop().call_later(0.05, wire.say, b" is a line of the log\r\nsw1#")
        return (await conversation.wait_for_prompt([IOS_PROMPT], 2)).text

    assert talk(go, lambda _: b"") == "show log\nsw1# is a line of the log\nsw1#"


def test_what_came_last_is_told_when_a_wait_is_in_vain() -> None:
    async def go(conversation: Conversation, wire: DeviceWire) -> None:
        wire.say(b"one\r\ntwo\r\n --More-- ")
        await conversation.wait_for_prompt([IOS_PROMPT], 0.05)

    with pytest.raises(TimedOutError) as raised:
        talk(go, lambda _: b"")
    assert "waited 0.05 s for" in raised.value.message
    assert "two\n --More--" in raised.value.hint
    assert "terminal length 0" in raised.value.hint


def test_silence_is_told_as_such() -> None:
    with pytest.raises(TimedOutError) as raised:
        talk(lambda conversation, _: conversation.wait_for("x", 0.01), lambda _: b"")
    assert "it said nothing: is it on, and is the speed right?" in raised.value.hint


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"\r\nplain\r\n", "\nplain\n"),
        (b"\x1b[1;32mada@pi\x1b[0m$ ", "ada@pi$ "),
        (
            b" --More-- \x08\x08\x08\x08\x08\x08\x08\x08\x08        \x08\x08\x08\x08\x08\x08\x08\x08\x08interface",
            "interface",
        ),
        (b"10 %\r20 %\rdone\r\n", "done\n"),
        (b"hunt\x08 \x08y", "huny"),
        ("grün\r\n".encode(), "grün\n"),
    ],
)
def test_text_is_read_as_it_stands_on_the_screen(sent: bytes, shown: str) -> None:
    assert as_shown(sent).rstrip(" ").replace("interface   ", "interface") == shown.rstrip(" ")
