"""A hot button's steps run in their order on a real line; what they wait for and who may press is respected."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from pibramble.console import profiles
from pibramble.console.buttons import DeclinedError
from pibramble.console.line import NotWriterError
from pibramble.console.messages import Event, Notice
from pibramble.console.model import Break, Button, Confirm, Profile, Send, WaitFor
from pibramble.errors import TimedOutError, UsageError
from tests.unit.console.benches import Bench, Device


class Person:
    name = "ada in the shell"
    may_write = True

    def __init__(self, *, says: bool) -> None:
        self.says, self.asked = says, list[str]()
        self.events: list[Event] = []

    def deliver(self, data: bytes) -> None:
        pass

    def notice(self, event: Event) -> None:
        self.events.append(event)

    async def ask(self, question: str) -> bool:
        self.asked.append(question)
        return self.says


BUTTONS = (
    Button("no-pager", "no pager", (Send("terminal length 0\n"), WaitFor("[>#] ?$", 1), Send("show clock\n"))),
    Button("reset", "reset", (Confirm("Restart the router?"), Send("reset\n"))),
    Button("rommon", "Break", (Break(), WaitFor("rommon", 1))),
    Button("patience", "wait", (Send("x"), WaitFor("never", 0.1))),
)


class Stage:
    def __init__(self, bench: Bench, person: Person, profile: Profile | None = None) -> None:
        self.bench, self.person = bench, person
        self.device: Device = bench.device()
        self.line = bench.line(self.device)
        self.line.profile = profile or attrs.evolve(self.line.profile, buttons=BUTTONS)
        bench.call(self.line.attach, person)
        bench.call(self.line.take_control, person)

    def press(self, button: str) -> None:
        self.bench.do(self.line.press(self.person, button))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_a_step_waits_for_the_answer_to_the_one_before(bench: Bench) -> None:
    stage = Stage(bench, Person(says=True))
    pressing = threading.Thread(target=stage.press, args=("no-pager",))
    pressing.start()
    assert stage.device.heard(18) == b"terminal length 0\r"
    assert stage.device.heard(1, 0.2) == b""
    stage.device.say(b"terminal length 0\r\nsw1#")
    assert stage.device.heard(11) == b"show clock\r"
    pressing.join(5)


def test_a_wait_in_vain_names_the_step(bench: Bench) -> None:
    stage = Stage(bench, Person(says=True))
    stage.device.say(b"")
    with pytest.raises(TimedOutError, match=r"wait, step 2 of 2: waited 0\.1 s for /never/"):
        stage.press("patience")


@pytest.mark.parametrize("says", [True, False])
def test_a_question_comes_first(bench: Bench, *, says: bool) -> None:
    stage = Stage(bench, Person(says=says))
    if says:
        stage.press("reset")
    else:
        with pytest.raises(DeclinedError):
            stage.press("reset")
    assert stage.person.asked == ["Restart the router?"]
    assert stage.device.heard(6, 0.3 if not says else 5) == (b"reset\r" if says else b"")


def test_a_break_is_held_as_long_as_the_profile_says(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, held = Stage(bench, Person(says=True)), list[float]()
    device = stage.line._device  # noqa: SLF001 (a pty carries no break: what the line asks its device for is looked at)
    assert device is not None

    def hold_low(*, low: bool) -> None:
        held.append(time.monotonic() * (-1 if low else 1))
        if not low:
            stage.device.say(b"rommon 1 >")

    monkeypatch.setattr(device, "hold_low", hold_low)
    stage.press("rommon")
    assert 0.29 <= sum(held) <= 0.5


def test_who_has_no_control_presses_nothing(bench: Bench) -> None:
    stage = Stage(bench, Person(says=True))
    bench.call(stage.line.release, stage.person)
    with pytest.raises(NotWriterError):
        stage.press("reset")
    assert stage.person.asked == []


def test_a_button_that_is_not_there_is_named(bench: Bench) -> None:
    stage = Stage(bench, Person(says=True))
    with pytest.raises(UsageError, match='cisco-ios has no button "x"'):
        stage.press("x")


def test_all_waits_end_when_the_line_is_closed(bench: Bench) -> None:
    stage = Stage(bench, Person(says=True))

    async def waits() -> None:
        with stage.line.subscribe() as ear:
            closing = asyncio.get_running_loop().create_task(stage.line.close())
            try:
                with pytest.raises(Exception, match="sw1 was closed"):
                    await ear.take()
            finally:
                await closing

    bench.do(waits())


LINUX = {
    "interrupt": b"\x03",
    "log": b"dmesg | tail -20\r",
    "size": b"stty rows 24 cols 80\r",
    "sync": b"<low>s",
    "reboot": b"<low>b",
}
# What the device hears of each button of each profile that comes along.
HEARD = {
    "cisco-ios": {
        "wake": b"\r",
        "enable": b"enable\r",
        "no-pager": b"terminal length 0\r",
        "interfaces": b"show ip interface brief\r",
        "vlans": b"show vlan brief\r",
        "neighbours": b"show cdp neighbors\r",
        "configuration": b"show running-config\r",
        "log": b"show logging\r",
        "abort": b"\x1e",
        "save": b"write memory\r",
    },
    "cisco-rommon": {
        "break": b"<low>",
        "skip-configuration": b"confreg 0x2142\r",
        "use-configuration": b"confreg 0x2102\r",
        "restart": b"reset\r",
    },
    "linux": LINUX,
    "raspberry-pi": {**LINUX, "health": b"vcgencmd get_throttled; vcgencmd measure_temp\r"},
    "raw": {},
}
ASKS = {"save", "skip-configuration", "restart", "sync", "reboot"}  # they do what cannot be taken back


def test_every_button_that_comes_along_is_pressed_below(tmp_path: Path) -> None:
    shipped = profiles.load_all(tmp_path)
    assert {name: {button.name for button in profile.buttons} for name, profile in shipped.items()} == {
        name: set(buttons) for name, buttons in HEARD.items()
    }


@pytest.mark.parametrize(("profile", "button"), [(name, button) for name, said in HEARD.items() for button in said])
def test_a_device_hears_what_a_button_is_to_say(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, button: str
) -> None:
    stage = Stage(bench, Person(says=True), profiles.load(profile, tmp_path / "none of mine"))
    tty, heard, began, held = stage.line._device, b"", 0.0, 0.3  # noqa: SLF001 (a pty does not carry the break that it is asked for)
    assert tty is not None
    switch = tty.hold_low

    def hold_low(*, low: bool) -> None:
        nonlocal heard, began, held
        switch(low=low)
        if low:
            heard, began = heard + stage.device.heard(1, 0.05) + b"<low>", time.monotonic()
        else:
            held = time.monotonic() - began
            stage.device.say(b"\r\nrommon 1 > ")

    monkeypatch.setattr(tty, "hold_low", hold_low)
    pressing = threading.Thread(target=stage.press, args=(button,))
    pressing.start()
    wanted = HEARD[profile][button]
    typed = stage.device.heard(len(wanted.rpartition(b">")[2]))
    stage.device.say(b"\r\nrommon 2 > ")  # a prompt for whoever waits for one
    pressing.join(10)
    assert not pressing.is_alive()
    assert heard + typed + stage.device.heard(1, 0.1) == wanted
    assert 0.29 <= held <= 0.5
    assert bool(stage.person.asked) is (button in ASKS)


@pytest.mark.parametrize(("busy_s", "told"), [(0.0, r"break, 300 ms"), (0.6, r"break, [6-9]\d\d ms")])
def test_a_break_that_lasts_much_longer_than_it_was_to_is_told_as_it_was(
    bench: Bench, busy_s: float, told: str
) -> None:
    """Where the machine was too busy to end it: whoever waits for a ROM monitor is to know."""
    stage = Stage(bench, Person(says=True))
    bench.loop.call_soon_threadsafe(bench.loop.call_later, 0.03, time.sleep, busy_s)
    bench.do(stage.line.send_break(stage.person, 0.3))
    [notice] = [event for event in stage.person.events if isinstance(event, Notice)]
    assert re.fullmatch(told, notice.text)
