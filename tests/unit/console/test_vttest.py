"""vttest's own streams, restored: the screen is the watched one wherever they are cut, say pyte and tmux.

Left out: keyboard and reports (5, 6: they are about what a terminal sends), VT52 (7), and what pyte has no notion of:
double-sized lines (4) and the shades of newer terminals. tmux has no 132 columns (1, 2, 8 switch to them), and a fresh
alternate screen or a cleared one has no background there: what it leaves out xterm.js judges, in
tests/browser/test_restore.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pibramble.console.emulation import redraw
from pibramble.console.history import History
from pibramble.console.sequences import without_queries
from tests.unit.console.screens import differences
from tests.unit.console.tmux import TMUX, Tmux
from tests.unit.console.vttest import VTTEST, record

pytestmark = pytest.mark.skipif(not VTTEST, reason="there is no vttest: scripts/setup dev")

MENUS = {
    "cursor movements": ("1",),
    "screen features": ("2",),
    "character sets": ("3",),
    "inserting and deleting": ("8",),
    "ISO 6429 cursor movements": ("11", "5", *"123456789"),
    "repeating and scrolling": ("11", "7", *"236"),
    "alternate screens": ("11", "8", "7", *"12345"),
    "colours": ("11", "6", *"234589"),
    "screen features in colours": ("11", "6", "6", *"123"),
}
FOR_TMUX = ("character sets", "ISO 6429 cursor movements", "repeating and scrolling")


@cache
def recorded(menu: str) -> bytes:
    return record(*MENUS[menu])


@pytest.mark.parametrize("menu", MENUS)
def test_what_vttest_prints_shows_the_same_wherever_it_is_cut(menu: str) -> None:
    history, wrong = differences(recorded(menu), limit=2000, kept=1000, step=211)
    assert not wrong
    assert history.droppings > 0
    assert history.inexact == 0


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    started = Tmux(tmp_path)
    yield started
    started.end()


@pytest.mark.skipif(not TMUX, reason="there is no tmux: scripts/setup dev")
@pytest.mark.parametrize("menu", FOR_TMUX)
def test_tmux_shows_the_same_of_what_was_dropped_and_redrawn(menu: str, tmux: Tmux) -> None:
    stream, history, compared = recorded(menu), History(2000, 1000), 0
    for end in range(211, len(stream), 211):
        history.feed(stream[end - 211 : end])
        if history.needs_redraw:
            part = history.outgrown()
            history.redrawn(len(part), redraw(part))
        if history.droppings and end // 211 % 4 == 0:
            restored, watched = tmux.shown(history.restore(), without_queries(stream[:end]))
            assert restored == watched, end
            compared += 1
    assert compared > 0
