"""What is pasted in a browser goes as slowly as the device takes it: there is a bash, and a device that is slow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import hand
from tests.browser.conftest import Open
from tests.browser.hand import answer, paste, press, screen, send_line, shows, take_control
from tests.browser.stage import Stage

VLANS = "".join(f"vlan {number}\n name {number}-students-of-the-year\n" for number in range(100, 130))


@pytest.fixture
def old(bench: Stage, open_page: Open) -> Page:
    """Sit with a phone at a device that loses what comes too fast, in control."""
    bench.devices["old"].pull_out()
    bench.devices["old"].plug_in()
    page = open_page(f"{bench.address}/console/old", phone=True)
    expect(page.locator("#state")).to_have_text("open")
    shows(page, "^ *slow# *$")
    take_control(page)
    return page


def test_every_line_arrives_at_a_slow_device_after_a_question(old: Page) -> None:
    old.get_by_label("Terminal input").focus()
    paste(old, VLANS)
    question = answer(old, "Yes")
    assert "Paste 60 lines, 1,200 bytes, on old? At 9600 8N1 it takes at least 7 s." in question
    expect(old.locator("#paste")).to_contain_text(re.compile(r"Pasting: \d+ of 60 lines sent"))
    shows(old, "slow#vlan 129.*slow# name 129-students-of-the-year")
    expect(old.locator("#paste")).to_be_hidden()
    # In the scrollback too: nothing was lost, nothing came twice.
    old.get_by_role("button", name="Find", exact=True).click()
    for number in (100, 117):
        old.get_by_label("Find in the scrollback").fill(f"slow# name {number}-students-of-the-year")
        old.keyboard.press("Enter")
        expect(old.locator("#find-said")).to_have_text("")


def test_control_c_stops_a_paste(old: Page) -> None:
    old.get_by_label("Terminal input").focus()
    paste(old, VLANS)
    answer(old, "Yes")
    shows(old, r"vlan 1\d\d")
    press(old, "Ctrl-C")
    expect(old.locator("#paste")).to_contain_text(re.compile(r"Stopped: \d+ of 60 lines sent"))
    old.wait_for_timeout(500)
    stopped = screen(old)
    assert "^C" not in stopped, "the first one is for the paste"
    old.wait_for_timeout(1000)
    assert screen(old) == stopped
    press(old, "Ctrl-C")
    shows(old, r"\^C")
    old.locator("#paste").get_by_role("button", name="Close").tap()
    expect(old.locator("#paste")).to_be_hidden()


def test_several_lines_in_the_line_to_send_are_paced_too(old: Page) -> None:
    field = old.get_by_label("A line to send")
    field.fill("interface range FastEthernet0/1 - 24\n description a long one, to be slow\nno shutdown\nend")
    old.get_by_role("button", name="Send", exact=True).tap()
    shows(
        old,
        r"FastEthernet0/1 - 24\s*slow# description a long one, to be slow\s*slow#no shutdown\s*slow#end\s*slow#",
    )
    expect(field).to_have_value("")
    field.fill("show clock")
    field.press("Enter")
    shows(old, "slow#show clock")
    expect(field).to_have_value("")


def test_a_line_that_comes_back_wrong_ends_the_paste_and_says_which(old: Page) -> None:
    old.get_by_label("Terminal input").focus()
    paste(old, "one\nno \x03shutdown\nend\n")  # the device throws its line away at Ctrl-C
    row = old.locator("#paste")
    expect(row).to_contain_text("line 2 did not come back as it was sent; nothing after it was sent")
    expect(row).to_contain_text("slower pacing in the profile may help")
    assert "slow#end" not in screen(old)


def test_a_paste_that_is_declined_is_not_sent(old: Page) -> None:
    field = old.get_by_label("A line to send")
    field.fill(VLANS)
    old.get_by_role("button", name="Send", exact=True).tap()
    answer(old, "No")
    expect(field).to_have_value(VLANS)
    expect(old.locator("#paste")).to_contain_text("nothing was pasted")
    assert "vlan" not in screen(old)


def test_ten_megabytes_are_refused_with_the_way_to_send_them(page: Page) -> None:
    page.locator("#terminal").click()
    paste(page, "0123456789abcde\n" * (10 << 16))
    expect(page.locator("#paste")).to_contain_text("10,485,760 bytes are too many to paste; 524,288 are the most")
    expect(page.locator("#paste")).to_contain_text("pibramble console sw1 --send-file FILE")
    send_line(page, "echo still he''re")
    shows(page, "still here")


def test_who_only_watches_pastes_nothing(bench: Stage, open_page: Open, page: Page) -> None:
    other = open_page(f"{bench.address}/console/sw1")
    expect(other.locator("#said")).to_contain_text("writes")
    other.locator("#terminal").click()
    paste(other, "echo intruder\n")
    expect(other.locator("#said")).to_contain_text("Read only")
    send_line(page, "echo the end''ing")
    shows(other, "ending")
    assert "intruder" not in screen(page)


def test_a_long_paste_arrives_whole(page: Page) -> None:
    send_line(page, "stty -echo; wc -c; stty echo")
    page.locator("#terminal").click()
    paste(page, "".join(f"{number:063d}\n" for number in range(1000)))
    assert "Paste 1,000 lines, 64,000 bytes" in answer(page, "Yes")
    page.wait_for_timeout(500)
    page.keyboard.press("Control+d")
    shows(page, "64000")


def test_a_paste_that_the_device_does_not_take_can_be_stopped(page: Page) -> None:
    # Character by character, or the terminal's driver would take a line without an end however long it is.
    send_line(page, "stty -icanon -echo; sleep 6; stty sane")
    page.locator("#terminal").click()
    paste(page, "x" * 400_000)
    answer(page, "Yes")
    expect(page.locator("#paste")).to_contain_text(re.compile(r"[\d,]+ of 400,000 bytes sent"))
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#paste")).to_contain_text("Stopped")
    page.wait_for_timeout(6000)
    press(page, "Ctrl-C")
    hand.clear(page)


def test_bash_gets_a_bracketed_paste_whole_before_it_runs_any(page: Page) -> None:
    send_line(page, "bind 'set enable-bracketed-paste on'; echo brack''eted")
    shows(page, "bracketed")
    page.wait_for_timeout(300)
    page.locator("#terminal").click()
    paste(page, "echo o''ne\necho t''wo\n")
    shows(page, "echo t''wo")
    page.wait_for_timeout(300)
    assert "\none" not in screen(page), "it waits for the Enter key"
    page.keyboard.press("Enter")
    shows(page, "one.*two")


def test_a_phone_of_360_pixels_shows_how_far_a_paste_is(old: Page, tmp_path: Path) -> None:
    field = old.get_by_label("A line to send")
    field.fill(VLANS)
    old.screenshot(path=tmp_path / "composed.png")
    old.get_by_role("button", name="Send", exact=True).tap()
    expect(old.get_by_role("dialog")).to_be_visible()
    old.screenshot(path=tmp_path / "asked.png")
    answer(old, "Yes")
    row = old.locator("#paste")
    expect(row).to_contain_text(re.compile("[1-9] of 60 lines"))
    old.screenshot(path=tmp_path / "pasting.png")
    stop = old.get_by_role("button", name="Stop").bounding_box()
    bar = old.get_by_role("progressbar").bounding_box()
    assert stop is not None
    assert bar is not None
    assert stop["height"] >= 44
    assert stop["x"] + stop["width"] <= 360
    assert stop["y"] + stop["height"] <= 640
    assert bar["width"] > 300
    assert old.evaluate("document.documentElement.scrollWidth") <= 360
    old.get_by_role("button", name="Stop").tap()
    expect(row).to_contain_text("Stopped")
    old.screenshot(path=tmp_path / "stopped.png")
