"""What workers share at their head: buses, hubs, Ethernet ports."""

from __future__ import annotations

import pytest

from pibramble.advise.predict.shared import NOTHING_SHARED, Tree
from pibramble.spec.model import Cluster, HubSection, Link, WorkerGroup
from tests.unit.advise.predict.clusters import SERIAL, USB, cluster, shared

BUS, SLOW = 13 * 512 * 8000, 19 * 64 * 1000  # bytes a second


def ways(of: Cluster) -> dict[str, list[str]]:
    tree = shared(of)
    return {name: [trunk.name for trunk in tree.way(name)] for name in tree.ends}


def test_usb_workers_share_the_head_s_bus_and_serial_ones_on_its_header_do_not() -> None:
    assert ways(cluster(*USB, WorkerGroup(name="s", link=Link.SERIAL, head_port="/dev/ttyAMA0"))) == {
        f"zero{number}": ["bus 1"] for number in (1, 2, 3, 4)
    }
    assert {trunk.bytes_per_s for trunk in shared(cluster(*USB)).trunks.values()} == {BUS}
    assert list(Tree().way("anybody")) == []
    assert NOTHING_SHARED.trunks == {}


def test_a_serial_adapter_is_on_the_bus_or_on_its_hub() -> None:
    usb = WorkerGroup(name="s[1-2]", link=Link.SERIAL, head_port="/dev/ttyUSB[0-1]")
    hub = HubSection(devices="/dev/ttyUSB1")
    assert ways(cluster(usb, *SERIAL, hubs=(hub,))) == {"s1": ["bus 1"], "s2": ["hub1", "bus 1"]}


def test_a_hub_hangs_on_a_hub_and_one_may_be_slow() -> None:
    near, far = HubSection(model="hub-4", workers="zero[1-2]"), HubSection(model="old", port="hub1")
    tree = shared(cluster(*USB, hubs=(near, far)))
    assert [(trunk.name, trunk.bytes_per_s) for trunk in tree.way("zero4")] == [
        ("hub2", SLOW),
        ("hub1", BUS),
        ("bus 1", BUS),
    ]
    assert [trunk.name for trunk in tree.way("zero1")] == ["hub1", "bus 1"]


def test_a_head_with_two_buses_has_its_plugs_dealt_out_in_turn() -> None:
    hubs = (HubSection(model="hub-4", workers="zero[3-4]"), HubSection(model="hub-4"))
    assert ways(cluster(*USB, head="pi-5")) == {
        "zero1": ["bus 1"],
        "zero2": ["bus 2"],
        "zero3": ["bus 1"],
        "zero4": ["bus 2"],
    }
    assert ways(cluster(*USB, head="pi-5", hubs=hubs)) == {
        "zero1": ["hub2", "bus 2"],
        "zero2": ["hub2", "bus 2"],
        "zero3": ["hub1", "bus 1"],
        "zero4": ["hub1", "bus 1"],
    }


@pytest.mark.parametrize(
    ("head", "port", "way"),
    [
        ("pi-3b", "eth0", ["port eth0", "bus 1"]),  # its own, behind USB
        ("pi-4b", "eth0", ["port eth0"]),
        ("pi-4b", "eth1", ["port eth1"]),  # no other port is in use, so it is the board's own
        ("pi-zero-w", "eth0", ["port eth0", "bus 1"]),  # an adapter
        ("pi-5", "eth0", ["port eth0"]),
    ],
)
def test_an_ethernet_port_is_shared_and_may_be_on_the_bus(head: str, port: str, way: list[str]) -> None:
    group = WorkerGroup(name="b[1-2]", board="pi-3b", link=Link.ETHERNET, head_port=port)
    assert ways(cluster(group, head=head)) == {"b1": way, "b2": way}


def test_an_ethernet_adapter_is_on_its_hub_and_a_port_carries_what_its_fastest_wire_does() -> None:
    own = WorkerGroup(name="b", board="pi-3b", link=Link.ETHERNET, head_port="eth0")
    fast = WorkerGroup(name="f[1-2]", board="pi-4b", link=Link.ETHERNET, head_port="eth1")
    slow = WorkerGroup(name="s", board="pi-2b", link=Link.ETHERNET, head_port="eth1")
    of = cluster(own, slow, fast, head="pi-4b", hubs=(HubSection(devices="eth1"),))
    assert ways(of)["f1"] == ["port eth1", "hub1", "bus 1"]
    assert shared(of).trunks["port eth1"].bytes_per_s == pytest.approx(1e9 / 8 * 1448 / 1514)
