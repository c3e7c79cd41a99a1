"""What was recorded comes out again, byte by byte and in its time."""

from __future__ import annotations

import os
import select
import socket
import time
from pathlib import Path

import pytest

from pibramble.errors import PibrambleError, UsageError
from pibramble.gps.nmea import Reader
from pibramble.gps.record import Block, load, record, timing_of
from pibramble.gps.replay import paced, play, plugged, terminal
from tests.unit.gps.gpsd_logs import OWN, SHARED, logs


def arrived(descriptor: int, count: int) -> bytes:
    """Return so many bytes of a terminal, which may come in pieces."""
    data = b""
    while len(data) < count:
        assert select.select([descriptor], [], [], 10)[0]
        data += os.read(descriptor, count - len(data))
    return data


def test_the_bytes_and_when_they_came_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    def comes() -> list[bytes]:
        time.sleep(0.1)
        return [b"$GPGGA,1*00\r\n", b"", b"\x00\xff"]

    heard: list[int] = []
    assert record(comes(), log, heard.append) == 15
    data, blocks = load(log)
    assert data == b"$GPGGA,1*00\r\n\x00\xff"
    assert [block.data for block in blocks] == [b"$GPGGA,1*00\r\n", b"\x00\xff"]
    assert heard == [13, 2]
    assert log.stat().st_mode & 0o777 == timing_of(log).stat().st_mode & 0o777 == 0o600  # it says where somebody was


def test_a_log_is_not_overwritten_unless_asked_to(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    record([b"one"], log, lambda _: None)
    with pytest.raises(UsageError, match="is there already"):
        record([b"two"], log, lambda _: None)
    assert load(log)[0] == b"one"
    record([b"three"], log, lambda _: None, replace=True)
    assert load(log)[0] == b"three"


def test_what_came_before_the_port_went_away_is_kept(tmp_path: Path) -> None:
    def comes() -> object:
        yield b"all of this"
        raise UsageError("it went away")

    with pytest.raises(UsageError, match="went away"):
        record(comes(), tmp_path / "a.log", lambda _: None)  # type: ignore[arg-type]
    assert load(tmp_path / "a.log") == (
        b"all of this",
        (Block(load(tmp_path / "a.log")[1][0].after_s, b"all of this"),),
    )


@pytest.mark.parametrize(
    ("timing", "word"), [("0.1 3\n", "is not the timing of"), ("0.1\n", ":1: not `seconds bytes`")]
)
def test_a_timing_of_another_log_is_refused(timing: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"12345")
    timing_of(tmp_path / "a.log").write_text(timing)
    with pytest.raises(UsageError, match=word):
        load(tmp_path / "a.log")


def test_a_log_without_a_timing_is_paced_by_its_own_times() -> None:
    blocks = list(paced((OWN / "walk.log").read_bytes()))
    assert len(blocks) == 30
    assert [block.after_s for block in blocks[1:]] == [1.0] * 29
    tenths = list(paced((OWN / "midnight.log").read_bytes()))
    assert [round(block.after_s, 6) for block in tenths[1:]] == [0.1] * 19


@pytest.mark.parametrize("log", [*logs(OWN), *logs(SHARED)], ids=lambda log: log.name)
def test_pacing_loses_nothing_but_remarks(log: Path) -> None:
    data = log.read_bytes()
    said = b"".join(line for line in data.splitlines(keepends=True) if not line.startswith(b"#"))
    assert b"".join(block.data for block in paced(data)) == said


def test_a_log_comes_out_of_a_terminal_in_its_time(tmp_path: Path) -> None:
    blocks = [Block(0.0, b"one"), Block(0.4, b"two"), Block(0.4, b"three")]
    link = tmp_path / "receiver"
    with terminal(link) as there:
        reader = os.open(link, os.O_RDWR | os.O_NOCTTY)
        began = time.monotonic()
        assert list(play(blocks, there.descriptor, speed=2)) == [3, 3, 5]
        took = time.monotonic() - began
        assert arrived(reader, 11) == b"onetwothree"
        os.close(reader)
    assert 0.39 < took < 1.5
    assert not link.is_symlink()


def test_nobody_has_to_read() -> None:
    with terminal() as there:
        written = list(play([Block(0.0, b"x" * 4096)] * 100, there.descriptor))
    assert len(written) == 100
    assert written[-1] == 0


def test_a_file_of_that_name_is_not_replaced_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(UsageError, match="is no link"), terminal(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").read_text() == "keep"


def test_times_can_be_moved_to_now() -> None:
    blocks = list(paced((OWN / "walk.log").read_bytes()))[:1]
    with terminal() as there:
        reader = os.open(there.path, os.O_RDWR | os.O_NOCTTY)
        list(play(blocks, there.descriptor, as_now=True))
        nmea = Reader()
        list(nmea.feed(arrived(reader, len(blocks[0].data))))
        os.close(reader)
    time_said = nmea.present().fix.time
    assert nmea.counts.wrong == 0
    assert time_said is not None
    assert abs(time_said.timestamp() - time.time()) < 3


def test_a_socket_is_a_line_too_until_its_other_end_goes(tmp_path: Path) -> None:
    blocks = [Block(0.0, b"$GPGGA,1*00\r\n"), Block(0.0, b"$GPGGA,2*00\r\n")]
    with socket.socket(socket.AF_UNIX) as board:
        board.bind(str(tmp_path / "port"))
        board.listen()
        with plugged(tmp_path / "port") as line:
            reader, _ = board.accept()
            assert list(play(blocks, line.descriptor)) == [13, 13]
            assert arrived(reader.fileno(), 26) == b"$GPGGA,1*00\r\n$GPGGA,2*00\r\n"
            reader.close()
            with pytest.raises(PibrambleError, match="the other end of the line is gone"):
                list(play(blocks, line.descriptor))


def test_a_socket_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be replayed to: No such file") as caught, plugged(tmp_path / "port"):
        pass
    assert "pibramble emulator ports" in caught.value.hint
