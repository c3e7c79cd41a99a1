"""What a terminal shows, said by pyte, so that two streams can be compared."""

from __future__ import annotations

from pibramble.console.emulation import Terminal, redraw
from pibramble.console.history import History


def shown(terminal: Terminal) -> tuple[object, ...]:
    """Return all that a person sees of a terminal, and what his next key would meet."""
    cells = [[terminal.buffer[row][column] for column in range(terminal.columns)] for row in range(terminal.lines)]
    cursor = terminal.cursor
    return (
        cells,
        (cursor.y, cursor.x, cursor.hidden, cursor.attrs[1:]),
        terminal.margins,
        sorted(terminal.tabstops),
        terminal.alternate,
        terminal.charset,
    )


def terminal(stream: bytes, rows: int = 24) -> Terminal:
    """Return a terminal that has seen a stream."""
    made = Terminal(rows)
    made.feed(stream)
    return made


def differences(stream: bytes, *, rows: int = 24, limit: int, kept: int, step: int) -> tuple[History, list[int]]:
    """Feed a stream in steps to a small history; return it, and where a restored screen was not the watched one."""
    history, watched, wrong = History(limit, kept), Terminal(rows), []
    for at in range(0, len(stream), step):
        piece = stream[at : at + step]
        history.feed(piece)
        watched.feed(piece)
        if history.needs_redraw:
            part = history.outgrown()
            history.redrawn(len(part), redraw(part, rows))
        if shown(terminal(history.restore(), rows)) != shown(watched):
            wrong.append(at)
    return history, wrong
