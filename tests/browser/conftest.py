"""Debian's Chromium, driven by Playwright against a real broker."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect, sync_playwright

from tests.browser import hand, stage
from tests.browser.stage import Stage

PHONE = {"width": 360, "height": 640}
CHROMIUM = shutil.which("chromium") or ""
ARGUMENTS = ["--no-sandbox"]  # Chromium refuses to be root with one

PATIENCE_MS = 15_000  # beside other work on a small machine
expect.set_options(timeout=PATIENCE_MS)

Open = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.skipif(not CHROMIUM, reason="there is no chromium: scripts/setup dev"))


@pytest.fixture(scope="module")  # while it lives, no other test of the session could run an event loop
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    begun = stage.begin(tmp_path_factory.mktemp("bench"), ["sw1", "sw2"], "--listen", "127.0.0.1:0", old=["old"])
    yield begun
    begun.end()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open pages, each in a browser of its own; at the end nothing may have been complained about in their consoles.

    `refusals`: the browser is expected to complain, since it is kept from something.
    """
    complaints: list[str] = []
    contexts = []

    def hear(message: ConsoleMessage) -> None:
        # That the server is away, or says no, is what some tests are about.
        if message.type in {"error", "warning"} and "WebSocket" not in message.text and "status of" not in message.text:
            complaints.append(message.text)

    def open_(address: str, *, phone: bool = False, refusals: bool = False, **options: Any) -> Page:  # noqa: ANN401 (Playwright's)
        touch: dict[str, Any] = {"is_mobile": True, "has_touch": True, "device_scale_factor": 2} if phone else {}
        size = options.pop("viewport", PHONE if phone else {"width": 1280, "height": 800})
        context = browser.new_context(viewport=size, **touch, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        if not refusals:
            page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(bench: Stage, open_page: Open) -> Page:
    """Sit at sw1, in control, before an empty screen of a fresh shell."""
    bench.devices["sw1"].pull_out()
    bench.devices["sw1"].plug_in()
    page = open_page(f"{bench.address}/console/sw1")
    expect(page.locator("#state")).to_have_text("open")
    hand.take_control(page)
    hand.clear(page)
    return page
