"""What a bar in a terminal is made of. Rich is slow to import: this is imported when the first one is shown."""

from __future__ import annotations

from rich import progress
from rich.console import Console
from rich.table import Column
from rich.text import Text

_BAR_WIDTHS = (6, 24)
_NOTE_WIDTH = 20  # of which a note is worth a shorter bar
# Counter, times and the spaces between them, at their widest: "100/236 0:00:00" and "100.0/344.1 MB 333.2 MB/s ...".
_REST_WIDTH, _REST_WIDTH_OF_BYTES = 22, 54


class _Title(progress.ProgressColumn):
    """What goes on: the last to be cut."""

    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=False))

    def render(self, task: progress.Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class _Note(progress.ProgressColumn):
    """What is at hand: the first to be cut."""

    def __init__(self, width: int) -> None:
        super().__init__(table_column=_whole())
        self._width = width

    def render(self, task: progress.Task) -> Text:
        note = Text(task.fields["note"] if self._width > 1 else "", style="dim")
        note.truncate(self._width, overflow="ellipsis")
        return note


def make(title: str, total: int | None, unit: str) -> progress.Progress:
    """Return bars for a step of so many units, as wide as the terminal is; `unit` is "B" for bytes, or a word."""
    console = Console(stderr=True)
    room = console.width - len(title) - (_REST_WIDTH_OF_BYTES if unit == "B" else _REST_WIDTH)
    least, most = _BAR_WIDTHS
    bar_width = max(least, min(most, room - _NOTE_WIDTH))
    columns: list[progress.ProgressColumn] = [_Title(), progress.BarColumn(bar_width, table_column=_whole())]
    if total is not None:
        counter = progress.DownloadColumn if unit == "B" else progress.MofNCompleteColumn
        columns.append(counter(table_column=_whole()))
    if unit == "B":
        columns.append(progress.TransferSpeedColumn(table_column=_whole()))
        columns.append(progress.TimeRemainingColumn(table_column=_whole()))
        columns.append(progress.TextColumn("left,"))
    columns += [progress.TimeElapsedColumn(table_column=_whole()), _Note(max(0, room - bar_width))]
    return progress.Progress(*columns, console=console)


def _whole() -> Column:
    return Column(no_wrap=True)
