"""What is restored shows the same in xterm.js, the page's own terminal, as what was watched: say its cells.

pyte, which redraws a screen whose bytes were dropped, is then no judge of itself.
"""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from pibramble.console.emulation import redraw
from pibramble.console.history import History
from pibramble.console.sequences import without_queries
from tests.unit.console.test_history import SESSIONS
from tests.unit.console.test_vttest import MENUS, recorded
from tests.unit.console.vttest import VTTEST

WEB = Path(__file__).parents[2] / "web"
ESBUILD = WEB / "node_modules" / ".bin" / "esbuild"

# xterm.js keeps its 80 columns where vttest asks for 132 (DECCOLM), and does not clear the screen there.
WIDE = ("cursor movements", "screen features in colours")

pytestmark = pytest.mark.skipif(
    not ESBUILD.exists(), reason="web/node_modules is not there: scripts/build-web --packages says why"
)

JUDGE = """
import { Terminal } from "@xterm/xterm";
window.shown = async (stream) => {
  const terminal = new Terminal({ cols: 80, rows: 24, allowProposedApi: true });
  const bytes = Uint8Array.from(atob(stream), (c) => c.charCodeAt(0));
  await new Promise((resolve) => terminal.write(bytes, resolve));
  const buffer = terminal.buffer.active, rows = [];
  for (let row = 0; row < 24; row += 1) {
    const line = buffer.getLine(buffer.baseY + row), cells = [];
    for (let column = 0; column < 80; column += 1) {
      const cell = line.getCell(column);
      const flags = [cell.isBold(), cell.isItalic(), cell.isUnderline(), cell.isBlink(), cell.isInverse()];
      const ground = [cell.getBgColorMode(), cell.getBgColor()].join(":");
      const look = [cell.getFgColorMode(), cell.getFgColor(), ...flags.map(Number)].join(":");
      cells.push(`${cell.getChars() || " "}|${ground}|${look}`);
    }
    rows.push(cells);
  }
  const place = [buffer.cursorY, Math.min(buffer.cursorX, 79), buffer.type];
  terminal.dispose();
  return { rows, place };
};
"""


@pytest.fixture(scope="module")
def judge(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("judge")
    argv = [
        str(ESBUILD),
        "--bundle",
        "--format=iife",
        f"--outfile={folder}/judge.js",
        "--log-level=error",
        "--loader=js",
    ]
    subprocess.run(argv, cwd=WEB, input=JUDGE, text=True, check=True, timeout=60)
    page = browser.new_page()
    page.add_script_tag(path=folder / "judge.js")
    return page


def shown(judge: Page, stream: bytes) -> Any:  # noqa: ANN401 (JSON)
    return judge.evaluate("stream => window.shown(stream)", base64.b64encode(stream).decode())


def compared(judge: Page, stream: bytes, *, limit: int, step: int, every: int = 4) -> int:
    """Compare where bytes have been dropped; return how often."""
    history, count, met = History(limit, limit // 2), 0, -1
    for end in range(step, len(stream), step):
        history.feed(stream[end - step : end])
        if history.needs_redraw:
            part = history.outgrown()
            history.redrawn(len(part), redraw(part))
        met += bool(history.droppings)
        if history.droppings and met % every == 0:
            restored, watched = shown(judge, history.restore()), shown(judge, without_queries(stream[:end]))
            differ = [
                (row, column, was, now)
                for row, (before, after) in enumerate(zip(watched["rows"], restored["rows"], strict=True))
                for column, (was, now) in enumerate(zip(before, after, strict=True))
                if was != now
            ]
            assert not differ, (end, len(differ), differ[:5], stream[end - 400 : end])
            assert restored["place"] == watched["place"], end
            count += 1
    return count


@pytest.mark.parametrize("name", ["vi", "htop", "less"])
def test_recorded_sessions(judge: Page, name: str) -> None:
    assert compared(judge, (SESSIONS / name).read_bytes(), limit=6000, step=1500, every=1)


@pytest.mark.skipif(not VTTEST, reason="there is no vttest: scripts/setup dev")
@pytest.mark.parametrize("menu", [menu for menu in MENUS if menu not in WIDE])
def test_vttest(judge: Page, menu: str) -> None:
    assert compared(judge, recorded(menu), limit=2000, step=211, every=8)
