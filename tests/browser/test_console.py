"""The console in a browser: Debian's getty and bash at one end, Chromium at the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser import hand, stage
from tests.browser.conftest import Open
from tests.browser.hand import comes_to_show, press, screen, send_line, shows, take_control
from tests.browser.stage import Stage


def test_the_list_leads_to_a_console_by_one_tap(bench: Stage, open_page: Open) -> None:
    page = open_page(bench.address, phone=True)
    entry = hand.entry(page, "sw2")
    expect(entry).to_contain_text("open")
    expect(entry).to_contain_text("115200 8N1")
    expect(entry).to_contain_text("nobody watches")
    entry.tap()
    expect(page).to_have_url(f"{bench.address}/console/sw2")
    expect(page.get_by_role("heading", name="sw2")).to_be_visible()
    expect(page.locator("#said")).to_contain_text("Nobody writes: take control to type")


def test_the_list_shows_who_writes_and_the_last_line(bench: Stage, open_page: Open, page: Page) -> None:
    send_line(page, "echo the last''line")
    shows(page, "lastline")
    entry = hand.entry(open_page(bench.address), "sw1")
    expect(entry).to_contain_text("root in the browser writes, 1 watching")
    expect(entry.locator(".last")).to_contain_text("sw1#")


def test_after_a_new_start_the_list_shows_the_logs_last_line(tmp_path: Path, open_page: Open) -> None:
    log = tmp_path / "state" / "browser" / "console" / "logs" / "quiet" / "console.log"
    log.parent.mkdir(parents=True)
    log.write_text("2026-11-28T12:00:00.000Z said long ago\n")
    bench = stage.begin(tmp_path, ["sw1"], "--listen", "127.0.0.1:0", quiet=["quiet"])
    try:
        expect(hand.entry(open_page(bench.address), "quiet").locator(".last")).to_have_text("said long ago")
    finally:
        bench.end()


def test_what_is_typed_goes_down_the_line_and_comes_back(page: Page) -> None:
    page.locator("#terminal").click()
    page.keyboard.type("echo $((6*7)) | tr 4 f\n")
    shows(page, "f2")


def test_nothing_is_typed_without_control(bench: Stage, open_page: Open, page: Page) -> None:
    other = open_page(f"{bench.address}/console/sw1")
    expect(other.locator("#said")).to_contain_text("root in the browser writes, 1 more watches")
    other.locator("#terminal").click()
    other.keyboard.type("echo intruder\n")
    expect(other.locator("#said")).to_contain_text("Read only")
    expect(other.get_by_role("button", name="Send")).to_be_disabled()
    send_line(page, "echo the end''ing")
    shows(other, "ending")
    assert "intruder" not in screen(page)


def test_two_viewers_see_the_same_and_one_takes_over(bench: Stage, open_page: Open, page: Page) -> None:
    phone = open_page(f"{bench.address}/console/sw1", phone=True, user_agent="Mobile test")
    send_line(page, "echo bo''th")
    shows(phone, "both")
    comes_to_show(phone, lambda: screen(page))
    take_control(phone)
    expect(page.locator("#said")).to_contain_text(re.compile(r"\w+ on a phone took control"))
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    send_line(phone, "echo from the pho''ne")
    shows(page, "from the phone")
    phone.get_by_role("button", name="Release").tap()
    expect(page.locator("#said")).to_contain_text("Nobody writes")


def test_a_hot_button_runs_its_steps(page: Page) -> None:
    page.get_by_role("button", name="press").click()
    shows(page, "pressed")


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_a_hot_button_asks_before_it_does_harm(page: Page, answer: str) -> None:
    page.get_by_role("button", name="erase").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Erase it all?")
    dialog.get_by_role("button", name=answer).click()
    send_line(page, "echo do''ne")
    shows(page, "done")
    assert ("erased" in screen(page)) == (answer == "Yes")


def test_a_reload_restores_a_full_screen_program(page: Page) -> None:
    send_line(page, "seq -f 'line %g of the file' 60 >/tmp/pibramble-browser-test")
    # Without its questions where the cursor is, whose answers an unlucky vi takes for keys.
    send_line(page, "vi -u NONE -n --cmd 'set ruler t_u7= t_RV=' /tmp/pibramble-browser-test")
    shows(page, "line 23 of the file")
    page.locator("#terminal").click()
    page.keyboard.type("jjj")
    shows(page, r"\b4,1\s+Top")
    before = screen(page)
    page.reload()
    comes_to_show(page, lambda: before)
    take_control(page)
    send_line(page, ":q!")
    shows(page, "sw1#")
    send_line(page, "rm /tmp/pibramble-browser-test")


def test_a_reload_restores_the_scrollback(page: Page) -> None:
    send_line(page, "seq -f 'row %g' 200")
    shows(page, "row 200")
    page.reload()
    shows(page, "row 200")
    page.wait_for_timeout(1000)  # nothing is left to be drawn when the line for Find takes room, and the font shrinks
    page.get_by_role("button", name="Find", exact=True).click()
    page.get_by_label("Find in the scrollback").fill("row 42")
    page.keyboard.press("Enter")
    shows(page, "row 42")
    page.get_by_label("Find in the scrollback").fill("no such text")
    page.keyboard.press("Enter")
    expect(page.locator("#find-said")).to_have_text("Not found")
    page.keyboard.press("Escape")
    shows(page, "row 200")


def test_a_late_viewer_does_not_answer_old_questions(page: Page) -> None:
    """What a program once asked the terminal is in the history; whoever answers it again types the answer."""
    send_line(page, r"printf '\033[c\033[6n'; sleep 0.3; read -t 0.1 -n 60 -s answer; echo; echo answe''red")
    shows(page, "answered")
    hand.clear(page)
    page.reload()
    take_control(page)
    send_line(page, "echo qui''et")
    shows(page, "quiet")
    assert not re.search(r"\[\?|;\d+R|1;2c", screen(page))


def test_a_program_that_wants_132_columns_gets_80_and_breaks_nothing(page: Page) -> None:
    send_line(page, r"printf '\033[?40h\033[?3h\033[2J\033[H'; printf '%0132d' 0 | tr 0 W; echo; echo wi''de")
    shows(page, "W{80}.*wide")
    assert page.locator(".xterm-rows > div").count() == 24
    send_line(page, r"printf '\033[?3l\033[2J\033[H'; printf '%080d' 0 | tr 0 N; echo; echo narr''ow")
    shows(page, "N{80}.*narrow")
    page.reload()
    shows(page, "N{80}.*narrow")
    assert "W" not in screen(page)


def test_the_key_bar_has_what_a_phones_keyboard_lacks(bench: Stage, open_page: Open) -> None:
    page = open_page(f"{bench.address}/console/sw1", phone=True)
    take_control(page)
    hand.clear(page)
    send_line(page, "cat -v")
    keys = page.get_by_role("toolbar", name="Keys")
    press(page, "Esc", "Tab", "Vertical bar", "Question mark", "Ctrl-^", "Up", "Down", "Left", "Right", "Enter")
    shows(page, r"\^\[ *\|\?\^\^" + "".join(rf"\^\[(\[|O){arrow}" for arrow in "ABDC"))
    keys.get_by_role("button", name="Ctrl", exact=True).tap()
    expect(keys.get_by_role("button", name="Ctrl", exact=True)).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Terminal input").press("c")
    expect(keys.get_by_role("button", name="Ctrl", exact=True)).to_have_attribute("aria-pressed", "false")
    send_line(page, "echo $?")
    shows(page, "130")


def test_a_break_is_sent_after_a_question(page: Page) -> None:
    press(page, "Break")
    page.get_by_role("dialog").get_by_role("button", name="Yes").click()
    expect(page.locator("#said")).to_contain_text("break, 300 ms")


def test_the_log_is_saved(page: Page) -> None:
    send_line(page, "echo for the lo''g")
    shows(page, "for the log")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the log").click()
    assert download.value.suggested_filename == "sw1.log"
    assert "for the log" in download.value.path().read_text()


def test_an_adapter_that_is_pulled_out_and_put_back_goes_on(bench: Stage, open_page: Open) -> None:
    page = open_page(f"{bench.address}/console/sw2")
    take_control(page)
    bench.devices["sw2"].pull_out()
    expect(page.locator("#state")).to_have_text("absent")
    bench.devices["sw2"].plug_in()
    expect(page.locator("#state")).to_have_text("open")
    expect(page.locator("#said")).to_contain_text("You write")
    send_line(page, "echo back ag''ain")
    shows(page, "back again")


def test_a_lost_connection_comes_back_by_itself_with_screen_and_control(page: Page) -> None:
    ways: list[tuple[WebSocketRoute, WebSocketRoute]] = []
    page.route_web_socket("**/socket", lambda way: ways.append((way, way.connect_to_server())))
    page.reload()  # only now the way can be cut
    take_control(page)
    send_line(page, "echo bef''ore")
    shows(page, "before")
    for end in ways[0]:
        end.close(code=1001)
    expect(page.locator("#said")).to_contain_text("Connection lost; trying again")
    expect(page.locator("#said")).to_contain_text("You write")
    shows(page, "before")
    send_line(page, "echo af''ter")
    shows(page, "after")
    assert len(ways) == 2


def share(measured: dict[str, dict[str, float]], one: str, other: str) -> float:
    """Return how much of its place the screen takes in one direction."""
    screen, place = measured["screen"], measured["place"]
    return (screen[other] - screen[one]) / (place[other] - place[one])


@pytest.mark.parametrize(
    ("width", "height"), [(360, 640), (640, 360), (390, 844), (844, 390), (768, 1024), (1280, 800)], ids=str
)
def test_eighty_columns_fit_whatever_the_screen(bench: Stage, open_page: Open, width: int, height: int) -> None:
    page = open_page(f"{bench.address}/console/sw1", phone=width < 1000, viewport={"width": width, "height": height})
    take_control(page)
    if (composing := page.get_by_role("button", name="Line", exact=True)).is_visible():
        composing.click()
    hand.clear(page)
    send_line(page, "printf '%080d' 0 | tr 0 W")
    shows(page, "W{80}")
    if composing.is_visible():
        composing.click()
    page.wait_for_timeout(200)  # the screen grows by what the line to send leaves
    measured = page.evaluate(
        """() => {
        const box = (element) => { const { left, right, top, bottom } = element.getBoundingClientRect();
                                   return { left, right, top, bottom } };
        const row = [...document.querySelectorAll(".xterm-rows > div")].find((row) => row.textContent.includes("WWW"));
        const text = document.createRange(); text.selectNodeContents(row);
        return { page: document.documentElement.scrollWidth, row: row.textContent.trim().length, text: box(text),
                 screen: box(document.querySelector(".xterm-screen")), place: box(document.querySelector("#terminal")),
                 keys: [...document.querySelectorAll("#keys button")].filter((key) => key.offsetWidth).map(box) } }"""
    )
    assert measured["page"] <= width, "no scrolling to the side"
    assert measured["row"] == 80
    assert measured["text"]["left"] >= 0
    assert measured["text"]["right"] <= measured["screen"]["right"] + 1 <= width + 1
    assert measured["screen"]["bottom"] <= height
    assert max(share(measured, "left", "right"), share(measured, "top", "bottom")) > 0.9, "as large as it can be"
    for key in measured["keys"]:
        assert key["bottom"] <= height + 1
        assert key["right"] <= width
        assert key["bottom"] - key["top"] >= 30
    press(page, "Ctrl-C")


def test_everything_that_can_be_pressed_has_a_name(bench: Stage, open_page: Open) -> None:
    page = open_page(f"{bench.address}/console/sw1", phone=True)
    expect(page.get_by_role("button", name="Take control")).to_be_enabled()
    tree = page.locator("body").aria_snapshot()
    assert "sw1" in tree
    assert not re.search(r"^\s*- (button|link|textbox|searchbox)( \[.*\])?:?$", tree, re.MULTILINE)
