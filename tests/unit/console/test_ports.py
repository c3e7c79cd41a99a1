"""From a plan to the ports of its console."""

from __future__ import annotations

from pathlib import Path

from pibramble.console import ports, profiles
from pibramble.console.model import Settings, Source
from pibramble.plan.describe import describe
from pibramble.plan.resolve import resolve
from pibramble.spec.load import parse

FILE = """\
[[workers]]
name = "zero1"

[[consoles]]
name = "sw1"
port = "/dev/ttyUSB0"
profile = "cisco-ios"

[[consoles]]
name = "router"
port = "/dev/ttyUSB1"
profile = "cisco-ios"
settings = "115200 7E1"
"""


def test_a_console_has_its_profiles_settings_or_its_own() -> None:
    plan = resolve(parse(FILE, Path("cluster.toml")).cluster)
    switch, router = ports.of_plan(plan, {}, profiles.load)
    assert (switch.name, switch.device, switch.source) == ("sw1", "/dev/ttyUSB0", Source.CLUSTER_FILE)
    assert switch.settings == Settings(9600)
    assert str(router.settings) == "115200 7E1"


def test_a_node_is_spoken_to_as_a_board() -> None:
    (port,) = ports.of_nodes({"zero1": "unix:/run/zero1.console"}, profiles.load)
    assert port.socket == "/run/zero1.console"
    assert (port.profile, port.settings.baud, port.source) == ("raspberry-pi", 115200, Source.NODE)


WIRED = (
    FILE
    + """
[[consoles]]
name = "zero1"
port = "/dev/ttyUSB2"
tcp_port = 7001
"""
)


def test_a_workers_uart_has_the_workers_name_on_boards_in_the_lab_and_in_the_emulator() -> None:
    plan = resolve(parse(WIRED, Path("cluster.toml")).cluster)
    *_, on_boards = ports.of_plan(plan, {}, profiles.load)
    assert (on_boards.name, on_boards.device, on_boards.profile) == ("zero1", "/dev/ttyUSB2", "raspberry-pi")
    assert (on_boards.settings.baud, on_boards.source, on_boards.tcp_port) == (115200, Source.NODE, 7001)
    elsewhere = ports.of_plan(plan, {"head": "unix:/run/head", "zero1": "unix:/run/zero1"}, profiles.load)
    assert [(port.name, port.socket) for port in elsewhere[2:]] == [("zero1", "/run/zero1"), ("head", "/run/head")]
    assert elsewhere[2].tcp_port == 7001


def test_a_workers_uart_is_said_to_be_one() -> None:
    plan = resolve(parse(WIRED, Path("cluster.toml")).cluster)
    assert ("console zero1", "/dev/ttyUSB2, raspberry-pi, its UART") in describe(plan).facts
