"""What a screen looks like, said by a terminal emulator: pyte, with what it lacks for a serial line's programs.

Slow (a block of 128 KiB takes a good part of a second on a PC), so it is asked only where `history` finds no other
way, and imported only then.
"""

from __future__ import annotations

import codecs
import re
from collections import defaultdict
from typing import Any

import pyte
from pyte import charsets
from pyte.modes import DECAWM

from pibramble.console.history import COLUMNS, ROWS
from pibramble.console.sequences import INCOMPLETE, TOKEN, tokens
from pibramble.console.sticky import Sticky, saving, stops

_MOST_PARAMETERS = {b"m": 100, b"h": 100, b"l": 100, b"H": 2, b"f": 2, b"r": 2}

# pyte has two of the four slots for character sets, and takes the second byte of a set's name for text.
_CHARSET = re.compile(rb"(?:(?P<slot>\x1b[()])(?:(?P<plain>[\x30-\x7e])|.+)|\x1b[*+\-./].*)")

_CANCELLED = re.compile(rb"(?:\x1b\[?[\x20-\x3f]*)?[\x18\x1a]")  # CAN and SUB end a sequence

_IGNORED = bytes(set(range(32)) - set(b"\a\b\t\n\v\f\r\x0e\x0f\x1b"))  # pyte would draw them

_NORMAL_FIRST = (47, 1047, 1049)  # modes that bring up the alternate screen
_WIDE, _WIDE_COLUMNS = 3, 132  # DECCOLM; pyte forgets the width before when it is set twice
_SCREEN_REVERSED = 5  # pyte turns each character over; here it is the terminal's business, as in a real one

_NAMES = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")
_FOREGROUNDS = {name: str(30 + number) for number, name in enumerate(_NAMES)}
_FOREGROUNDS |= {f"bright{name}": str(90 + number) for number, name in enumerate(_NAMES)}
_FOREGROUNDS |= {"brightyellow": "93", "bfightmagenta": "95"}  # as pyte spells them
_BACKGROUNDS = {name: str(int(code) + 10) for name, code in _FOREGROUNDS.items()}
_FLAGS = (
    ("bold", "1"),
    ("italics", "3"),
    ("underscore", "4"),
    ("blink", "5"),
    ("reverse", "7"),
    ("strikethrough", "9"),
)


class _Stream(pyte.Stream):
    """pyte's parser, for more sequences."""

    escape = {**pyte.Stream.escape, "E": "next_line"}  # noqa: RUF012 (as it is in pyte)
    csi = {  # noqa: RUF012 (as it is in pyte)
        **pyte.Stream.csi,
        "S": "scroll_up",
        "T": "scroll_down",
        "b": "repeat",
        "Z": "back_tab",
        "I": "tabs",
        "`": "cursor_to_column",
        "s": "save_cursor",
        "u": "restore_cursor",
    }


def _unwrapped(name: str) -> Any:  # noqa: ANN401 (a method of pyte's, with its own signature)
    """Return a method of pyte's that first takes back the cursor that waits to wrap, as terminals do."""

    def settled(self: Terminal, *args: Any, **options: Any) -> None:  # noqa: ANN401
        self.cursor.x = min(self.cursor.x, self.columns - 1)
        getattr(super(Terminal, self), name)(*args, **options)

    return settled


def _erasing(name: str) -> Any:  # noqa: ANN401 (likewise)
    """Return a method of pyte's that leaves blanks behind: of the cursor's look they have the background alone."""

    def settled(self: Terminal, *args: Any, **options: Any) -> None:  # noqa: ANN401
        self.cursor.x = min(self.cursor.x, self.columns - 1)
        look, self.cursor.attrs = self.cursor.attrs, self.blank
        getattr(super(Terminal, self), name)(*args, **options)
        self.cursor.attrs = look

    return settled


class Terminal(pyte.Screen):
    """A screen that is fed with a line's bytes."""

    def __init__(self, rows: int = ROWS, columns: int = COLUMNS) -> None:
        """Begin as after a reset."""
        self.alternate: int | None = None  # the mode that brought the alternate screen up
        self.saved: dict[bool, tuple[int, int]] = {}  # the saved cursor's row and column, by alternate screen or not
        self._points: dict[bool, Any] = {}  # what pyte has saved, likewise
        self._normal: Any = None  # the normal screen's buffer, while the alternate one is shown
        self._last_drawn = ""
        self._usual_columns = columns
        super().__init__(columns, rows)
        self._stream = _Stream(self)
        self._stream.use_utf8 = False  # pyte knows no line-drawing characters in UTF-8; serial lines do
        self._rest = b""  # a sequence that is not whole yet
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> None:
        """Show bytes of a line."""
        data = self._rest + data
        found = INCOMPLETE.search(data)
        self._rest = found[0] if found else b""
        whole = data[: len(data) - len(self._rest)]
        if b"\x18" in whole or b"\x1a" in whole:
            whole = _CANCELLED.sub(b"", whole)
        self._stream.feed(self._decoder.decode(TOKEN.sub(_digestible, whole).translate(None, _IGNORED)))

    linefeed = _unwrapped("linefeed")
    cursor_up = _unwrapped("cursor_up")
    cursor_down = _unwrapped("cursor_down")
    erase_in_line = _erasing("erase_in_line")
    erase_characters = _erasing("erase_characters")
    tab = _unwrapped("tab")

    @property
    def blank(self) -> Any:  # noqa: ANN401 (pyte's own)
        """Return what comes where nothing is left: a blank on the background that is chosen (xterm's "bce")."""
        return self.default_char._replace(bg=self.cursor.attrs.bg)

    def insert_characters(self, count: int | None = None) -> None:
        """Insert blanks (ICH)."""
        self._shift_cells(count or 1, forward=True)

    def delete_characters(self, count: int | None = None) -> None:
        """Delete characters (DCH)."""
        self._shift_cells(count or 1, forward=False)

    def insert_lines(self, count: int | None = None) -> None:
        """Insert blank lines (IL)."""
        self._shift_lines(count or 1, forward=True)

    def delete_lines(self, count: int | None = None) -> None:
        """Delete lines (DL)."""
        self._shift_lines(count or 1, forward=False)

    def _shift_cells(self, count: int, *, forward: bool) -> None:
        self.cursor.x = min(self.cursor.x, self.columns - 1)
        self.dirty.add(self.cursor.y)
        line, begin = self.buffer[self.cursor.y], self.cursor.x
        cells = [line[column] for column in range(begin, self.columns)]
        blanks = [self.blank] * min(count, len(cells))
        moved = [*blanks, *cells] if forward else [*cells[count:], *blanks]
        line.update(zip(range(begin, self.columns), moved, strict=False))

    def _shift_lines(self, count: int, *, forward: bool) -> None:
        top, bottom = self.margins or (0, self.lines - 1)
        self.cursor.x = min(self.cursor.x, self.columns - 1)
        if top <= self.cursor.y <= bottom:
            self._scroll_rows(self.cursor.y, bottom, count, down=forward)
            self.carriage_return()

    def _scroll_rows(self, top: int, bottom: int, count: int, *, down: bool) -> None:
        """Move the rows of a region; blank ones come in."""
        self.dirty.update(range(self.lines))
        rows = [self.buffer.pop(row, None) for row in range(top, bottom + 1)]
        blanks = [None] * min(count, len(rows))
        moved = [*blanks, *rows][: len(rows)] if down else [*rows[count:], *blanks]
        coloured = self.blank != self.default_char
        for row, line in enumerate(moved, start=top):
            if line is not None:
                self.buffer[row] = line
        come = range(top, top + len(blanks)) if down else range(bottom + 1 - len(blanks), bottom + 1)
        for row in come if coloured else ():
            self.buffer[row].update((column, self.blank) for column in range(self.columns))

    def set_tab_stop(self) -> None:
        """Set a tab stop where the cursor is seen, also when it waits to wrap."""
        self.tabstops.add(min(self.cursor.x, self.columns - 1))

    def erase_in_display(self, how: int = 0, *_: Any, **options: Any) -> None:  # noqa: ANN401
        """Erase (ED); 3 is about what has scrolled off, which is not here."""
        if how != 3:  # noqa: PLR2004
            self.cursor.x = min(self.cursor.x, self.columns - 1)
            look, self.cursor.attrs = self.cursor.attrs, self.blank
            super().erase_in_display(how, **options)
            for row in _erased_rows(how, self.cursor.y, self.lines):  # pyte colours only where there was something
                self.buffer[row].update((column, self.blank) for column in range(self.columns))
            self.cursor.attrs = look

    def alignment_display(self) -> None:
        """Fill the screen with E (DECALN), in the look that is chosen, as xterm.js does."""
        for row in range(self.lines):
            self.buffer[row].update((column, self.cursor.attrs._replace(data="E")) for column in range(self.columns))

    def index(self) -> None:
        """Go down a line (IND): below the scrolling region without scrolling it."""
        self.cursor.x = min(self.cursor.x, self.columns - 1)
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == bottom:
            self._scroll_rows(top, bottom, 1, down=False)
        elif self.cursor.y > bottom:
            self.cursor.y = min(self.cursor.y + 1, self.lines - 1)
        else:
            self.cursor_down()

    def next_line(self) -> None:
        """Go to the beginning of the next line (NEL)."""
        self.index()
        self.carriage_return()

    def reverse_index(self) -> None:
        """Go up a line (RI)."""
        self.cursor.x = min(self.cursor.x, self.columns - 1)
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == top:
            self._scroll_rows(top, bottom, 1, down=True)
        else:
            self.cursor_up()

    def tabs(self, count: int = 1, **_: Any) -> None:  # noqa: ANN401 (pyte's dispatcher's)
        """Go forward over tab stops (CHT)."""
        for _number in range(min(count or 1, self.columns)):
            self.tab()

    def define_charset(self, code: str, mode: str) -> None:
        """Choose a character set; those that pyte does not have are ASCII with a few letters of a country."""
        super().define_charset(code if code in charsets.MAPS else "B", mode)

    def reset(self) -> None:
        """Become as new."""
        self.alternate, self._normal = None, None
        self.saved.clear()
        self._points.clear()
        self.columns = self._usual_columns
        super().reset()
        self.savepoints.clear()

    @property
    def normal_buffer(self) -> Any:  # noqa: ANN401 (pyte's own)
        """Return the cells of the normal screen, shown or not."""
        return self.buffer if self._normal is None else self._normal

    def draw(self, data: str) -> None:
        """Show text."""
        self._last_drawn = data[-1:] or self._last_drawn
        super().draw(data)

    def repeat(self, count: int = 1, **_: Any) -> None:  # noqa: ANN401 (pyte's dispatcher's)
        """Show the last character again (REP)."""
        if self._last_drawn:
            super().draw(self._last_drawn * min(count or 1, self.columns * self.lines))

    def scroll_up(self, count: int = 1, **_: Any) -> None:  # noqa: ANN401
        """Scroll the region up (SU)."""
        self._scroll_rows(*(self.margins or (0, self.lines - 1)), count or 1, down=False)

    def scroll_down(self, count: int = 1, **_: Any) -> None:  # noqa: ANN401
        """Scroll the region down (SD)."""
        self._scroll_rows(*(self.margins or (0, self.lines - 1)), count or 1, down=True)

    def back_tab(self, count: int = 1, **_: Any) -> None:  # noqa: ANN401
        """Go back to the tab stop before (CBT)."""
        for _number in range(min(count or 1, self.columns)):
            self.cursor.x = max((stop for stop in self.tabstops if stop < self.cursor.x), default=0)

    def save_cursor(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        """Save the cursor: each screen has one place for it, not a stack."""
        super().save_cursor()
        screen = self.alternate is not None
        self._points[screen] = self.savepoints.pop()
        self.saved[screen] = (self.cursor.y, min(self.cursor.x, self.columns - 1))

    def restore_cursor(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        """Bring the saved cursor back, as often as it is asked for."""
        point = self._points.get(self.alternate is not None)
        self.savepoints[:] = [point] if point else []
        hidden, wraps = self.cursor.hidden, DECAWM in self.mode
        super().restore_cursor()
        # pyte brings both back, too. The VT510 does with the second; xterm and xterm.js, where people look, do not.
        self.cursor.hidden = hidden
        (self.mode.add if wraps else self.mode.discard)(DECAWM)
        self.savepoints.clear()
        if point:
            self.cursor.y = self.saved[self.alternate is not None][0]  # pyte keeps it within the scrolling region

    def set_mode(self, *modes: int, **private: Any) -> None:  # noqa: ANN401
        """Switch modes on."""
        super().set_mode(*self._screens(modes, on=True, **private), **private)

    def reset_mode(self, *modes: int, **private: Any) -> None:  # noqa: ANN401
        """Switch modes off."""
        super().reset_mode(*self._screens(modes, on=False, **private), **private)

    def _screens(self, modes: tuple[int, ...], *, on: bool, private: bool = False) -> list[int]:
        """Switch between the two screens; return the modes that are pyte's business."""
        if not private:
            return list(modes)
        for mode in modes:
            if mode in {1048, 1049} and on:
                self.save_cursor()
            if mode in _NORMAL_FIRST:
                self._show_alternate(mode if on else None)
            if mode == _WIDE:
                self._widen(_WIDE_COLUMNS if on else self._usual_columns)
            if mode in {1048, 1049} and not on:
                self.restore_cursor()
        return [mode for mode in modes if mode not in {*_NORMAL_FIRST, 1048, _SCREEN_REVERSED, _WIDE}]

    def _widen(self, columns: int) -> None:
        """Change the width: the screen is cleared whether or not it was another (DECCOLM, VT510 manual)."""
        self.resize(columns=columns)
        self.tabstops = {stop for stop in self.tabstops if stop < columns}
        self.set_margins()
        self.erase_in_display(2)
        self.cursor_position()

    def _show_alternate(self, mode: int | None) -> None:
        if mode is not None and self._normal is None:
            self._normal, fresh = self.buffer, type(self.buffer[0])
            self.buffer = defaultdict(lambda: fresh(self.default_char))
            if self.blank != self.default_char:
                for row in range(self.lines):
                    self.buffer[row].update((column, self.blank) for column in range(self.columns))
        elif mode is None and self._normal is not None:
            self.buffer, self._normal = self._normal, None
        self.alternate = mode
        self.dirty.update(range(self.lines))


def _erased_rows(how: int, row: int, rows: int) -> range:
    """Return the whole rows that ED erases with the cursor in `row`."""
    return {0: range(row + 1, rows), 1: range(row)}.get(how, range(rows))


def redraw(stream: bytes, rows: int = ROWS, columns: int = COLUMNS) -> bytes:
    """Return a short stream that leaves a terminal in the state in which `stream` leaves it.

    pyte knows neither faint nor invisible characters, and 256 colours become their red, green and blue.
    """
    terminal, sticky = Terminal(rows, columns), Sticky()
    terminal.feed(stream)
    for token in tokens(stream):
        sticky.take(token)
    parts = [sticky.width(), _cells(terminal.normal_buffer, terminal)]
    bring_up = b"" if terminal.alternate is None else b"\x1b[?%dh" % terminal.alternate
    if False in terminal.saved:  # the mode 1049 saves the cursor, too
        save = bring_up if terminal.alternate == 1049 else b"\x1b7" + bring_up  # noqa: PLR2004
        parts.append(saving(_place(*terminal.saved[False]), sticky.saved_look, save))
    else:
        parts.append(bring_up)
    if terminal.alternate is not None:
        parts.append(_cells(terminal.buffer, terminal))
        if True in terminal.saved:
            parts.append(saving(_place(*terminal.saved[True]), sticky.saved_look))
    if terminal.tabstops != set(range(8, columns, 8)):
        parts.append(stops(_place(0, column) for column in sorted(terminal.tabstops)))
    top = 0
    if terminal.margins:
        top = terminal.margins.top if sticky.look.origin else 0
        parts.append(b"\x1b[%d;%dr" % (terminal.margins.top + 1, terminal.margins.bottom + 1))
    parts.append(b"\x1b[?6h" if sticky.look.origin else b"")
    parts.append(_cursor(terminal, top))
    parts.append(b"\x1b[m" + sticky.lasting())
    return b"".join(parts)


def _digestible(token: re.Match[bytes]) -> bytes:
    """Return a sequence as pyte can take it; nothing for what it would print or misunderstand."""
    if token["string"] or token["osc"]:
        return b""
    if token["csi"]:
        if token["intermediates"] or token["parameters"][:1] in {b">", b"=", b"<"}:
            return b""
        most = _MOST_PARAMETERS.get(token["final"], 1)  # pyte falls over what a sequence has no use for
        return b"\x1b[" + b";".join(token["parameters"].replace(b":", b";").split(b";")[:most]) + token["final"]
    if token["escape"] and (chosen := _CHARSET.fullmatch(token[0])):
        return token[0] if chosen["plain"] else chosen["slot"] + b"B" if chosen["slot"] else b""
    return token[0]


def _place(row: int, column: int) -> bytes:
    return b"\x1b[%d;%dH" % (row + 1, column + 1)


def _cursor(terminal: Terminal, top: int) -> bytes:
    """Return what puts the cursor in its place, also behind a full line's last character, where it waits to wrap."""
    row, column = terminal.cursor.y, terminal.cursor.x
    if column < terminal.columns:
        return _place(row - top, column)
    column, line = terminal.columns - 1, terminal.buffer[row]
    if not line[column].data:  # the second half of a wide one
        column -= 1
    cell = line[column]
    return _place(row - top, column) + _rendition(cell) + (cell.data or " ").encode()


def _cells(buffer: Any, terminal: Terminal) -> bytes:  # noqa: ANN401 (pyte's own)
    """Return what draws all cells that are not as after a reset."""
    blank = terminal.default_char
    parts = []
    for row in range(terminal.lines):
        line = buffer[row]
        used = [column for column in range(terminal.columns) if line[column] != blank]
        if not used:
            continue
        parts.append(_place(row, used[0]))
        look = blank
        for column in range(used[0], used[-1] + 1):
            cell = line[column]
            if cell._replace(data="") != look._replace(data=""):
                parts.append(_rendition(cell))
                look = cell
            parts.append(cell.data.encode())
        if look._replace(data=" ") != blank:
            parts.append(b"\x1b[m")
    return b"".join(parts)


def _rendition(cell: Any) -> bytes:  # noqa: ANN401 (pyte's own)
    codes = ["0", *(code for flag, code in _FLAGS if getattr(cell, flag, False))]  # pyte 0.8.0 knows no blinking
    if cell.fg != "default":
        codes.append(_FOREGROUNDS.get(cell.fg) or _rgb("38", cell.fg))
    if cell.bg != "default":
        codes.append(_BACKGROUNDS.get(cell.bg) or _rgb("48", cell.bg))
    return f"\x1b[{';'.join(codes)}m".encode()


def _rgb(code: str, colour: str) -> str:
    return ";".join((code, "2", *(str(int(colour[at : at + 2], 16)) for at in (0, 2, 4))))
