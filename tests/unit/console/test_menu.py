"""The escape key, the menu's keys, and its prompt."""

from __future__ import annotations

from pibramble.console.menu import Command, Keys, Prompt, Typed, Unknown, help_lines


def feed(*pieces: bytes) -> list[object]:
    keys = Keys()
    return [action for piece in pieces for action in keys.feed(piece)]


def test_what_is_typed_goes_to_the_device_control_c_too() -> None:
    assert feed(b"ls\r\x03\x1b[A") == [Typed(b"ls\r\x03\x1b[A")]


def test_the_escape_key_and_a_key_are_a_command() -> None:
    assert feed(b"ab\x1dq") == [Typed(b"ab"), Command.QUIT]
    assert feed(b"\x1d", b"b", b"x") == [Command.BREAK, Typed(b"x")]


def test_the_escape_key_twice_sends_it() -> None:
    assert feed(b"\x1d\x1d.") == [Typed(b"\x1d"), Typed(b".")]


def test_a_key_that_means_nothing_is_not_sent() -> None:
    assert feed(b"\x1dZ") == [Unknown(b"Z")]


def test_every_command_is_in_the_help_and_has_a_key_of_its_own() -> None:
    text = "\n".join(help_lines())
    assert all(f"  {command.key}  " in text for command in Command)
    assert len({command.key for command in Command}) == len(Command)


def test_the_prompt_edits_a_line() -> None:
    prompt = Prompt()
    assert prompt.feed(b"abx\x7fc") == ("abx\b \bc", None, False)
    assert prompt.feed(b"\r") == ("", "abc", False)


def test_the_prompt_can_be_left() -> None:
    prompt = Prompt()
    prompt.feed(b"abc")
    assert prompt.feed(b"\x03")[1:] == (None, True)
