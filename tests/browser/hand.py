"""What a person does at a console's page, and sees there."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect


def screen(page: Page) -> str:
    """Return what the terminal shows, without the blanks at the ends."""
    rows = page.locator(".xterm-rows > div").all_inner_texts()
    return "\n".join(row.replace("\xa0", " ").rstrip() for row in rows).rstrip()


def shows(page: Page, pattern: str) -> None:
    """Wait until the terminal shows something."""
    expect(page.locator(".xterm-rows")).to_contain_text(re.compile(pattern))


def comes_to_show(page: Page, text: Callable[[], str]) -> None:
    """Wait until the terminal shows exactly a text, which may still change as well."""
    for _ in range(100):
        if screen(page) == text():
            return
        page.wait_for_timeout(100)
    assert screen(page) == text()


def entry(page: Page, name: str) -> Locator:
    """Return a port's entry in the list."""
    return page.get_by_role("listitem").filter(has=page.locator(".name", has_text=name))


def take_control(page: Page) -> None:
    page.get_by_role("button", name="Take control").click()
    expect(page.locator("#said")).to_contain_text("You write")


def send_line(page: Page, text: str) -> None:
    """Send a line with the field for phones."""
    page.get_by_label("A line to send").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


def paste(page: Page, text: str) -> None:
    """Paste into what has the focus, as Ctrl-V does."""
    page.evaluate(
        "text => { const data = new DataTransfer(); data.setData('text/plain', text);"
        "document.activeElement.dispatchEvent("
        "new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })); }",
        text,
    )


def answer(page: Page, name: str) -> str:
    """Press a button of the question that is asked, and return the question."""
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    question = dialog.locator("#question-text").inner_text()
    dialog.get_by_role("button", name=name).click()
    return question


def press(page: Page, *names: str) -> None:
    """Press keys of the bar."""
    keys = page.get_by_role("toolbar", name="Keys")
    for name in names:
        keys.get_by_role("button", name=name, exact=True).click()


def clear(page: Page) -> None:
    """Begin with an empty screen and a prompt, whatever was before."""
    press(page, "Ctrl-C")
    send_line(page, "clear")
    expect(page.locator(".xterm-rows")).not_to_contain_text("clear")
    shows(page, "sw1#")
