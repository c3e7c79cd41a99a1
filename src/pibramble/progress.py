"""How long work tells people that it goes on: a bar in a terminal, plain lines elsewhere.

Work calls a `Progress`; it does not know which one it has.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress as RichProgress


class Step(Protocol):
    """One piece of long work with a known number of units."""

    def advance(self, units: int = 1, note: str = "") -> None:
        """Say that so many more units are done; `note` names what is at hand."""
        ...


class Lines(Protocol):
    """A line for each of several things that go on side by side."""

    def say(self, name: str, text: str) -> None:
        """Say how it stands with one of them."""
        ...


class Progress(Protocol):
    """Where steps are shown."""

    @contextmanager
    def step(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Step]:
        """Show a step while the block runs. `unit` is "B" for bytes, else a word like "nodes"."""
        ...

    @contextmanager
    def lines(self, names: Sequence[str]) -> Iterator[Lines]:
        """Show a line for each of `names` while the block runs."""
        ...


class _Silent:
    def advance(self, units: int = 1, note: str = "") -> None:
        pass

    def say(self, name: str, text: str) -> None:
        pass


class SilentProgress:
    """Shows nothing: for `--json`, `--quiet` and the tests."""

    @contextmanager
    def step(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Step]:  # noqa: ARG002
        """Show nothing."""
        yield _Silent()

    @contextmanager
    def lines(self, names: Sequence[str]) -> Iterator[Lines]:  # noqa: ARG002
        """Show nothing."""
        yield _Silent()


class PlainProgress:
    """One line a finished step on standard error: for pipes, logs and CI."""

    @contextmanager
    def step(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Step]:
        """Print the step's line when it is over, with how long it took."""
        began = time.monotonic()
        yield _Silent()
        word = unit.removesuffix("s") if total == 1 else unit
        count = f" ({total} {word})" if total is not None and unit and unit != "B" else ""
        sys.stderr.write(f"{title}{count}: {time.monotonic() - began:.2f} s\n")  # as one: steps may end side by side

    @contextmanager
    def lines(self, names: Sequence[str]) -> Iterator[Lines]:
        """Print a line whenever there is something new to say."""
        yield _PlainLines(max(map(len, names), default=0))


class _PlainLines:
    def __init__(self, width: int) -> None:
        self._width = width
        self._said: dict[str, str] = {}

    def say(self, name: str, text: str) -> None:
        if self._said.get(name) != text:
            self._said[name] = text
            print(f"{name:{self._width}}  {text}", file=sys.stderr)


class _RichStep:
    def __init__(self, bars: RichProgress, task: int) -> None:
        self._bars = bars
        self._task = task

    def advance(self, units: int = 1, note: str = "") -> None:
        self._bars.update(self._task, advance=units, note=note)  # type: ignore[arg-type]


class TerminalProgress:
    """A bar a step in a terminal. Those of steps that go on side by side, in threads, stand below each other."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._bars: list[RichProgress] = []  # since nothing was shown, also those that are done
        self._running = 0

    @contextmanager
    def step(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Step]:
        """Show a bar, and leave a line with the time behind."""
        from pibramble import bars

        shown = bars.make(title, total, unit)
        task = shown.add_task(title, total=total, note="")
        with self._beside_others(shown):
            try:
                yield _RichStep(shown, task)
            except BaseException:
                shown.stop_task(task)  # its clock, while others are shown beside it
                raise
            shown.update(task, completed=total or 1, total=total or 1, note="")

    @contextmanager
    def _beside_others(self, bars: RichProgress) -> Iterator[None]:
        """Show bars while the block runs, and until all that are shown beside them are over; they are left then."""
        from rich.console import Group
        from rich.live import Live

        with self._lock:
            self._bars.append(bars)
            self._running += 1
            if self._live is None:
                self._live = Live(
                    get_renderable=lambda: Group(*(one.get_renderable() for one in self._bars)),
                    console=bars.console,
                    refresh_per_second=10,
                )
                self._live.start(refresh=True)
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if self._running == 0 and self._live is not None:
                    self._live.stop()
                    self._live = None
                    self._bars.clear()

    @contextmanager
    def lines(self, names: Sequence[str]) -> Iterator[Lines]:
        """Show the lines in place, and leave them behind."""
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(stderr=True), refresh_per_second=4) as live:
            shown = _TerminalLines(live, names)
            yield shown
            shown.update()


class _TerminalLines:
    def __init__(self, live: Live, names: Sequence[str]) -> None:
        self._live = live
        self._texts = dict.fromkeys(names, "")

    def say(self, name: str, text: str) -> None:
        if self._texts.get(name) != text:
            self._texts[name] = text
            self.update()

    def update(self) -> None:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for name, text in self._texts.items():
            table.add_row(name, text)
        self._live.update(table)


def for_terminal(*, quiet: bool = False) -> Progress:
    """Return the progress that fits where standard error goes."""
    if quiet:
        return SilentProgress()
    return TerminalProgress() if sys.stderr.isatty() else PlainProgress()
