"""The receiver's page: Debian's gpsd reads a replayed receiver, and Chromium shows what it says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import stage
from tests.browser.conftest import PHONE, Open
from tests.browser.stage import Stage
from tests.unit.gps.daemons import chronyd, free_port, gpsd, needs_gpsd

LOG = Path(__file__).parents[2] / "examples" / "receiver.log"


@contextmanager
def replayed(link: Path) -> Iterator[None]:
    """Let a recorded receiver speak at `link`, again and again."""
    argv = [stage.PIBRAMBLE, "-q", "gps", "replay", str(LOG), "--link", str(link), "--loop", "--now"]
    process = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=stage.environment(link.parent)
    )
    try:
        stage.wait_until(link.exists)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)


@contextmanager
def with_receiver(folder: Path) -> Iterator[str]:
    """Give the address of a gpsd that has one."""
    link = folder / "receiver"
    with replayed(link), gpsd(str(link.readlink())) as port:
        yield f"127.0.0.1:{port}"


@contextmanager
def served(folder: Path, address: str = "", *, chrony: bool = False) -> Iterator[Stage]:
    """Serve the page of what is at `address`, or of a gpsd of its own; with `chrony` beside a chronyd."""
    with ExitStack() as stack:
        at = address or stack.enter_context(with_receiver(folder))
        programs = stack.enter_context(chronyd(folder)) if chrony else ""
        path = [f"PATH={programs}{os.pathsep}{os.environ['PATH']}"] if chrony else []
        serve = ("--listen", "127.0.0.1:0", "--gps", at)
        begun = stage.begin(folder, ["sw1"], *serve, prefix=["env", *path])
        stack.callback(begun.end)
        yield begun


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with with_receiver(tmp_path_factory.mktemp("receiver")) as address:
        yield address


@pytest.fixture(scope="module")
def bench(receiver: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with served(tmp_path_factory.mktemp("gps"), receiver) as begun:
        yield begun


def fact(page: Page, name: str) -> Locator:
    return page.locator(f'#facts dd[data-fact="{name}"]')


def viewers_of_gpsd(receiver: str) -> int:
    """Count who is connected to gpsd."""
    port = receiver.rpartition(":")[2]
    argv = ["ss", "-Htn", "state", "established", f"( sport = :{port} )"]
    return len(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout.splitlines())


@needs_gpsd
@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desk"])
def test_the_page_shows_sky_signals_place_and_time_and_they_live(bench: Stage, open_page: Open, *, phone: bool) -> None:
    page = open_page(bench.address, phone=phone)
    page.get_by_role("navigation").get_by_role("link", name="GPS").click()
    expect(fact(page, "fix")).to_contain_text("3D fix")
    expect(fact(page, "position")).to_have_text(re.compile(r"^52\.51\d{4}° N  13\.37\d{4}° E$"))
    expect(fact(page, "height")).to_contain_text("above the sea")
    expect(fact(page, "speed")).to_contain_text("km/h")
    expect(fact(page, "source")).to_contain_text("gpsd at")
    expect(fact(page, "offset")).to_have_text(re.compile(r"^[+-][\d.]+ (ms|s), the wire's delay included$"))
    expect(page.locator("#chrony")).to_be_hidden()
    expect(page.locator("#satellites .used")).not_to_have_count(0)
    expect(page.locator("#bars .used")).not_to_have_count(0)
    first = fact(page, "time").inner_text()
    expect(fact(page, "time")).not_to_have_text(first)
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("navigation").get_by_role("link", name="Consoles").click()
    expect(page.get_by_role("heading", name="Consoles")).to_be_visible()


@needs_gpsd
@pytest.mark.skipif(not shutil.which("ss"), reason="there is no ss")
def test_one_feed_serves_all_who_look_and_ends_when_nobody_does(bench: Stage, receiver: str, open_page: Open) -> None:
    stage.wait_until(lambda: viewers_of_gpsd(receiver) == 0)
    pages = [open_page(f"{bench.address}/gps") for _ in range(2)]
    for page in pages:
        expect(fact(page, "fix")).to_contain_text("3D fix")
    assert viewers_of_gpsd(receiver) == 1
    pages[0].close()
    before = fact(pages[1], "time").inner_text()
    expect(fact(pages[1], "time")).not_to_have_text(before)
    pages[1].close()
    stage.wait_until(lambda: viewers_of_gpsd(receiver) == 0)


def test_a_receiver_that_goes_away_is_told_of_and_taken_up_again(tmp_path: Path, open_page: Open) -> None:
    """Read without gpsd, at its port."""
    link = tmp_path / "receiver"
    with ExitStack() as plugged:
        plugged.enter_context(replayed(link))
        with served(tmp_path, str(link)) as local:
            page = open_page(f"{local.address}/gps", phone=True)
            expect(fact(page, "fix")).to_contain_text("3D fix")
            plugged.close()
            expect(page.locator("#said.problem")).to_contain_text(str(link))
            with replayed(link):
                expect(page.locator("#said")).to_be_empty()
                expect(fact(page, "fix")).to_contain_text("3D fix")


@needs_gpsd
def test_the_page_says_what_chrony_makes_of_its_sources(receiver: str, tmp_path: Path, open_page: Open) -> None:
    """The terminal that gpsd reads is a pseudo-terminal, from which it passes no time on."""
    with served(tmp_path, receiver, chrony=True) as local:
        page = open_page(f"{local.address}/gps", phone=True)
        expect(fact(page, "clock")).to_contain_text("chrony follows")
        source = page.locator("#sources tr")
        expect(source).to_have_text(re.compile("GPS.*reference clock.*unusable.*000--$"))
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        # Nothing of it is cut, or must be pushed aside to be read.
        for cell in page.locator("#sources td").all():
            assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
            box = cell.bounding_box()
            assert box is not None
            assert 0 <= box["x"] <= box["x"] + box["width"] <= PHONE["width"]
        assert (
            page.locator("#sources").evaluate("(rows) => getComputedStyle(rows.rows[0].cells[5], '::before').content")
            == '"offset"'
        )


def test_where_no_gpsd_runs_the_page_says_so_in_words(tmp_path: Path, open_page: Open) -> None:
    address = f"127.0.0.1:{free_port()}"
    with served(tmp_path, address) as local:
        page = open_page(f"{local.address}/gps")
        expect(page.locator("#said.problem")).to_contain_text(f"no gpsd answers at {address}: connection refused")
        expect(page.get_by_text("pibramble gps doctor")).to_be_visible()
        expect(fact(page, "fix")).to_have_text("no word of a fix")
