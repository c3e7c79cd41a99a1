"""The escape key of `pibramble console NAME`, and the menu behind it: which key means what. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import attrs

ESCAPE = 0x1D  # Ctrl-], as in telnet


class Command(Enum):
    """What a key of the menu does: the key, and its line in the help."""

    HELP = ("?", "this help")
    QUIT = ("q", "leave; the line stays open in a broker")
    CONTROL = ("t", "take control, or give it back")
    BREAK = ("b", "send a break")
    BUTTONS = ("h", "hot buttons")
    FILE = ("f", "send a file, paced as the profile says")
    CANCEL = ("c", "throw away what was pasted and has not been sent yet")
    SETTINGS = ("s", "change speed and framing")
    LOG = ("l", "where the log is")
    STATUS = ("i", "who watches, who writes, how the line is")
    REDRAW = ("r", "draw the screen anew")

    @property
    def key(self) -> str:
        """Return the key."""
        return str(self.value[0])

    @property
    def help(self) -> str:
        """Return the help line."""
        return str(self.value[1])


_BY_KEY = {ord(command.key): command for command in Command} | {ord("."): Command.QUIT, ord("x"): Command.QUIT}


@attrs.frozen
class Typed:
    """Bytes for the device."""

    data: bytes


@attrs.frozen
class Unknown:
    """A key that the menu does not have."""

    key: bytes


Action = Typed | Command | Unknown


class Keys:
    """Takes what is typed apart into bytes for the device and the menu's commands."""

    def __init__(self) -> None:
        """Begin outside the menu."""
        self.escaped = False  # the escape key was pressed, and its second key is awaited

    def feed(self, data: bytes) -> Iterator[Action]:
        """Yield what was typed. The escape key twice sends it once."""
        at = 0
        while at < len(data):
            if self.escaped:
                self.escaped = False
                key = data[at]
                at += 1
                if key == ESCAPE:
                    yield Typed(bytes((ESCAPE,)))
                else:
                    yield _BY_KEY.get(key) or Unknown(bytes((key,)))
                continue
            end = data.find(ESCAPE, at)
            if end < 0:
                yield Typed(data[at:])
                return
            if end > at:
                yield Typed(data[at:end])
            self.escaped = True
            at = end + 1


def help_lines() -> list[str]:
    """Return the help, a line a key."""
    return [
        "Ctrl-] and then:",
        *(f"  {command.key}  {command.help}" for command in Command),
        "  Ctrl-]  sends Ctrl-] itself",
    ]


class Prompt:
    """A line that is typed at the menu's own prompt, with the little editing it needs."""

    def __init__(self) -> None:
        """Begin empty."""
        self.text = ""

    def feed(self, data: bytes) -> tuple[str, str | None, bool]:
        """Take keys; return what to echo, the finished text (None: not yet), and whether it was given up."""
        echo: list[str] = []
        for character in data.decode(errors="ignore"):
            if character in "\r\n":
                return "".join(echo), self.text, False
            if character in "\x1b\x03\x1d":  # Esc, Ctrl-C, Ctrl-]
                return "".join(echo), None, True
            if character in "\x7f\b":
                if self.text:
                    self.text = self.text[:-1]
                    echo.append("\b \b")
            elif character == "\x15":  # Ctrl-U
                echo.append("\b \b" * len(self.text))
                self.text = ""
            elif character.isprintable():
                self.text += character
                echo.append(character)
        return "".join(echo), None, False
