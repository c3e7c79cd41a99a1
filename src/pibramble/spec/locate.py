"""Where each key and value of a TOML text stands.

tomllib gives values without their places, and no maintained library gives both. So this scanner walks over a text that
tomllib has accepted already: it may trust the grammar, and needs to know only where keys, values and brackets end.
Paths are tuples of keys and, for arrays, indices: ("workers", 0, "name").
"""

from __future__ import annotations

import bisect
import re
import tomllib
from collections.abc import Mapping

import attrs

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# The four kinds of string. Up to two quotes may stand right before the three that close a multi-line one.
_STRING = re.compile(
    r'"""(?:[^\\]|\\[\s\S])*?"{3,5}(?!")'
    r"|'''[\s\S]*?'{3,5}(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)
_PLAIN_VALUE = re.compile(r"[^,\]}#\r\n]+")


@attrs.frozen
class Span:
    """A stretch of a text, as offsets in characters."""

    start: int
    end: int


@attrs.frozen
class Place:
    """Where one key and its value stand. An array's element has no key, a table made of headers no single value."""

    key: Span | None
    value: Span | None

    @property
    def span(self) -> Span:
        """Return the value's span, or the key's where there is no value."""
        found = self.value or self.key
        if found is None:  # the root of the file
            return Span(0, 0)
        return found


def locate(text: str) -> Mapping[Path, Place]:
    """Return the places of all keys and values of a text that tomllib accepts, in the order of the text."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.places


class Lines:
    """The lines of a text, by number and by offset; TOML's lines end with LF or CRLF."""

    def __init__(self, text: str) -> None:
        """Find where the lines begin."""
        self._text = text
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both counted from 1."""
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def content(self, number: int) -> str:
        """Return a line, counted from 1, without its end; an empty text where there is none."""
        if not 1 <= number <= len(self._starts):
            return ""
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self._text)
        return self._text[start:end].removesuffix("\r")


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.places: dict[Path, Place] = {}
        self._lengths: dict[Path, int] = {}  # of arrays of tables

    def document(self) -> None:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _header(self) -> Path:
        array = self._text.startswith("[[", self._at)
        width = 2 if array else 1
        self._at += width
        keys = self._key()
        self._skip(_SPACE)
        self._at += width
        return self._enter(keys, array=array)

    def _enter(self, keys: list[tuple[str, Span]], *, array: bool) -> Path:
        """Return the path of a header's table; a name on the way that is an array means its last element."""
        path: Path = ()
        for number, (key, span) in enumerate(keys, start=1):
            path = (*path, key)
            last = number == len(keys)
            if last and array:
                self._mention(path, span)
                index = self._lengths.get(path, 0)
                self._lengths[path] = index + 1
                path = (*path, index)
                self.places[path] = Place(span, None)
            elif path in self._lengths:
                path = (*path, self._lengths[path] - 1)
            elif last:
                self.places[path] = Place(span, None)  # the header itself beats an earlier [table.sub]
            else:
                self._mention(path, span)
        return path

    def _pair(self, table: Path) -> None:
        keys = self._key()
        self._skip(_SPACE)
        self._at += 1  # the equals sign
        path = table
        for key, span in keys[:-1]:
            path = (*path, key)
            self._mention(path, span)
        key, span = keys[-1]
        path = (*path, key)
        self.places[path] = Place(span, None)
        self.places[path] = Place(span, self._value(path))

    def _mention(self, path: Path, span: Span) -> None:
        self.places.setdefault(path, Place(span, None))

    def _key(self) -> list[tuple[str, Span]]:
        parts = []
        while True:
            self._skip(_SPACE)
            start = self._at
            if self._text[start] in "\"'":
                self._skip(_STRING)
                name = _string(self._text[start : self._at])
            else:
                self._skip(_BARE_KEY)
                name = self._text[start : self._at]
            parts.append((name, Span(start, self._at)))
            after = _end(_SPACE, self._text, self._at)
            if not self._text.startswith(".", after):
                return parts
            self._at = after + 1

    def _value(self, path: Path) -> Span:
        self._skip(_SPACE)
        start = self._at
        opening = self._text[start]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        elif opening in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_PLAIN_VALUE)
            self._at = start + len(self._text[start : self._at].rstrip())
        return Span(start, self._at)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        self._skip(_BLANK)
        while self._text[self._at] != "]":
            element = (*path, index)
            self.places[element] = Place(None, None)  # keeps the order of the text
            self.places[element] = Place(None, self._value(element))
            index += 1
            self._skip_comma()
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        self._skip(_BLANK)
        while self._text[self._at] != "}":
            self._pair(path)
            self._skip_comma()
        self._at += 1

    def _skip_comma(self) -> None:
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._at = _end(pattern, self._text, self._at)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    if found is None:
        message = f"no {pattern.pattern!r} at offset {at}: the text was not accepted by tomllib"
        raise ValueError(message)
    return found.end()


def _string(literal: str) -> str:
    """Return what a quoted key says; escapes are tomllib's business."""
    if literal.startswith('"') and "\\" in literal:
        return str(tomllib.loads(f"key = {literal}")["key"])
    return literal[1:-1]
