"""A phone's keyboard composes words before it commits them, and not all is ASCII: what comes to the device of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser import hand
from tests.browser.hand import send_line, shows

WORDS = {
    "japanese": (("n", "に", "にほん", "日本"), "日本語"),
    "a dead key": (("\u00b4",), "é"),
    "autocorrected": (("t", "te", "teh"), "the"),
    "an emoji": ((), "👍"),
    "umlauts": ((), "äß€"),
}


def compose(page: Page, steps: tuple[str, ...], committed: str) -> None:
    """Compose as an input method does: the text under the cursor changes, and is committed at the end."""
    keyboard = page.context.new_cdp_session(page)
    for text in steps:
        keyboard.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
    keyboard.send("Input.insertText", {"text": committed})
    keyboard.detach()


def listen(page: Page) -> None:
    """Let the device show the bytes of the next line."""
    hand.clear(page)
    send_line(page, "IFS= read -r x; printf '<%s>' \"$x\" | od -An -tx1")
    shows(page, "od -An")


def hexed(text: str) -> str:
    return " ".join(f"{byte:02x}" for byte in f"<{text}>".encode())


@pytest.mark.parametrize("label", ["Terminal input", "A line to send"])
def test_what_is_composed_goes_down_the_line_once(page: Page, label: str) -> None:
    for steps, committed in WORDS.values():
        listen(page)
        page.get_by_label(label).focus()
        compose(page, steps, committed)
        page.keyboard.press("Enter")
        shows(page, hexed(committed))


def test_a_word_that_is_not_committed_yet_is_not_sent(page: Page) -> None:
    listen(page)
    page.get_by_label("Terminal input").focus()
    keyboard = page.context.new_cdp_session(page)
    keyboard.send("Input.imeSetComposition", {"text": "にほ", "selectionStart": 2, "selectionEnd": 2})
    page.wait_for_timeout(300)
    keyboard.send("Input.imeSetComposition", {"text": "", "selectionStart": 0, "selectionEnd": 0})  # given up
    page.wait_for_timeout(300)
    page.keyboard.type("x")
    page.keyboard.press("Enter")
    shows(page, hexed("x"))
