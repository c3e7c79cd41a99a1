"""A switch behind a UART with a speed of its own: the speed is found, and a break as NULs brings its ROM monitor up."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibramble.console import breaks
from pibramble.console.client import in_process
from pibramble.console.conversation import Conversation
from pibramble.console.model import Port, Settings, Source
from pibramble.console.session import Session
from pibramble.errors import Exit
from tests.console.automation.conftest import Place
from tests.console.automation.ios import At, Console, console
from tests.unit.console.benches import Device


@pytest.mark.parametrize("baud", [9600, 115_200, 57_600])
def test_the_speed_is_found_and_kept(tmp_path: Path, baud: int) -> None:
    with console(baud=baud) as switch:
        place = Place(tmp_path, switch)
        with place.broker():
            done = place.run("autobaud", "sw1")
            assert (done.returncode, done.stdout) == (0, f"{baud} 8N1\n"), done.stderr
            assert done.stderr.splitlines()[0] == "listening, 9600 8N1: nothing came"
            assert f"Enter, {baud} 8N1: " in done.stderr
            assert 'the prompt "Username:"' in done.stderr
            assert f"{baud} 8N1" in place.run("list").stdout


def test_the_command_sends_nuls_where_it_is_told_to(place: Place) -> None:
    place.switch.ios.boot_seconds = 60
    place.switch.ios.power_on()
    done = place.run("break", "sw1", "--nuls", "--seconds", "0.25")
    assert done.returncode == 0, done.stderr
    assert place.switch.ios.at is At.ROMMON
    assert done.stdout == "sw1: 8 NULs at 300 baud\n"


@pytest.mark.parametrize(("options", "seconds"), [((), 0.3), (("--seconds", "0.45"), 0.45)])
def test_a_break_is_held_as_long_as_it_is_to_be(place: Place, options: tuple[str, ...], seconds: float) -> None:
    """A pty carries no break; what the kernel is asked, and when, is the same as for an adapter."""
    trace = place.folder / "trace"
    done = place.run("break", "sw1", *options, under=("strace", "-f", "-ttt", "-e", "trace=ioctl", "-o", str(trace)))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"sw1: break, {seconds * 1000:.0f} ms\n"
    calls = [line.split(maxsplit=2) for line in trace.read_text().splitlines() if "SBRK" in line or "CCBRK" in line]
    (_, began, on), (_, ended, off) = calls
    assert ("TIOCSBRK" in on, "TIOCCBRK" in off) == (True, True)
    assert seconds <= float(ended) - float(began) <= seconds + 0.2  # a busy machine; Cisco takes up to 0.5 s


def test_a_break_that_no_device_waits_for_is_refused(place: Place) -> None:
    too_long = place.run("break", "sw1", "--seconds", "60")
    assert too_long.returncode == Exit.WRONG


def test_no_speed_no_change(tmp_path: Path) -> None:
    with console(baud=300) as switch:
        done = Place(tmp_path, switch).run("autobaud", "sw1")
    assert done.returncode == Exit.FAILED
    assert "no speed gave anything that makes sense" in done.stderr
    assert "wired as a console" in done.stderr


def test_nuls_at_a_low_speed_bring_the_rom_monitor_up(tmp_path: Path) -> None:
    async def go(switch: Console) -> str:
        session = Session()
        port = Port("sw1", switch.path, "cisco-rommon", Settings(), Source.AD_HOC)
        async with in_process(tmp_path, [port], session.client):
            await session.begin("sw1", "a test")
            switch.ios.power_on()
            talk = Conversation(session)
            await talk.wait_for("Base ethernet MAC", 5)
            await breaks.send_nuls(session, Settings(), 0.3)
            await talk.send("\n")  # what it printed meanwhile came at a speed that nobody was listening at
            heard = await talk.wait_for_prompt([r"rommon \d+ > $"], 5)
            await talk.send("confreg 0x2142\n")
            await talk.wait_for("rommon 3 >", 5)
            switch.ios.boot_seconds = 0.5
            await talk.send("reset\n")
            await talk.wait_for("Press RETURN", 5)
            await talk.send("\n")
            await talk.wait_for(r"\[yes/no\]: ", 5)
            return heard.text

    with console(boot_seconds=60) as switch:
        assert "rommon 2 > " in asyncio.run(go(switch))
        assert switch.ios.at is At.SETUP


@pytest.fixture
def looped() -> Iterator[str]:
    """A device whose TX and RX are joined."""
    device, stop = Device(), threading.Event()

    def loop() -> None:
        while not stop.is_set():
            if select.select([device.master], [], [], 0.05)[0]:
                os.write(device.master, os.read(device.master, 4096))

    thread = threading.Thread(target=loop)
    thread.start()
    yield device.path
    stop.set()
    thread.join()
    device.close()


def test_a_joined_pty_carries_every_speed_and_is_found_to_carry_no_break(place: Place, looped: str) -> None:
    done = place.run("selftest", "--yes", looped)
    findings = [line.split("  ")[0].strip() for line in done.stdout.splitlines()]
    assert findings[0] == "300 baud"
    assert findings[-2:] == ["break of 300 ms", "modem lines"]
    speeds = [line for line in done.stdout.splitlines() if " baud " in line]
    assert all("good" in line and "this is no real UART" in line for line in speeds)
    assert "bad          asked for 30" in done.stdout
    assert "cannot tell  the driver has none" in done.stdout
    assert done.returncode == Exit.FAILED


def test_a_wire_that_is_not_joined_is_said_once(place: Place) -> None:
    silent = Device()
    done = place.run("selftest", "-y", silent.path)
    silent.close()
    assert done.returncode == Exit.FAILED
    [line] = done.stdout.splitlines()
    assert "TX and RX are not joined" in line


def test_a_port_in_use_is_not_tested(place: Place) -> None:
    with place.broker():
        done = place.run("selftest", "sw1", "--yes")
    assert done.returncode == Exit.BUSY
    assert "in use by another program" in done.stderr


def test_a_device_that_may_be_there_hears_nothing_before_somebody_said_yes(place: Place) -> None:
    nobody = place.run("selftest", "sw1")
    assert nobody.returncode == Exit.WRONG
    assert f"go down sw1 ({place.switch.path})" in nobody.stderr
    assert "--yes" in nobody.stderr
    person, terminal = os.openpty()
    os.write(person, b"n\n")
    argv = [sys.executable, "-m", "pibramble", "console", "selftest", "sw1"]
    no = subprocess.run(
        argv, cwd=place.folder, env=place.environment, stdin=terminal, capture_output=True, text=True, check=False
    )
    os.close(person)
    os.close(terminal)
    assert no.returncode == Exit.FAILED
    assert f"go down sw1 ({place.switch.path})" in no.stderr
    assert "Is the device off, and are TX and RX joined? [y/N]" in no.stderr
    assert place.switch.heard == b""


def test_a_switch_that_gets_random_bytes_lives_on(place: Place) -> None:
    place.run("selftest", "sw1", "--yes")
    assert place.switch.heard
    assert place.switch.alive
