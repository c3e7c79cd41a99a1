"""`pibramble console NAME` against a Debian log-in, and the person's own terminal on every way out."""

from __future__ import annotations

import json
import os
import select
import signal
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.console.lines import PATIENCE_S, Person, Serve, Wire, until

Sit = Callable[..., Person]


def test_a_shell_vi_and_htop_work_and_a_second_viewer_sees_the_same_screen(
    wire: Wire, person: Sit, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("first line\nsecond line\n")
    with wire.getty():
        ada = person()
        ada.hears("you have control")
        ada.types("\r")
        ada.types("export PS1='$ '; stty rows 24 cols 80; echo re''ady\r")
        ada.sees("ready")
        ada.types(f"cd {tmp_path}; vi -u NONE text\r")
        ada.sees('"text" 2')
        ada.types("Gothird line\x1b:w\r")
        ada.sees("written")
        bob = person()
        bob.sees("third line")
        until(lambda: bob.look() == ada.look(), f"bob sees\n{bob.look()}\nada sees\n{ada.look()}")
        assert (tmp_path / "text").read_text().endswith("third line\n")
        ada.types(":q\r")
        ada.sees("\n$")
        ada.types("htop\r")
        ada.sees("F10")
        carl = person("sw1", "--read-only")
        carl.sees("F10Quit")
        ada.types("q")
        ada.sees("\n$")


def test_control_is_taken_over_in_the_open(wire: Wire, person: Sit) -> None:
    with wire.at_far_end() as far:
        ada = person()
        ada.hears("you have control")
        bob = person()
        bob.hears("has control; Ctrl-] t takes it")
        bob.types("x")
        bob.types("\x1dt")
        bob.sees("you have control")
        ada.sees("has taken control")
        ada.types("lost")
        ada.sees("Ctrl-] t takes it")
        bob.types("hello")
        assert os.read(far, 100) == b"hello"
        assert bob.leaves() == 0
        ada.sees("nobody has control now")


def test_control_c_goes_to_the_device(wire: Wire, person: Sit) -> None:
    with wire.at_far_end() as far:
        ada = person()
        ada.hears("you have control")
        ada.types("\x03\x1a\x1c")
        assert os.read(far, 100) == b"\x03\x1a\x1c"
        assert ada.leaves() == 0


def test_who_may_only_read_types_nothing(wire: Wire, person: Sit) -> None:
    with wire.at_far_end() as far:
        carl = person("sw1", "--read-only")
        carl.sees("read-only")
        carl.types("x\x1dt")
        carl.sees("you may only read")
        os.write(far, b"from the device")
        carl.sees("from the device")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_gives_the_terminal_back(wire: Wire, person: Sit, number: int) -> None:
    del wire
    ada = person()
    ada.hears("you have control")
    assert termios.tcgetattr(ada.fd) != ada.before
    os.kill(ada.pid, number)
    assert ada.ends() == 128 + number
    assert termios.tcgetattr(ada.fd) == ada.before


def test_a_broker_that_dies_gives_the_terminal_back_and_says_so(serve: Serve, person: Sit) -> None:
    ada = person()
    ada.hears("you have control")
    serve.process.kill()
    assert ada.ends() == 1
    assert "the broker has ended" in ada.look()
    assert termios.tcgetattr(ada.fd) == ada.before


def test_what_the_device_switched_on_is_switched_off_when_one_leaves(wire: Wire, person: Sit) -> None:
    with wire.at_far_end() as far:
        ada = person()
        ada.hears("you have control")
        os.write(far, b"\x1b[?1049h\x1b[?1000h\x1b[?25l\x1b[31mred")
        ada.sees("red")
        assert ada.leaves() == 0
    assert ada.screen.alternate is None
    assert not ada.screen.cursor.hidden
    assert ada.screen.cursor.attrs.fg == "default"
    assert b"\x1b[?1000l" in ada.raw


def test_the_menu_helps_shows_the_state_and_the_log(wire: Wire, serve: Serve, person: Sit) -> None:
    del wire
    ada = person()
    ada.hears("you have control")
    ada.types("\x1d?")
    ada.sees("this help")
    ada.types("\x1di")
    ada.hears("9600 8N1, open")
    ada.types("\x1dl")
    ada.hears("console.log")
    ada.types("\x1ds115200\r")
    ada.sees("now 115200 8N1")
    ada.types("\x1db")
    ada.sees("break, 300 ms")
    assert "--- changed to 115200 8N1 ---" in serve.log()
    assert "--- break of 300 ms ---" in serve.log()


def test_a_file_is_sent(wire: Wire, person: Sit, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("hostname sw1\nend\n")
    with wire.at_far_end() as far:
        ada = person()
        ada.hears("you have control")
        ada.types(f"\x1df{tmp_path / 'config'}\r")
        ada.hears("17 bytes sent")
        assert os.read(far, 100) == b"hostname sw1\rend\r"


def test_without_a_broker_the_line_is_opened_in_place(wire: Wire, serve: Serve, person: Sit) -> None:
    assert serve.end() == 0
    with wire.at_far_end() as far:
        ada = person(str(wire.device))
        ada.hears("you have control")
        ada.types("hello")
        assert os.read(far, 100) == b"hello"
        os.write(far, b"world")
        ada.sees("world")
        assert ada.leaves() == 0


def test_the_list_says_what_is_served_and_who_is_there(wire: Wire, serve: Serve, person: Sit) -> None:
    with wire.at_far_end() as far:
        os.write(far, b"Router>enable\r\nRouter# ")
        ada = person()
        ada.sees("Router#")
        ada.hears("you have control")
        listed = serve.pibramble("console").stdout
        assert "sw1" in listed
        assert "9600 8N1" in listed
        assert "Router#" in listed
        (port,) = json.loads(serve.pibramble("console", "--json").stdout)["ports"]
        assert (port["state"], port["writer"], port["last_line"]) == ("open", port["viewers"][0], "Router#")


def test_a_port_that_there_is_not_is_said_in_words(serve: Serve) -> None:
    done = serve.pibramble("console", "nowhere", "--read-only")
    assert done.returncode != 0
    assert 'no port "nowhere"' in done.stderr


def test_without_a_terminal_one_may_only_watch(serve: Serve) -> None:
    done = serve.pibramble("console", "sw1")
    assert done.returncode == 2
    assert "--read-only" in done.stderr


def test_other_settings_are_taken_with_control_and_never_ignored(wire: Wire, serve: Serve, person: Sit) -> None:
    del wire
    ada = person("sw1", "--settings", "19200 7E1")
    ada.hears("now 19200 7E1")
    bob = person("sw1", "--settings", "300")
    bob.hears("it stays at 19200 7E1, not 300 8N1")
    assert "--- changed to 19200 7E1 ---" in serve.log()


LINUX = """\
[[workers]]
name = "zero1"

[[consoles]]
name = "sw1"
port = "{port}"
profile = "linux"
"""


def test_hot_buttons_are_offered_asked_about_and_pressed(wire: Wire, serve: Serve, person: Sit, tmp_path: Path) -> None:
    serve.end()
    (tmp_path / "cluster.toml").write_text(LINUX.format(port=wire.device.resolve()))
    serve.start()
    with wire.at_far_end() as far:
        ada = person()
        ada.hears("you have control")
        ada.types("\x1dh")
        ada.sees("4  SysRq s")
        ada.types("2")
        assert far_hears(far, 17) == b"dmesg | tail -20\r"
        ada.types("\x1dh4")
        ada.hears("Write all disks (SysRq s)? y/n")
        ada.types("n")
        ada.hears("SysRq s: not done")
        ada.types("\x1dhz")  # none of them
        ada.types("\x1dh4")
        until(lambda: ada.look() and ada.raw.count(b"y/n") == 2)
        ada.types("y")
        ada.hears("break, 300 ms")
        assert far_hears(far, 1) == b"s"


def far_hears(far: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        assert select.select([far], [], [], PATIENCE_S)[0], data
        data += os.read(far, 100)
    return data


def test_the_screen_is_drawn_anew(wire: Wire, person: Sit) -> None:
    with wire.at_far_end() as far:
        ada = person()
        ada.hears("you have control")
        os.write(far, b"from the device")
        ada.sees("from the device")
        ada.screen.reset()  # as when another program has written over it
        assert "from the device" not in ada.look()
        ada.types("\x1dr")
        ada.sees("from the device")
