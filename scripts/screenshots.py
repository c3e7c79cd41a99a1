"""Takes the pictures of docs/console-web.md and docs/gps.md: a real broker, bash, a replayed receiver, Chromium."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from tests.browser import hand, stage  # noqa: E402 (found there)
from tests.browser.conftest import ARGUMENTS, CHROMIUM  # noqa: E402
from tests.browser.test_gps import fact, replayed, served  # noqa: E402

_IMAGES = REPO / "docs" / "images"
_PHONE: Mapping[str, Any] = {"is_mobile": True, "has_touch": True, "user_agent": "Mobile"}
_SIZES: Mapping[str, Mapping[str, Any]] = {
    "upright": {"viewport": {"width": 360, "height": 640}, **_PHONE},
    "sideways": {"viewport": {"width": 640, "height": 360}, **_PHONE},
    "desk": {"viewport": {"width": 1100, "height": 700}},
}
_WORK = "clear; uname -sm; ip -brief link | head -3; df -h / | tail -1"


def main() -> None:
    """Write docs/images/console-*.png and gps-*.png."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        _take_consoles(browser)
        _take_receiver(browser)
        browser.close()


def _take_consoles(browser: Browser) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = stage.begin(Path(folder), ["sw1", "router-2"], "--listen", "127.0.0.1:0", profile="linux", old=["sw2"])
        try:
            _take(browser, bench.address)
            _take_paste(browser, bench.address)
        finally:
            bench.end()


def _take_receiver(browser: Browser) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        replayed(link := Path(folder) / "ttyUSB0"),
        served(link.parent, str(link), chrony=True) as bench,
    ):
        for size in ("upright", "desk"):
            page = _open(browser, size, f"{bench.address}/gps")
            expect(fact(page, "fix")).to_contain_text("3D fix")
            page.wait_for_timeout(1500)
            page.screenshot(path=_IMAGES / f"gps-{size}.png", full_page=True)


def _take_paste(browser: Browser, address: str) -> None:
    phone = _open(browser, "upright", f"{address}/console/sw2")
    hand.take_control(phone)
    lines = (f"interface FastEthernet0/{port}\n description room {port}\n" for port in range(1, 25))
    phone.get_by_label("A line to send").fill("".join(lines))
    phone.get_by_role("button", name="Send", exact=True).tap()
    phone.wait_for_timeout(300)
    _save(phone, "paste-asked")
    hand.answer(phone, "Yes")
    expect(phone.locator("#paste")).to_contain_text("9 of 48 lines")
    _save(phone, "pasting")


def _take(browser: Browser, address: str) -> None:
    desk = _open(browser, "desk", f"{address}/console/sw1")
    hand.take_control(desk)
    hand.send_line(desk, _WORK)
    desk.wait_for_timeout(800)
    _save(desk, "desk")
    phone = _open(browser, "upright", f"{address}/console/sw1")
    phone.wait_for_timeout(800)
    _save(phone, "watching")
    hand.take_control(phone)
    phone.wait_for_timeout(300)
    _save(phone, "upright")
    phone.goto(address)
    phone.wait_for_timeout(1500)
    _save(phone, "list")
    phone.goto(f"{address}/login")
    _save(phone, "login")
    side = _open(browser, "sideways", f"{address}/console/sw1")
    hand.take_control(side)
    side.get_by_role("button", name="Line", exact=True).click()
    hand.send_line(side, "clear; vi -R /etc/services")
    side.get_by_role("button", name="Line", exact=True).click()
    side.wait_for_timeout(1500)
    _save(side, "sideways")


def _open(browser: Browser, size: str, address: str) -> Page:
    page = browser.new_context(device_scale_factor=1.5, **_SIZES[size]).new_page()
    page.goto(address)
    return page


def _save(page: Page, name: str) -> None:
    page.screenshot(path=_IMAGES / f"console-{name}.png")


if __name__ == "__main__":
    main()
