"""From a plan to the ports of its console."""

from __future__ import annotations

from pathlib import Path

from pibramble.console import ports, profiles
from pibramble.console.model import Settings, Source
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
    switch, router = ports.of_plan(plan, profiles.load)
    assert (switch.name, switch.device, switch.source) == ("sw1", "/dev/ttyUSB0", Source.CLUSTER_FILE)
    assert switch.settings == Settings(9600)
    assert str(router.settings) == "115200 7E1"


def test_a_node_is_spoken_to_as_a_board() -> None:
    (port,) = ports.of_nodes({"zero1": "unix:/run/zero1.console"}, profiles.load)
    assert port.socket == "/run/zero1.console"
    assert (port.profile, port.settings.baud, port.source) == ("raspberry-pi", 115200, Source.NODE)
