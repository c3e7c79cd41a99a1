"""A serial device is ours alone while it is open, and everybody's afterwards."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import runpy
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibramble.errors import BusyError, UsageError
from pibramble.serialport import lockfiles, opening


@pytest.fixture
def device() -> Iterator[str]:
    master, slave = pty.openpty()
    yield os.ttyname(slave)
    os.close(slave)
    os.close(master)


def test_a_second_opening_is_refused_until_the_first_is_closed(device: str) -> None:
    first = opening.Opened(device)
    with pytest.raises(BusyError, match=f"{device} is in use by another program"):
        opening.Opened(device)
    first.close()
    opening.Opened(device).close()


def test_programs_that_know_flock_alone_are_kept_out_and_honoured(device: str) -> None:
    other = os.open(device, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(BusyError):
        opening.Opened(device)
    fcntl.flock(other, fcntl.LOCK_UN)
    held = opening.Opened(device)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held.close()
    os.close(other)


def test_who_wrote_a_lock_file_is_named(device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "LCK..ttyUSB0"
    file.write_text(f"{os.getppid():10}\n")
    monkeypatch.setattr(lockfiles, "file_of", lambda _device, _folder: file)  # a pseudo-terminal has none
    with pytest.raises(BusyError, match=rf"{device} is in use by .*process {os.getppid()}") as raised:
        opening.Opened(device, tmp_path)
    assert raised.value.hint == f"its lock is {file}"
    assert file.exists()


def test_the_holder_is_named_too_where_the_kernel_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later opener that is not root gets EBUSY (TIOCEXCL) before it can see any other lock."""
    (tmp_path / "LCK..null").write_text(f"{os.getppid():10}\n")

    def busy(*_words: object) -> int:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr("pibramble.serialport.opening.os.open", busy)
    with pytest.raises(BusyError, match=f"/dev/null is in use by .*process {os.getppid()}"):
        opening.Opened("/dev/null", tmp_path)


def test_what_is_not_there_or_no_serial_device_is_told(tmp_path: Path) -> None:
    with pytest.raises(opening.AbsentError, match="No such file"):
        opening.Opened(str(tmp_path / "ttyUSB0"))
    with pytest.raises(UsageError, match="/dev/null is no serial device"):
        opening.Opened("/dev/null", tmp_path)


def test_a_raw_line_carries_every_byte_as_it_is(device: str) -> None:
    held = opening.Opened(device)
    attributes = termios.tcgetattr(held.descriptor)
    opening.set_raw(attributes, termios.B4800)
    termios.tcsetattr(held.descriptor, termios.TCSANOW, attributes)
    iflag, oflag, cflag, lflag, ispeed, ospeed, _ = termios.tcgetattr(held.descriptor)
    held.close()
    assert (iflag, oflag, lflag) == (0, 0, 0)
    assert cflag & (termios.CSIZE | termios.PARENB | termios.CSTOPB) == termios.CS8
    assert (ispeed, ospeed) == (termios.B4800, termios.B4800)


def test_rts_and_cts_fit_into_a_long_of_32_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """There Python's CRTSCTS is negative, as ARMv6 boards have it, and tcsetattr refuses numbers of more bits."""
    monkeypatch.setattr(termios, "CRTSCTS", -(1 << 31))
    there = runpy.run_path(opening.__file__)
    attributes: list[int | list[bytes | int]] = [0, 0, termios.CS8 | termios.CRTSCTS, 0, 0, 0, [b"\0"] * 32]
    for framing in (termios.CS8 | there["CRTSCTS"], termios.CS7):  # it is set, and taken back
        there["set_raw"](attributes, termios.B9600, framing)
        cflag = attributes[2]
        assert isinstance(cflag, int)
        assert -(1 << 31) <= cflag < 1 << 31
        assert bool(cflag & there["CRTSCTS"]) is (framing != termios.CS7)
