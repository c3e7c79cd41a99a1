"""Who comes later sees the same screen as who watched from the start, also after old bytes have been dropped."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pibramble.console.history import HARD_LIMIT_BYTES, KEPT_BYTES, LIMIT_BYTES, History
from tests.unit.console.screens import differences, shown, terminal

ROOT = Path(__file__).parents[3]
RECORDED = next(
    (found for above in ROOT.parents if (found := above / "shared" / "data" / "xterm-screens").is_dir()), ROOT / "none"
)
SESSIONS = Path(__file__).parent / "sessions"


def boot_log(lines: int) -> bytes:
    """Return a kernel's log in colours."""
    chance = random.Random(1)  # noqa: S311 (the same numbers every time)
    return b"".join(
        b"[%12.6f] \x1b[%dm%s\x1b[m: new device found, number %d\r\n"
        % (number * 0.37, chance.choice([1, 31, 32, 33]), b"usb" * chance.randint(1, 9), number)
        for number in range(lines)
    )


def test_nothing_is_dropped_while_there_is_room() -> None:
    history = History()
    history.feed(b"one\r\n")
    history.feed(b"two")
    assert history.restore() == b"one\r\ntwo"
    assert history.last_line == "two"


def test_a_long_boot_log_is_cut_at_a_line_and_shows_the_same_screen() -> None:
    history, watched = History(), terminal(b"")
    for _ in range(20):
        part = boot_log(1000)
        history.feed(part)
        watched.feed(part)
        assert len(history) <= LIMIT_BYTES + len(part)
        assert not history.needs_redraw
        assert shown(terminal(history.restore())) == shown(watched)
    assert len(history) >= KEPT_BYTES  # what has scrolled off can still be read
    assert history.inexact == 0


def test_a_reset_is_a_place_to_cut() -> None:
    stream = b"\x1b[3;9r\x1b[?6h" + b"\x1b7x\x1b[5;5H" * 300 + b"\x1bc" + b"\x1b[9;9Hfresh" * 300
    history, wrong = differences(stream, limit=2000, kept=100, step=50)
    assert not wrong
    assert b"\x1bc" not in history.restore()


def test_colours_and_modes_that_were_switched_on_before_a_cut_hold_after_it() -> None:
    stream = b"\x1b[1;38;5;208;44m\x1b[?1h\x1b[4h\x1b)0\x0e" + b"lqqk line\r\n" * 2000 + b"end"
    history, wrong = differences(stream, limit=8000, kept=4000, step=500)
    assert not wrong
    assert history.droppings > 2
    assert history.restore().startswith(b"\x1b[?1h\x1b[4h\x1b[0;1;38;5;208;44m\x1b)0\x0e")


def test_a_program_that_clears_the_screen_is_cut_there() -> None:
    stream = b"".join(b"\x1b[H\x1b[2J" + b"\x1b[%d;7Htop %d" % (row % 24, row) for row in range(500))
    history, wrong = differences(stream, limit=2000, kept=1000, step=100)
    assert not wrong
    assert history.droppings > 3
    assert len(history) < 2200


def test_a_full_screen_program_that_never_clears_is_redrawn() -> None:
    chance = random.Random(2)  # noqa: S311 (likewise)
    stream = b"$ htop\r\n\x1b[?1049h\x1b[22;0;0t\x1b[1;24r\x1b(B\x1b[m" + b"".join(
        b"\x1b[%d;%dH\x1b[3%dm%d" % (chance.randint(1, 24), chance.randint(1, 80), number % 8, number)
        for number in range(900)
    )
    history, wrong = differences(stream + b"\x1b[?1049l$ done", limit=2000, kept=1000, step=100)
    assert not wrong
    assert history.droppings > 3
    assert history.inexact == 0


def test_a_cursor_that_was_hidden_before_it_was_saved_stays_hidden() -> None:
    stream = b"text " * 58 + b"\x1b[?25l\x1b[s\x1b[u" + b"text " * 44 + b"A" * 79
    _, wrong = differences(stream, limit=600, kept=300, step=200)
    assert not wrong


def test_a_cursor_that_was_never_saved_comes_back_without_the_origin_mode() -> None:
    stream = b"text " * 59 + b"\x1b[?6h\x1b8\x1b[24;80Hx\x1b[s\x1b[u" + b"text " * 40 + b"\x1b[?1049l" + b"A" * 79
    _, wrong = differences(stream, limit=600, kept=300, step=200)
    assert not wrong


def test_the_look_that_a_full_screen_program_found_is_there_again_when_it_ends() -> None:
    stream = b"text " * 38 + b"\x1b[31m\x0e\x1b[?1049h\x1b[m\x0f" + b"\x1b[5;5Hx" * 100 + b"\x1b[?1049lback" * 5
    _, wrong = differences(stream, limit=600, kept=300, step=200)
    assert not wrong


def test_what_scrolls_in_has_the_background_that_was_chosen_and_nothing_else_of_the_look() -> None:
    """As xterm does it, and xterm.js, and the Linux console ("bce" in terminfo)."""
    for scrolls in (b"\x1b[24;1H\n", b"\x1b[24;1H\x1bD", b"\x1b[1;1H\x1bM", b"\x1b[L", b"\x1b[M", b"\x1b[S", b"\x1b[T"):
        watched = terminal(b"\x1b[1;4;7;33;44m\x1b[5;9r\x1b[r" + scrolls)
        coloured = {row for row in range(24) if watched.buffer[row][79].bg == "blue"}
        assert coloured == {0 if scrolls in {b"\x1b[1;1H\x1bM", b"\x1b[L", b"\x1b[T"} else 23}, scrolls
        (row,) = coloured
        assert {watched.buffer[row][column] for column in range(80)} == {watched.default_char._replace(bg="blue")}
    watched = terminal(b"abcdef\x1b[1;4;7;44m\x1b[1;3H\x1b[2@\x1b[1;5H\x1b[P")
    assert [watched.buffer[0][column].bg for column in (1, 2, 3, 4, 79)] == [
        "default",
        "blue",
        "blue",
        "default",
        "blue",
    ]
    assert "".join(watched.buffer[0][column].data for column in range(8)) == "ab  def "
    for erases in (b"\x1b[K", b"\x1b[J", b"\x1b[X"):
        cell = terminal(b"\x1b[4;7;44m" + erases).buffer[0][0]
        assert (cell.bg, cell.reverse, cell.underscore) == ("blue", False, False)


def test_queries_are_not_asked_again() -> None:
    history = History()
    queries = b"\x1b[6n\x1b[c\x1b[>c\x1b[5n\x1bZ\x05\x1b[?6n\x1bP$qm\x1b\\\x1b]11;?\x07\x1b]4;1;?\x1b\\"
    queries += b"\x1b[18t\x1b[?1$p\x1b[x\x1b[>q"
    history.feed(b"before" + queries + b"after\x1b]0;title\x07\x1b[3;4r\x1b[1m")
    assert history.restore() == b"beforeafter\x1b]0;title\x07\x1b[3;4r\x1b[1m"


def test_without_an_emulator_in_time_memory_stays_bounded() -> None:
    history = History()
    for number in range(400):
        history.feed(b"\x1b[%d;3Hx" % (number % 24) * 1000)
        assert len(history) < HARD_LIMIT_BYTES + 20_000
    assert history.inexact > 0


def test_a_line_that_does_not_wrap_stays_so_when_a_cursor_comes_back_that_was_saved_before_a_cut() -> None:
    _, wrong = differences(
        b"text " * 58 + b"\x1b[?7l\x1b[?1049h\x1b[?1049l" + b"text " * 25 + b"A" * 158, limit=600, kept=300, step=200
    )
    assert not wrong


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=4000))
def test_noise_breaks_nothing_and_still_shows_the_same(noise: bytes) -> None:
    history, wrong = differences(noise, limit=500, kept=250, step=100)
    assert not wrong
    assert len(history) < 20_000


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    b"text ",
                    b"\r\n",
                    b"\r",
                    b"\b",
                    b"\t",
                    b"\x1b[m",
                    b"\x1b[1;31m",
                    b"\x1b[7m",
                    b"\x1b[K",
                    b"\x1b[2K",
                    b"\x1b[J",
                ),
                *(
                    b"\x1b[H",
                    b"\x1b[2J",
                    b"\x1b[5;10H",
                    b"\x1b[24;80Hx",
                    b"\x1b7",
                    b"\x1b8",
                    b"\x1b[3;9r",
                    b"\x1b[r",
                    b"\x1b[?6h",
                ),
                *(
                    b"\x1b[?6l",
                    b"\x1b[?7l",
                    b"\x1b[?7h",
                    b"\x1bM",
                    b"\x1bD",
                    b"\x1b[L",
                    b"\x1b[M",
                    b"\x1b[4h",
                    b"\x1b[4l",
                    b"\x1b[P",
                ),
                *(
                    b"\x1b(0qqq\x1b(B",
                    b"\x0e",
                    b"\x0f",
                    b"\x1b[?25l",
                    b"\x1b[?1049h",
                    b"\x1b[?1049l",
                    b"\x1bH",
                    b"\x1b[g",
                    b"\x1b[3g",
                ),
                *(
                    "ä€".encode(),
                    "漢字".encode(),
                    b"A" * 79,
                    b"\r\n" * 30,
                    b"\x1bc",
                    b"\x1b[3A",
                    b"\x1b[2@",
                    b"\x1b[?47h",
                    b"\x1b[s\x1b[u",
                ),
            ]
        ),
        min_size=30,
        max_size=120,
    )
)
def test_whatever_a_program_does_a_restored_screen_is_the_watched_one(parts: list[bytes]) -> None:
    _, wrong = differences(b"".join(parts), limit=600, kept=300, step=200)
    assert not wrong


# What pyte does not know: its screen is another one than xterm's, whoever restores it.
NOT_PYTES = {
    "t0040-REP": "repeated characters (REP)",
    "t0077-DECSTBM_quirks": "margins that make no sense",
    "t0079-DECSTBM_VPR": "moving down by lines (VPR) stops at the lower margin",
    "t0083-CHT": "forward by tabs (CHT)",
    "t0103-reverse_wrap": "backspace from the first column to the line above",
    "t601-DECSTBM_SL": "scrolling to the left (SL)",
    "t603-DECSTBM_DECDC": "deleting columns (DECDC)",
}


@cache
def recorded(name: str) -> tuple[History, list[int]]:
    stream = (RECORDED / f"{name}.in").read_bytes().replace(b"\n", b"\r\n")  # as a terminal's driver hands them on
    return differences(stream, rows=25, limit=300, kept=150, step=97)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded screens are not here")
@pytest.mark.parametrize("name", sorted(file.stem for file in RECORDED.glob("*.in")))
def test_recorded_streams_show_the_same_wherever_they_are_cut(name: str) -> None:
    _, wrong = recorded(name)
    assert not wrong


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded screens are not here")
@pytest.mark.parametrize("name", sorted(file.stem for file in RECORDED.glob("*.in")))
def test_what_is_restored_of_a_recorded_stream_is_the_screen_that_xterm_left(name: str) -> None:
    history, _ = recorded(name)
    rows = [row.rstrip() for row in terminal(history.restore(), 25).display]
    wanted = [row.rstrip() for row in (RECORDED / f"{name}.text").read_text().split("\n")][:25]
    same = rows == wanted + [""] * (25 - len(wanted))
    assert same is (name not in NOT_PYTES), "\n".join(rows)


@pytest.mark.parametrize("name", ["vi", "htop", "less"])
def test_recorded_sessions_show_the_same_wherever_they_are_cut(name: str) -> None:
    stream = (SESSIONS / name).read_bytes()
    history, wrong = differences(stream, limit=6000, kept=3000, step=1500)
    assert not wrong
    assert history.droppings > 0
