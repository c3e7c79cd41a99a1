"""The log: every line with its time, nothing lost but what a full disk loses, secrets taken out."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pibramble.console.log import KEPT_FILES, Log, last_line

STAMP = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", re.MULTILINE)


def said(log: Log) -> bytes:
    """Return what is in the log, without its times."""
    return STAMP.sub(b"", log.path.read_bytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def test_each_line_has_a_time_and_the_file_is_private(folder: Path) -> None:
    log = Log(folder, clock=lambda: 1_800_000_000.25)
    log.write(b"Router>show clock\r\n*12:00:00\r\nRouter>")
    log.close()
    time = b"2027-01-15T08:00:00.250Z"
    assert log.path.read_bytes() == b"%b Router>show clock\n%b *12:00:00\n%b Router>" % (time, time, time)
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_an_unfinished_line_is_there_at_once(folder: Path) -> None:
    log = Log(folder)
    log.write(b"login")
    assert said(log) == b"login"
    log.write(b": ")
    assert said(log) == b"login: "


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([b"abc", b"\r\n", b"\x1b[31m", b"\x1b", b"[0m", b"x" * 50, b"\r", b"\x07"])), st.data())
def test_the_log_does_not_depend_on_how_the_bytes_arrive(parts: list[bytes], data: st.DataObject) -> None:
    import tempfile

    stream = b"".join(parts)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        whole, pieces = Log(Path(one)), Log(Path(other))
        whole.write(stream + b"\r\nend\r\n")
        at = 0
        while at < len(stream):
            step = data.draw(st.integers(1, 20))
            pieces.write(stream[at : at + step])
            at += step
        pieces.write(b"\r\nend\r\n")
        whole.close()
        pieces.close()
        assert said(whole) == said(pieces)


def test_escape_sequences_are_left_out(folder: Path) -> None:
    log = Log(folder)
    log.write(b"\x1b[1;32mgreen\x1b[0m \x1b]0;title\x07text\x1b[")
    log.write(b"K\r\n")
    log.close()
    assert said(log) == b"green text\n"


def test_a_secret_is_masked_even_when_it_comes_in_pieces(folder: Path) -> None:
    log = Log(folder)
    for piece in (
        b"username ada pass",
        b"word 7 0822455D0A16\r\nenable sec",
        b"ret 5 $1$mERr$hx5rVt7rPNoS4wqbXKX7m0\r\nok",
    ):
        log.write(piece)
    log.close()
    text = said(log)
    assert b"0822455D0A16" not in text
    assert b"$1$mERr" not in text
    assert text.endswith(b"ok")


def test_what_may_be_a_secret_is_written_when_nothing_more_comes(folder: Path) -> None:
    log = Log(folder)
    log.write(b"Password: ")
    assert log.holds_back
    log.flush()
    assert said(log) == b"Password: "


def test_full_files_are_rotated_and_the_oldest_goes(folder: Path) -> None:
    log = Log(folder, largest_bytes=1000)
    for number in range(400):
        log.write(b"line %06d\r\n" % number)
    log.close()
    files = sorted(folder.iterdir())
    assert len(files) == KEPT_FILES + 1
    assert all(file.stat().st_size <= 1000 and file.stat().st_mode & 0o777 == 0o600 for file in files)
    order = [folder / f"console.log.{number}" for number in range(KEPT_FILES, 0, -1)] + [log.path]
    numbers = [int(word) for file in order for word in re.findall(rb"line (\d+)", file.read_bytes())]
    assert numbers == list(range(numbers[0], 400))


def test_a_full_disk_loses_what_it_loses_and_the_log_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    now = [1000.0]
    log = Log(folder, trouble=told.append, clock=lambda: now[0])
    log.write(b"before\r\n")
    write: Callable[[int, bytes], int] = os.write

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    log.write(b"lost one\r\n")
    log.write(b"lost two\r\n")
    monkeypatch.setattr(os, "write", write)
    now[0] += 5
    log.write(b"after\r\n")
    log.close()
    assert len(told) == 2
    assert "No space left" in told[0]
    text = said(log)
    assert b"before\n" in text
    assert b"after\n" in text
    assert b"lost" not in text
    assert b"--- 68 bytes were not recorded between 1970-01-01T00:16:40.000Z and 1970-01-01T00:16:45.000Z ---" in text


def test_a_log_that_goes_on_says_since_when_nothing_was_recorded(folder: Path) -> None:
    first = Log(folder)
    first.write(b"half a li")
    first.close()
    second = Log(folder)
    second.resume()
    second.write(b"new\r\n")
    second.close()
    lines = said(second).split(b"\n")
    assert lines[0] == b"half a li"
    assert lines[1].startswith(b"--- nothing was recorded since ")
    assert lines[2] == b"new"


def test_noise_without_line_ends_is_broken_into_lines(folder: Path) -> None:
    log = Log(folder)
    for _ in range(100):
        log.write(b"\xf0" * 1000)
    log.close()
    assert max(map(len, log.path.read_bytes().split(b"\n"))) < 8300


def test_the_last_line_is_the_devices_not_ours(folder: Path) -> None:
    assert last_line(folder) == ""
    log = Log(folder)
    log.write(b"first\r\nsw1# show clock\r\n\r\n")
    log.mark("lost /dev/ttyUSB0: it is gone")
    log.close()
    Log(folder).resume()
    assert last_line(folder) == "sw1# show clock"


def test_a_long_log_is_read_from_its_end(folder: Path) -> None:
    log = Log(folder)
    log.write(b"x" * 100 + b"\r\n" + b"noise\r\n" * 20_000 + b"sw1>")
    log.close()
    assert last_line(folder) == "sw1>"


def test_a_line_that_was_held_back_when_its_broker_was_killed_is_said_to_be_lost(folder: Path) -> None:
    killed = Log(folder)
    killed.write(b"sw1(config)#\r\nenable secret hunter2")
    later = Log(folder)
    later.resume()
    later.close()
    assert b"held back for it may hold a secret, is lost ---" in said(later)
    assert b"hunter2" not in said(later)
    again = Log(folder)
    again.resume()
    again.close()
    assert said(again).count(b"is lost") == 1


def test_a_line_that_was_written_after_all_is_not_said_to_be_lost(folder: Path) -> None:
    log = Log(folder)
    log.write(b"enable secret hunter2")
    log.flush()
    log.write(b"\r\nenable secret hunter3")
    log.write(b"\r\nsw1#")
    later = Log(folder)
    later.resume()
    later.close()
    assert b"is lost" not in said(later)
