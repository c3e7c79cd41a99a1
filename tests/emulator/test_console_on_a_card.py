"""The consoles of a head's card, booted: its pages, its service's cage, and a USB adapter by the kernel's own driver.

Who sits at a page comes as a person does, by `ssh -L`. The adapter that is pulled out is ours (ftdi.py), its
driver is not.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pytest
from playwright.sync_api import expect, sync_playwright
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from pibramble.console.messages import (
    Attach,
    Attached,
    CountErrors,
    ErrorCounts,
    Notice,
    Request,
    SendBreak,
    StateChanged,
    Take,
    WriterChanged,
    decode_reply,
    encode,
)
from pibramble.console.model import State
from pibramble.files.console import ACCOUNT, FOLDER, PAGES_PORT, UNIT
from pibramble.targets import sockets
from pibramble.targets.emulator.command import free_port
from tests.browser import hand
from tests.browser.conftest import ARGUMENTS, CHROMIUM, PATIENCE_MS, PHONE
from tests.emulator import services
from tests.emulator.bench import Bench
from tests.emulator.ftdi import Ftdi
from tests.emulator.test_services import port, until

pytestmark = [pytest.mark.emulator, pytest.mark.long, pytest.mark.timeout(3600)]

T = TypeVar("T")

PATIENCE_S = 120
LOG = f"{FOLDER}/logs/sw1/console.log"
LOCK = "/run/lock/LCK..ttyUSB0"


@contextmanager
def forwarded(bench: Bench) -> Iterator[int]:
    """Have a port of this machine that leads to the pages on the head, as `ssh -L` makes it."""
    bench.on("head", "true")  # the connection is open
    folder = sockets.folder(f"{bench.state}/emulator/ssh", bench.state.name)
    control = folder / bench.json("plan", "--json")["head"]["address"]
    local = free_port()
    leads = f"127.0.0.1:{local}:localhost:{PAGES_PORT}"
    ssh = ["ssh", "-F", "none", "-S", str(control), "-O"]
    subprocess.run([*ssh, "forward", "-L", leads, "node"], check=True, timeout=60)
    try:
        yield local
    finally:
        subprocess.run([*ssh, "cancel", "-L", leads, "node"], check=True, timeout=60)


class Tab:
    """A browser's tab, as far as the broker sees it: a WebSocket."""

    def __init__(self, opened: ClientConnection) -> None:
        self._socket = opened
        self.shown = b""
        self.heard: list[object] = []

    def ask(self, request: Request) -> None:
        self._socket.send(encode(request))

    def types(self, data: bytes) -> None:
        self._socket.send(data)

    def until(self, true: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Take what comes until something holds."""
        deadline = time.monotonic() + timeout_s
        while not true():
            left = deadline - time.monotonic()
            assert left > 0, f"{what}: {self.heard[-5:]} {self.shown[-300:]!r}"
            with suppress(TimeoutError):
                piece = self._socket.recv(min(left, 1))
                if isinstance(piece, bytes):
                    self.shown += piece
                else:
                    self.heard.append(decode_reply(piece))

    def hears(self, kind: type[object], **said: object) -> None:
        """Wait until it is told something."""
        self.until(lambda: self.told(kind, **said), f"{kind.__name__} {said}")

    def told(self, kind: type[T], **said: object) -> list[T]:
        return [
            event
            for event in self.heard
            if isinstance(event, kind) and all(getattr(event, name) == value for name, value in said.items())
        ]

    def sit(self, at: str = "sw1") -> None:
        """Attach to a port, and take control."""
        self.ask(Attach(at, f"tab {id(self)}"))
        self.hears(Attached)
        self.ask(Take())
        self.hears(WriterChanged, you=True)


@pytest.fixture(scope="module")
def pages(equipped: Bench) -> Iterator[int]:
    with forwarded(equipped) as local:
        yield local


@pytest.fixture
def tab(pages: int) -> Iterator[Tab]:
    where, origin = f"ws://localhost:{pages}/socket", Origin(f"http://localhost:{pages}")
    with connect(where, origin=origin, open_timeout=PATIENCE_S, ping_interval=None) as opened:
        yield Tab(opened)


@pytest.fixture
def usb(equipped: Bench) -> Iterator[Ftdi]:
    """Return an adapter that the head's broker has opened by the name that udev gave it."""
    had = Ftdi(equipped, 5)
    try:
        had.plug()
        with chatty(had):
            equipped.on("head", f"pibramble console {had.by_path} --profile cisco-ios --send '' 2>&1", timeout_s=300)
        until(lambda: status(equipped, had)["state"] == "open", "the broker has it", PATIENCE_S)
        yield had
    finally:
        had.close()


@contextmanager
def chatty(usb: Ftdi) -> Iterator[None]:
    """Have a device at the adapter that answers every line with a prompt."""
    usb.answer = b"\r\nsw9#"
    try:
        yield
    finally:
        usb.answer = b""


def ports(bench: Bench) -> list[dict[str, Any]]:
    """Return how the head's broker says its ports are."""
    said = json.loads(bench.on("head", "pibramble console --json", timeout_s=300))
    found: list[dict[str, Any]] = said["ports"]
    return found


def status(bench: Bench, usb: Ftdi) -> dict[str, Any]:
    """Return how the adapter's port is."""
    [found] = [entry for entry in ports(bench) if entry["device"] == usb.by_path]
    return found


def state(bench: Bench) -> str:
    """Return how the switch's port is, which the cluster file names; "None" while there is no broker."""
    [found] = [str(entry.get("state")) for entry in ports(bench) if entry["name"] == "sw1"]
    return found


def shown(bench: Bench, *properties: str) -> dict[str, str]:
    """Return what systemd says of the service."""
    said = bench.on("head", f"sudo systemctl show {UNIT} --property {','.join(properties)}")
    return dict(line.split("=", 1) for line in said.splitlines())


def test_the_list_comes_with_its_headers(pages: int) -> None:
    with urllib.request.urlopen(f"http://localhost:{pages}/", timeout=PATIENCE_S) as page:
        assert page.status == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        print(page.headers)
        assert b"ports.js" in page.read()
    strange = urllib.request.Request(f"http://localhost:{pages}/", headers={"Host": f"rebound.example:{pages}"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(strange, timeout=PATIENCE_S)  # noqa: S310 (the address above)
    assert refused.value.code in {400, 403, 421}


def test_a_tab_sees_and_types(equipped: Bench, tab: Tab) -> None:
    said = f"*{time.strftime('%H:%M:%S')}.000 UTC"  # not from a test before, which the screen would show as well
    with services.device(port(equipped, "sw1"), {"show clock": said}) as asked:
        tab.sit()
        tab.types(b"show clock\r")
        tab.until(lambda: said.encode() in tab.shown, "the answer")
        assert asked[-1] == "show clock"


def test_the_service_is_nobody_else_and_may_do_little_else(equipped: Bench) -> None:
    said = shown(equipped, "User", "MainPID", "NoNewPrivileges", "ProtectHome", "ProtectSystem", "DevicePolicy")
    print(said)
    pid = said.pop("MainPID")
    cage = {"NoNewPrivileges": "yes", "ProtectHome": "yes", "ProtectSystem": "strict", "DevicePolicy": "closed"}
    assert said == {"User": ACCOUNT, **cage}
    status = equipped.on("head", f"cat /proc/{pid}/status")
    print(status)
    held = dict(re.findall(r"^(\w+):\s+(.*)$", status, re.MULTILINE))
    account = equipped.on("head", f"id -u {ACCOUNT}")
    assert held["Uid"].split() == [account] * 4
    assert {int(held[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {0}
    assert (held["NoNewPrivs"], held["Seccomp"]) == ("1", "2")
    dialout = equipped.on("head", "getent group dialout").split(":")[2]
    assert set(held["Groups"].split()) - {equipped.on("head", f"id -g {ACCOUNT}")} == {dialout}


def test_from_where_the_service_is_homes_and_disks_are_out_of_reach(equipped: Bench) -> None:
    """Even for root, once it stands in the service's mounts and control group; the serial port it does reach."""
    pid = shown(equipped, "MainPID")["MainPID"]
    tries = {
        "home": "ls -A /home/pi",
        "disk": "head -c 1 /dev/mmcblk0 | wc -c",
        "root": "touch /etc/of-the-service",
        "port": "stty -F /dev/ttyUSB0 speed",
    }
    outside = {
        name: equipped.on("head", f"sudo sh -c '{command}' 2>&1 || true")
        for name, command in tries.items()
        if name != "root"
    }
    join = f"echo $$ > /sys/fs/cgroup/system.slice/{UNIT}/cgroup.procs"
    inside = {
        name: equipped.on(
            "head", f"sudo sh -c '{join} && nsenter --target {pid} --mount -- sh -c \"{command}\"' 2>&1 || true"
        )
        for name, command in tries.items()
    }
    print(outside, inside, sep="\n")
    assert ".bashrc" in outside["home"]
    assert outside["disk"] == "1"
    assert ".bashrc" not in inside["home"]
    assert "Operation not permitted" in inside["disk"]
    assert "Read-only file system" in inside["root"]
    assert inside["port"] == outside["port"] == "9600"


def test_an_adapter_that_is_pulled_while_the_broker_writes_comes_back(equipped: Bench, usb: Ftdi, tab: Tab) -> None:
    """The kernel's driver hangs up, and udev takes the device's name away; neither the log nor a lock file lies."""
    served = status(equipped, usb)
    lock = f"/run/lock/LCK..{equipped.on('head', f'basename $(readlink {usb.by_path})')}"
    tab.sit(served["name"])
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.05):
            tab.types(b"x" * 200)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        until(lambda: len(usb.told) > 2000, "the line carries it", PATIENCE_S)
        assert equipped.on("head", f"ls {lock}") == lock
        usb.pull()
        tab.hears(StateChanged, port=served["name"], state=State.ABSENT)
    finally:
        stop.set()
        thread.join(10)
    print(tab.told(StateChanged))
    assert equipped.on("head", f"ls {lock} {usb.by_path} 2>/dev/null || true") == ""
    usb.plug()
    tab.hears(StateChanged, port=served["name"], state=State.OPEN)
    main = shown(equipped, "MainPID", "NRestarts")
    assert equipped.on("head", f"cat {lock}").strip() == main["MainPID"]
    usb.told.clear()
    tab.ask(Take())
    tab.types(b"here again")
    until(lambda: b"here again" in usb.told, "it writes again", PATIENCE_S)
    usb.say(b"and it hears\r\n")
    tab.until(lambda: b"and it hears" in tab.shown, "it hears again")
    log = equipped.on("head", f"sudo tail -n 20 {FOLDER}/logs/{served['name']}/console.log")
    print(log, equipped.on("head", "sudo dmesg | grep -i ttyUSB | tail -n 4"), main, sep="\n")
    device = re.escape(usb.by_path)
    assert re.search(rf"--- lost {device}: .+ ---\n\S+Z --- opened {device} at 9600 8N1 ---", log)


def test_two_adapters_that_change_their_numbers_keep_their_ports(equipped: Bench, usb: Ftdi) -> None:
    """The broker has the name of the socket that an adapter is in, not the number that the kernel gave it."""
    other = Ftdi(equipped, 6)
    try:
        number = equipped.on("head", f"readlink -f {usb.by_path}")
        usb.pull()
        until(lambda: status(equipped, usb)["state"] == "absent", "the broker notices", PATIENCE_S)
        other.plug()
        assert equipped.on("head", f"readlink -f {other.by_path}") == number
        usb.plug()
        until(lambda: status(equipped, usb)["state"] == "open", "the broker takes it up", PATIENCE_S)
        assert equipped.on("head", f"readlink -f {usb.by_path}") != number
        usb.say(b"\r\nI am the one\r\n")
        other.say(b"I am the other\r\n")
        until(lambda: status(equipped, usb)["last_line"].endswith("I am the one"), "it hears the right one", PATIENCE_S)
        print(equipped.on("head", "pibramble console; ls -l /dev/serial/by-path", 300))
    finally:
        other.close()


def test_a_break_reaches_the_chip_and_is_as_long_as_it_is_to_be(equipped: Bench, usb: Ftdi, tab: Tab) -> None:
    """What the chip was told, and when, by this machine's clock: a guest's second is as long as ours or longer."""
    before = len(usb.breaks_s)
    name = status(equipped, usb)["name"]
    print(equipped.on("head", f"pibramble console break {usb.by_path} 2>&1", timeout_s=300))
    tab.sit(name)
    tab.ask(SendBreak())
    tab.until(lambda: [notice for notice in tab.told(Notice) if "break" in notice.text], "the page's break")
    until(lambda: len(usb.breaks_s) == before + 2, "both are over", PATIENCE_S)
    log = equipped.on("head", f"sudo grep break {FOLDER}/logs/{name}/console.log")
    print(usb.breaks_s, tab.told(Notice), log, sep="\n")
    assert all(seconds >= 0.25 for seconds in usb.breaks_s)


def test_a_break_of_the_devices_is_counted(usb: Ftdi, tab: Tab, equipped: Bench) -> None:
    tab.sit(status(equipped, usb)["name"])
    tab.ask(CountErrors())
    tab.hears(ErrorCounts)
    [before] = tab.told(ErrorCounts)
    usb.say(b"before\r\n")
    usb.hold_low()
    usb.garble(b"\xff")
    usb.say(b"after\r\n")
    tab.until(lambda: b"after" in tab.shown, "what came with it")
    tab.ask(CountErrors())
    tab.until(lambda: len(tab.told(ErrorCounts)) == 2, "the count")
    _, after = tab.told(ErrorCounts)
    print(before, after)
    assert (after.breaks, after.framing_errors) == (before.breaks + 1, before.framing_errors + 1)


def test_nobody_else_gets_the_port(equipped: Bench) -> None:
    """TIOCEXCL is for those who are not root: an account in dialout, as people are."""
    held = equipped.on("head", f"ls -l {LOCK}; cat {LOCK}; cat /proc/locks")
    print(held)
    main = shown(equipped, "MainPID")["MainPID"]
    assert re.search(rf"^ *{main}$", held, re.MULTILINE)
    assert re.search(rf"FLOCK +ADVISORY +WRITE {main} ", held)
    someone = "sudo setpriv --reuid nobody --regid dialout --clear-groups"
    for program in ("cat /dev/ttyUSB0", "stty -F /dev/ttyUSB0", "python3 -c 'open(\"/dev/ttyUSB0\")'"):
        said = equipped.on("head", f"{someone} {program} 2>&1 || true")
        print(said)
        assert "Device or resource busy" in said


def test_whoever_has_the_port_keeps_it_and_then_it_is_taken_up(equipped: Bench) -> None:
    equipped.on("head", f"sudo systemctl stop {UNIT}", 300)
    assert equipped.on("head", f"ls {LOCK} || true") == ""
    try:
        holds = "import fcntl,time; f=open('/dev/ttyUSB0'); fcntl.flock(f, fcntl.LOCK_EX); time.sleep(3600)"
        equipped.on("head", f'sudo systemd-run --unit other-program --collect python3 -c "{holds}"')
        until(lambda: "FLOCK" in equipped.on("head", "cat /proc/locks"), "the other program holds it", PATIENCE_S)
        equipped.on("head", f"sudo systemctl start {UNIT}", 300)
        until(lambda: equipped.on("head", f"ls {FOLDER}/broker.sock || true") != "", "it serves", PATIENCE_S)
        assert state(equipped) == "busy"
        print(equipped.on("head", "pibramble console", timeout_s=300))
    finally:
        equipped.on("head", "sudo systemctl stop other-program || true")
        equipped.on("head", f"sudo systemctl start {UNIT}", 300)
    until(lambda: state(equipped) == "open", "the broker takes it up", PATIENCE_S)


def test_a_broker_killed_in_mid_flood_misses_only_the_time_it_was_down(equipped: Bench) -> None:
    began = shown(equipped, "NRestarts")["NRestarts"]
    with services.flood(port(equipped, "sw1")):
        logged = f"sudo grep -c 'line [0-9]' {LOG} || true"
        was = int(equipped.on("head", logged))
        until(lambda: int(equipped.on("head", logged)) > was + 100, "it comes", PATIENCE_S)
        pid = shown(equipped, "MainPID")["MainPID"]
        equipped.on("head", f"sudo kill -9 {pid}")
        left = equipped.on("head", f"cat {LOCK}; systemctl is-active {UNIT} || true; cat /proc/locks")
        print(left)
        assert f" {pid} " not in equipped.on("head", "cat /proc/locks")
        until(lambda: shown(equipped, "NRestarts")["NRestarts"] != began, "systemd starts it again", PATIENCE_S)
        until(lambda: state(equipped) == "open", "it is open again", PATIENCE_S)
        assert equipped.on("head", f"cat {LOCK}").strip() == shown(equipped, "MainPID")["MainPID"]
        was = int(equipped.on("head", logged))
        until(lambda: int(equipped.on("head", logged)) > was + 100, "it goes on", PATIENCE_S)
    log = equipped.on("head", f"sudo tail -n 9000 {LOG}", 300)
    before, mark, after = log[log.rindex("line 000000") :].partition("--- nothing was recorded since ")
    print("\n".join([*before.splitlines()[-3:], mark, *after.splitlines()[:4]]))
    assert mark
    for part in (before, after):
        told = [int(number) for number in re.findall(r"line (\d{6})$", part, re.MULTILINE)]
        assert told == list(range(told[0], told[-1] + 1))
        assert len(told) > 100
    equipped.on("head", f"sudo systemctl stop {UNIT}", 300)
    assert equipped.on("head", f"ls {LOCK} || true") == ""
    equipped.on("head", f"sudo systemctl start {UNIT}", 300)


@pytest.mark.parametrize(
    ("settings", "at_driver", "at_chip"),
    [
        ("19200 7E1", "speed 19200 .* parenb -parodd .* cs7 .*-cstopb .*-crtscts", ("7E1", "", 19_200)),
        ("115200 8N1 rtscts", "speed 115200 .*-parenb .* cs8 .* crtscts", ("8N1", "rtscts", 115_200)),
        ("12345 8O2", "parenb parodd .* cs8 .* cstopb", ("8O2", "", 12_345)),  # stty has no word for such a speed
    ],
)
def test_settings_are_the_drivers_and_the_chips(
    equipped: Bench, usb: Ftdi, settings: str, at_driver: str, at_chip: tuple[str, str, int]
) -> None:
    with chatty(usb):
        said = equipped.on("head", f"pibramble console {usb.by_path} --settings '{settings}' --send '' 2>&1", 300)
    driver = " ".join(equipped.on("head", f"sudo stty -F {usb.by_path} -a").split())
    print(said, driver, usb.framing, usb.flow, usb.baud, sep="\n")
    assert re.search(at_driver, driver)
    framing, flow, baud = at_chip
    assert (usb.framing, usb.flow) == (framing, flow)
    assert abs(usb.baud / baud - 1) < 0.005


def test_the_name_that_udev_makes_leads_to_the_line_that_is_served(equipped: Bench) -> None:
    names = equipped.on("head", "ls -l /dev/serial/by-path /dev/serial/by-id")
    print(names)
    [by_path] = re.findall(r"(platform-\S+-usb-\S+-port0) -> \S+ttyUSB0", names)
    with services.device(port(equipped, "sw1"), {"show clock": "*12:00:00.000 UTC"}):
        said = equipped.on("head", f"pibramble console /dev/serial/by-path/{by_path} --send 'show clock'", 300)
    print(said, equipped.on("head", "pibramble console", 300), sep="\n")
    assert "*12:00:00.000 UTC" in said


def test_a_backup_says_what_it_lacks(equipped: Bench) -> None:
    said = equipped.run("exec", "-w", "head", "--json", "--", "pibramble console backup sw1", timeout_s=300)
    [outcome] = json.loads(said.stdout)
    print(outcome)
    assert outcome["exit_code"] == 3
    assert "python3-netmiko" in outcome["stderr"]


def test_a_phones_browser_types_at_the_switch(equipped: Bench, pages: int) -> None:
    """Chromium as a phone, over `ssh -L`: the list, a tap, the control, a line."""
    said = f"*{time.strftime('%H:%M:%S')}.999 UTC"
    expect.set_options(timeout=PATIENCE_S * 1000)
    with services.device(port(equipped, "sw1"), {"show clock": said}) as asked, sync_playwright() as up:
        browser = up.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": PHONE["width"], "height": PHONE["height"]},
            is_mobile=True,
            has_touch=True,
            device_scale_factor=2,
        )
        page.set_default_timeout(PATIENCE_S * 1000)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(f"http://localhost:{pages}/")
        hand.entry(page, "sw1").tap()
        expect(page.locator("#state")).to_have_text("open")
        hand.take_control(page)
        hand.send_line(page, "show clock")
        hand.shows(page, re.escape(said))
        print(hand.screen(page))
        assert asked[-1] == "show clock"
        assert complaints == []
        browser.close()
    expect.set_options(timeout=PATIENCE_MS)
