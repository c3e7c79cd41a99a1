"""What is pasted at `pibramble console` goes as slowly as the device takes it, marked by the terminal or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.lines import Person, Serve, until
from tests.console.slow import Slow, plugged_in

BEGIN, END = "\x1b[200~", "\x1b[201~"
LINES = [f"interface FastEthernet0/{port}" for port in range(1, 17)]
MANY = [f"vlan {number}" for number in range(100, 160)]


@pytest.fixture
def slow() -> Iterator[tuple[Slow, str]]:
    with plugged_in() as device:
        yield device


@pytest.fixture
def ada(slow: tuple[Slow, str], tmp_path: Path) -> Iterator[Person]:
    """Sit at the slow device, in control."""
    port = Path(slow[1])
    consoles = f'[[consoles]]\nname = "sw1"\nport = "{port}"\nprofile = "cisco-ios"\n'
    (tmp_path / "cluster.toml").write_text(f'[[workers]]\nname = "zero1"\n{consoles}')
    serve = Serve(tmp_path)
    person = Person(serve, "sw1")
    person.hears("you have control")
    yield person
    person.gone()
    serve.end()


def test_a_marked_paste_arrives_whole(slow: tuple[Slow, str], ada: Person) -> None:
    assert b"\x1b[?2004h" in ada.raw, "the terminal was asked for marks"
    ada.types(BEGIN + "\r".join(LINES) + "\r" + END)
    until(lambda: ada.look() and len(slow[0].lines) == len(LINES))
    assert slow[0].lines == LINES
    assert slow[0].lost_bytes == 0
    assert ada.leaves() == 0
    assert ada.raw.endswith(b"\r\n")
    assert b"\x1b[?2004l" in ada.raw[-200:], "and to leave it, at the end"


def test_a_paste_that_nothing_marks_is_known_by_its_size(slow: tuple[Slow, str], ada: Person) -> None:
    ada.types("\r".join(LINES) + "\r")
    until(lambda: ada.look() and len(slow[0].lines) == len(LINES))
    assert slow[0].lines == LINES
    assert slow[0].lost_bytes == 0


def test_a_long_one_is_asked_about(slow: tuple[Slow, str], ada: Person) -> None:
    ada.types(BEGIN + "\r".join(MANY) + "\r" + END)
    ada.hears("Paste 60 lines, 540 bytes, on sw1?")
    ada.types("n")
    ada.sees("nothing was pasted")
    assert slow[0].lines == []
    ada.types(BEGIN + "\r".join(MANY) + "\r" + END)
    until(lambda: ada.look() and ada.raw.count(b"Paste 60 lines") == 2)
    ada.types("y")
    ada.sees("60 lines pasted")
    assert slow[0].lines == MANY


def test_control_c_stops_a_paste_and_the_next_one_goes_to_the_device(slow: tuple[Slow, str], ada: Person) -> None:
    ada.types(BEGIN + "\r".join(LINES) + "\r" + END)
    until(lambda: ada.look() and len(slow[0].lines) >= 2)
    ada.types("\x03")
    ada.sees("bytes thrown away")
    assert len(slow[0].lines) < len(LINES)
    assert "^C" not in ada.look()
    ada.types("\x03")
    ada.sees("^C")


def test_a_line_that_comes_back_wrong_is_told_line_by_line(slow: tuple[Slow, str], ada: Person) -> None:
    ada.types(BEGIN + "one\rno \x03shutdown\rend\r" + END)
    ada.sees("line 2 did not come back as it was sent; nothing after it was sent")
    ada.sees("\nslower pacing in the profile may help".replace("\n", "\n "))
    assert "end" not in slow[0].lines


def test_the_escape_key_within_a_paste_opens_no_menu(slow: tuple[Slow, str], ada: Person) -> None:
    ada.types(BEGIN + "one\x1dq\r" + END)
    until(lambda: ada.look() and slow[0].lines == ["one\x1dq"])
    assert ada.leaves() == 0


def test_a_path_is_pasted_at_the_menus_prompt(slow: tuple[Slow, str], ada: Person, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("hostname sw1\nend\n")
    ada.types("\x1df")
    ada.sees("file:")
    ada.types(f"{BEGIN}{tmp_path / 'config'}{END}\r")
    ada.hears("17 bytes sent")
    assert slow[0].lines == ["hostname sw1", "end"]


def test_ten_megabytes_are_refused_in_bounded_memory(slow: tuple[Slow, str], ada: Person) -> None:
    text = b"0123456789abcde\r" * (10 << 16)
    paste = BEGIN.encode() + text + END.encode()
    os.set_blocking(ada.fd, False)
    sent, most_kib = 0, 0
    while sent < len(paste):
        try:
            sent += os.write(ada.fd, paste[sent : sent + 65536])
        except BlockingIOError:
            ada.look(0.01)
        most_kib = max(most_kib, _rss_kib(ada.pid))
    os.set_blocking(ada.fd, True)
    ada.sees("10,485,760 bytes are too many to paste; 524,288 are the most")
    assert most_kib < 80 << 10
    assert slow[0].lines == []
    ada.types("after\r")
    until(lambda: ada.look() and slow[0].lines == ["after"])


def _rss_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
