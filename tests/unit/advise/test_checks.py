"""Every rule on power and serial lines: a cluster that breaks it, and what cures it."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import ANY

import pytest

from pibramble.advise.checks import RULES, baud_error, judge
from pibramble.advise.power import Feeding
from pibramble.catalog.sections import Catalogue
from pibramble.spec import new
from pibramble.spec.findings import Severity
from pibramble.spec.load import parse

FOUR = '[head]\nboard = "{head}"\n[[workers]]\nname = "zero[1-4]"\nboard = "{board}"\n'
HUB = '[[hubs]]\nmodel = "hub-4-powered"\nbackfeeds = false\n'
SERIAL = '[[workers]]\nname = "mate[1-2]"\nlink = "serial"\nhead_port = "/dev/ttyMAX[0-1]"\n'


def four(head: str = "pi-1b", board: str = "pi-zero") -> str:
    return FOUR.format(head=head, board=board)


def feeding(text: str) -> Feeding:
    cluster = parse(text, Path("c.toml")).cluster
    return Feeding(cluster, Catalogue(cluster.catalog))


def said(text: str) -> dict[str, str]:
    """Return each rule that found something, with its message and cure."""
    findings = judge(feeding(text))
    assert all(finding.severity is Severity.WARNING and finding.cure for finding in findings)
    return {finding.rule: f"{finding.message}\n{finding.cure}" for finding in findings}


def written(cure: str) -> str:
    """Return the lines of a cure that are meant for the cluster file."""
    return re.sub(r"^[^\[\n]*[a-z:]$", "", cure[cure.index("[[") :], flags=re.MULTILINE) + "\n"


def test_four_zeros_in_a_model_b_break_every_limit_of_it() -> None:
    found = said(four())
    assert set(found) == {"power-port", "power-total", "power-supply", "usb-ports"}
    assert (
        "100 mA idle, 230 mA under stress, 350 mA at worst each; a port of head (pi-1b) gives 100 mA"
        in (found["power-port"])
    )
    assert "together draw 400 mA idle, 920 mA under stress, 1400 mA at worst" in found["power-total"]
    assert "gives 1200 mA" in found["power-supply"]
    assert "4 plugs, and the head has 2 USB ports" in found["usb-ports"]


def test_a_hub_with_a_supply_cures_them_all() -> None:
    assert said(four() + HUB) == {}


def test_four_zeros_in_a_pi_3_are_too_much_at_worst_only() -> None:
    found = said(four("pi-3b"))
    assert "too little at worst" in found["power-total"]
    assert said(four("pi-3b").replace("[1-4]", "[1-3]")) == {}


def test_a_hub_without_a_supply_has_little_to_give() -> None:
    found = said(four("pi-3b") + '[[hubs]]\nmodel = "hub-4"\n')
    assert set(found) == {"power-hub", "power-port", "power-total", "power-supply"}
    assert "without a supply it has 400 mA to give: too little under stress" in found["power-hub"]


def test_a_hubs_own_supply_has_its_limit() -> None:
    text = four(board="pi-zero-2w").replace("[1-4]", "[1-5]") + HUB.replace("hub-4", "hub-7")
    assert said(text) == {}
    weak = "[catalog.hubs.hub-7-powered]\nsupply_ma = 2000\n"
    assert "its supply gives 2000 mA: too little under stress" in said(text + weak)["power-hub"]


def test_a_supply_has_its_limit_and_its_outlets() -> None:
    supply = '[[supplies]]\nmodel = "supply-5v-2a5"\nfeeds = "head,hub1"\n'
    found = said(four(board="pi-zero-2w") + HUB + supply)
    assert "draw 880 mA idle, 2430 mA under stress, 2700 mA at worst" in found["power-supply"]
    assert "which has 1 outlet" in found["supply-outlets"]
    assert said(four(board="pi-zero-2w") + HUB + supply.replace("supply-5v-2a5", "supply-usb-6x2a4")) == {}


def test_a_board_of_unknown_thirst_is_named_once() -> None:
    board = """[catalog.boards.mine]
title = "Another"
architecture = "armv6"
cores = 1
memory_mb = 512
usb_gadget = true
usb_host_ports = 1
gadget_measured = false
[catalog.power.mine]
feeds_from_usb = true
"""
    assert set(said(four(board="mine") + HUB + board)) == {"power-unknown"}
    assert said(four(board="mine") + HUB + board + "stress_ma = 90\n") == {}


@pytest.mark.parametrize("told", ["", "backfeeds = true\n"])
def test_a_powered_hub_may_feed_the_head(told: str) -> None:
    found = said(four() + '[[hubs]]\nmodel = "hub-4-powered"\n' + told)
    assert set(found) == {"back-power"}
    assert "pushes" in found["back-power"] if told else "may push" in found["back-power"]


def test_a_worker_with_two_feeds_is_back_powered() -> None:
    found = said(four() + HUB + '[[supplies]]\nfeeds = "zero1"\n')
    assert "zero1 has its supply, and its USB cable" in found["back-power"]
    found = said(four(board="pi-1a-plus") + HUB)
    assert "a pi-1a-plus's USB port is no power input" in found["back-power"]
    assert said(four(board="pi-1a-plus") + HUB + '[parts]\ncut_5v = "zero[1-4]"\n') == {}


def test_a_hub_has_so_many_ports() -> None:
    text = four().replace("[1-4]", "[1-5]") + HUB + 'workers = "zero[1-5]"\n'
    assert "5 plugs, and hub1 (hub-4-powered) has 4 ports" in said(text)["usb-ports"]


def test_adapters_take_ports_too() -> None:
    serial = '[[workers]]\nname = "m[1-2]"\nlink = "serial"\nhead_port = "/dev/ttyUSB[0-1]"\n'
    text = four() + HUB + serial
    assert "3 plugs, and the head has 2 USB ports" in said(text)["usb-ports"]
    assert said(text.replace("pi-1b", "pi-1b-plus")) == {}


E3 = """[[workers]]
name = "zero[1-4]"
[[workers]]
name = "b[1-3]"
board = "pi-1b-plus"
link = "ethernet"
[gps]
port = "/dev/serial/by-id/usb-gps"
[[consoles]]
name = "sw1"
port = "/dev/serial/by-id/usb-ftdi"
"""


def test_the_ethernet_adapter_the_receiver_and_the_console_are_plugs_and_draw_current() -> None:
    found = said(E3 + HUB)
    assert set(found) == {"usb-ports", "power-port"}
    plugs = "hub1, eth1, /dev/serial/by-id/usb-gps and /dev/serial/by-id/usb-ftdi: 4 plugs, and the head has 2"
    assert plugs in found["usb-ports"]
    assert "eth1 draws 200 mA (reckoned as a usb-ethernet-100); a port of head (pi-1b) gives 100" in found["power-port"]
    assert said(E3 + written(found["usb-ports"])) == {"back-power": ANY}  # nobody has measured the new hub
    points = {point.name: point for point in feeding(E3 + HUB).points()}
    assert points["head, all USB ports"].load.worst_ma == 200 + 100 + 100


def test_a_device_on_a_hub_takes_its_port_and_its_current_there() -> None:
    hub = HUB.replace("hub-4", "hub-7") + 'devices = "eth1,/dev/serial/by-id/usb-gps,/dev/serial/by-id/usb-ftdi"\n'
    assert said(E3 + hub) == {}
    points = {point.name: point for point in feeding(E3 + hub).points()}
    assert points["head, all USB ports"].load.worst_ma == 0
    assert points["hub1, all ports"].load.worst_ma == 4 * 350 + 200 + 100 + 100
    weak = HUB.replace("hub-4-powered", "hub-4") + 'workers = "zero1"\ndevices = "eth1"\n'
    text = E3.replace("zero[1-4]", "zero1")
    assert "eth1 draws 200 mA (reckoned as a usb-ethernet-100); a port of hub1 (hub-4)" in str(
        judge(feeding(text + weak))
    )


def test_whoever_knows_what_a_device_draws_says_so() -> None:
    own = "[catalog.ethernet_adapters.usb-ethernet-100]\ndraw_ma = 90\n"
    assert set(said(E3 + HUB + own)) == {"usb-ports"}


@pytest.mark.parametrize(
    ("head", "more", "devices"),
    [
        ('board = "pi-zero"', "", ["eth0"]),  # a board without Ethernet
        ('board = "pi-zero"\nuplink = "wlan0"', "", []),
        ('board = "pi-3b"', "", []),
        ('board = "pi-3b"', '[[workers]]\nname = "b"\nboard = "pi-2b"\nlink = "ethernet"\n', ["eth1"]),
        (
            'board = "pi-3b"\nuplink = "wlan0"',
            '[[workers]]\nname = "b"\nboard = "pi-2b"\nlink = "ethernet"\nhead_port = "eth0"\n',
            [],
        ),
        ('board = "pi-3b"', '[gps]\nport = "/dev/ttyAMA0"\n', []),  # on the header
        ('board = "pi-3b"', '[gps]\nport = "/dev/ttyACM0"\n', ["/dev/ttyACM0"]),
    ],
)
def test_what_sits_in_a_usb_port_of_the_head(head: str, more: str, devices: list[str]) -> None:
    assert list(feeding(f'[head]\n{head}\n[[workers]]\nname = "zero1"\n{more}').devices) == devices


# --- Cures: what is advised is written into the file, and helps ---


@pytest.mark.parametrize("head", ["pi-1b", "pi-3b", "pi-4b", "pi-zero"])
@pytest.mark.parametrize("workers", [4, 9, 24, 60])
def test_the_hubs_that_are_advised_help(head: str, workers: int) -> None:
    text = four(head).replace("[1-4]", f"[1-{workers}]")
    for rule, cure in said(text).items():
        left = set(said(text + written(cure)))
        assert rule not in left
        assert left <= {"back-power"}


def test_another_hub_is_advised_where_it_helps() -> None:
    text = four().replace("[1-4]", "[1-5]") + HUB + 'workers = "zero[1-5]"\n'
    cure = said(text)["usb-ports"]
    advised = 'another hub as hub1:\nmodel = "hub-7-powered"'
    assert cure.endswith(f"{advised}\nand take its backfeeds out: that was measured on the old one")
    assert said(text.replace("backfeeds = false\n", ""))["usb-ports"].endswith(advised)
    assert said(text.replace("hub-4-powered", "hub-7-powered")) == {}


def test_a_hub_that_is_there_and_does_not_help_is_not_advised() -> None:
    text = four("pi-4b", "pi-5").replace("zero[1-4]", "five[1-2]") + HUB
    found = said(text)
    assert set(found) == {"power-port", "power-hub"}
    for cure in found.values():
        advised = cure.partition("\n")[2]
        assert "hub-4-powered" not in advised
        assert "no hub in the catalogue gives a port more than 500 mA" in advised
        assert "the supply goes to its header" in advised
        assert said(text + written(cure).replace("a pi-5's", "# a pi-5's")) == {}


def test_where_nothing_helps_that_is_said() -> None:
    text = four() + HUB + "[catalog.power.pi-1b]\nmax_ma = 30_000\n"
    found = said(text)
    assert set(found) == {"power-supply"}
    assert "nothing in the catalogue helps a pi-1b with so much on it" in found["power-supply"]
    text = four().replace("[1-4]", "[1-126]").replace("[head]\n", '[head]\naddress = "192.168.7.1"\n')
    assert "nothing in the catalogue helps" in said(text)["usb-ports"]


def test_a_stronger_supply_is_advised_where_one_is() -> None:
    supply = '[[supplies]]\nmodel = "supply-5v-2a5"\nfeeds = "head,hub1"\n'
    found = said(four(board="pi-zero-2w") + HUB + supply)
    assert found["power-supply"].endswith('another supply:\nmodel = "supply-usb-6x2a4"')
    assert found["supply-outlets"].endswith('another supply:\nmodel = "supply-usb-6x2a4"')


def test_a_mini_uart_is_named() -> None:
    text = '[[workers]]\nname = "w"\nboard = "pi-zero-w"\nlink = "serial"\nhead_port = "/dev/ttyAMA0"\n'
    assert "/dev/ttyAMA0 does better" in said(f'{text}worker_port = "/dev/ttyS0"\n')["mini-uart"]
    assert said(text) == {}


def test_a_header_of_26_pins_has_no_cts() -> None:
    text = '[head]\nboard = "{0}"\n[[workers]]\nname = "w"\nlink = "serial"\nhead_port = "{1}"\nflow_control = true\n'
    found = said(text.format("pi-1b", "/dev/ttyAMA0"))
    assert set(found) == {"flow-control-pins"}
    assert "w: the header of a pi-1b brings out no RTS and CTS of /dev/ttyAMA0: it has 26 pins" in str(found)
    assert "baud = 921600 at most" in found["flow-control-pins"]
    assert said(text.format("pi-1b-plus", "/dev/ttyAMA0")) == {}
    assert "RTS and CTS of /dev/ttyAMA3\n" in said(text.format("pi-4b", "/dev/ttyAMA3"))["flow-control-pins"]


def test_a_bridge_must_make_the_speed() -> None:
    chip = '[[bridges]]\nmodel = "sc16is752"\nports = "/dev/ttyMAX[0-1]"\n'
    found = said(SERIAL + "baud = 1000000\nflow_control = true\n" + chip)
    assert "with 14.7456 MHz makes 921,600 baud of 1,000,000: 7.8% off\nbaud = 921600" in found["bridge-baud"]
    assert said(SERIAL + "baud = 921600\nflow_control = true\n" + chip) == {}


def test_a_bridge_has_a_limit() -> None:
    slow = "[catalog.bridges.sc16is752]\nmax_baud = 115200\n"
    chip = '[[bridges]]\nmodel = "sc16is752"\nports = "/dev/ttyMAX[0-1]"\n'
    text = f"{SERIAL}baud = 230400\n{chip}{slow}"
    assert "230,400 baud is more than a sc16is752 can do" in said(text)["bridge-baud"]
    assert said(text.replace("230400", "115200")) == {}


def test_a_small_buffer_without_flow_control_overruns() -> None:
    chip = '[[bridges]]\nmodel = "sc16is752"\nports = "/dev/ttyMAX[0-1]"\n'
    found = said(SERIAL + "baud = 921600\n" + chip)
    assert "at 921,600 baud the 64 bytes of a sc16is752's buffer fill in 0.7 ms" in found["bridge-overrun"]
    assert said(SERIAL + "baud = 460800\n" + chip) == {}


def test_what_is_the_same_for_several_lines_is_said_once() -> None:
    text = SERIAL.replace("[1-2]", "[1-4]").replace("[0-1]", "[0-3]") + "baud = 921600\n"
    text += "".join(f'[[bridges]]\nmodel = "sc16is752"\nports = "/dev/ttyMAX[{n}-{n + 1}]"\n' for n in (0, 2))
    [finding] = judge(feeding(text))
    assert finding.rule == "bridge-overrun"
    assert finding.message.startswith("mate[1-4]: at 921,600 baud")
    minis = '[[workers]]\nname = "w[1-3]"\nboard = "pi-zero-w"\nlink = "serial"\nhead_port = "/dev/ttyUSB[0-2]"\n'
    [finding] = judge(feeding(f'[head]\nboard = "pi-3b"\n{minis}worker_port = "/dev/ttyS0"\n'))
    assert finding.message.startswith("w[1-3]: /dev/ttyS0 of a pi-zero-w is its mini UART")
    other = text + "[nodes.mate4]\nbaud = 460800\n"
    assert [f.message.partition(":")[0] for f in judge(feeding(other))] == ["mate[1-3]"]


def test_a_driver_that_debian_lacks_is_named() -> None:
    found = said(SERIAL + '[[bridges]]\nmodel = "max14830"\n')
    assert set(found) == {"bridge-driver"}
    assert "max310x" in found["bridge-driver"]


def test_a_fractional_divisor_comes_nearer() -> None:
    bridges = Catalogue().bridges
    assert baud_error(bridges["sc16is752"], 921_600) == (0.0, 921_600.0)
    error, made = baud_error(bridges["max14830"], 1_000_000)
    assert error < 0.01
    assert abs(made - 1_000_000) < 10_000


def test_every_rule_has_a_test_that_breaks_it() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    named = {rule.__name__ for rule in RULES}
    assert named == {
        "power_port", "power_total", "power_hub", "power_supply", "power_unknown", "back_power", "usb_ports",
        "mini_uarts", "flow_control_pins", "bridge_speeds", "bridge_drivers",
    }  # fmt: skip
    for rule in ("power-port", "power-total", "power-hub", "power-supply", "supply-outlets", "power-unknown"):
        assert f'"{rule}"' in text
    for rule in (
        "back-power",
        "usb-ports",
        "mini-uart",
        "bridge-baud",
        "bridge-overrun",
        "bridge-driver",
        "flow-control-pins",
    ):
        assert f'"{rule}"' in text


@pytest.mark.parametrize("template", new.templates())
def test_templates_with_a_hub_keep_every_limit(template: str) -> None:
    rules = set(said(new.render(template)))
    assert rules <= {"back-power"} or template in {"xmas", "zeros"}


def test_the_currents_add_up_along_the_tree() -> None:
    cluster = parse(four() + HUB, Path("c.toml")).cluster
    points = {point.name: point for point in Feeding(cluster, Catalogue()).points()}
    assert points["hub1, all ports"].load.worst_ma == 4 * 350
    assert points["head, all USB ports"].load.worst_ma == 0
    assert points["head's own supply"].load.worst_ma == 700
    assert points["all 5 boards"].load.worst_ma == 4 * 350 + 700
