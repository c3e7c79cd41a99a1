"""A cluster file becomes a plan."""

from __future__ import annotations

import json
import os
import time
from ipaddress import IPv4Network
from pathlib import Path

import attrs
import pytest

from pibramble.plan.model import Role
from pibramble.plan.resolve import resolve
from pibramble.serialise import plain
from pibramble.spec.model import Cluster, ClusterSection, Link, WorkerGroup

GOLDEN = Path(__file__).parents[2] / "golden" / "plan"


def test_the_plan_of_a_cluster_with_every_kind_of_wire(mixed: Cluster) -> None:
    text = json.dumps(plain(resolve(mixed)), indent=2) + "\n"
    golden = GOLDEN / "mixed.json"
    if os.environ.get("PIBRAMBLE_REGENERATE"):
        golden.write_text(text)
    assert text == golden.read_text(), "PIBRAMBLE_REGENERATE=1 accepts the new plan"


def test_the_same_cluster_gives_the_same_plan(mixed: Cluster) -> None:
    assert resolve(mixed) == resolve(attrs.evolve(mixed))


def test_nodes_are_found_by_name_and_keep_the_order_of_the_file(mixed: Cluster) -> None:
    plan = resolve(mixed)
    assert [node.name for node in plan.nodes] == ["head", "zero1", "zero2", "fast", "aplus", "four", "old"]
    assert [node.role for node in plan.nodes] == [Role.HEAD] + [Role.WORKER] * 6
    assert plan.node("aplus").board.name == "pi-1a-plus"
    with pytest.raises(KeyError):
        plan.node("nobody")


def test_usb_links_carry_what_the_catalogue_says_and_say_when_nobody_measured_it(mixed: Cluster) -> None:
    plan = resolve(mixed)
    zero, fast = plan.node("zero1"), plan.node("fast")
    assert zero.link is not None
    assert fast.link is not None
    assert zero.link.to_head_bps == (zero.board.gadget_to_head_mbit or 0) * 1_000_000
    assert fast.link.to_worker_bps == (fast.board.gadget_from_head_mbit or 0) * 1_000_000
    assert not zero.link.rate_verified
    assert fast.link.rate_verified
    assert zero.link.bridged


def test_a_serial_link_carries_eight_bits_of_ten(mixed: Cluster) -> None:
    link = resolve(mixed).node("aplus").link
    assert link is not None
    assert (link.to_worker_bps, link.to_head_bps) == (368_640, 368_640)
    assert (link.head_mac, link.worker_mac, link.bridged) == (None, None, False)
    assert (link.head_port, link.worker_port) == ("/dev/ttyUSB0", "/dev/ttyAMA0")


def test_ethernet_runs_at_the_slower_ports_rate(mixed: Cluster) -> None:
    plan = resolve(mixed)
    rates = [link.to_head_bps for name in ("four", "old") if (link := plan.node(name).link)]
    slowest = min(plan.head.board.ethernet_mbit or 0, plan.node("old").board.ethernet_mbit or 0)
    assert rates == [(plan.head.board.ethernet_mbit or 0) * 1_000_000, slowest * 1_000_000]


def test_an_adapter_at_a_head_without_ethernet_runs_at_the_workers_rate() -> None:
    cluster = Cluster(workers=(WorkerGroup(name="four", board="pi-4b", link=Link.ETHERNET),))
    cluster = attrs.evolve(cluster, head=attrs.evolve(cluster.head, board="pi-zero", uplink="wlan0"))
    link = resolve(cluster).node("four").link
    assert link is not None
    assert link.to_head_bps == 1_000_000_000


def test_given_mac_addresses_are_kept(mixed: Cluster) -> None:
    link = resolve(mixed).node("zero2").link
    assert link is not None
    assert (link.worker_mac, link.head_mac) == ("b8:27:eb:00:00:02", "02:00:00:00:00:02")


def test_clusters_of_one_name_differ_by_their_id(mixed: Cluster) -> None:
    other = attrs.evolve(mixed, cluster=attrs.evolve(mixed.cluster, id="mixed-2"))
    macs = [
        {link.worker_mac for node in resolve(one).workers if (link := node.link)} - {None} for one in (mixed, other)
    ]
    assert macs[0] & macs[1] == {"b8:27:eb:00:00:02"}
    assert resolve(mixed).bridge_mac != resolve(other).bridge_mac


def test_a_link_never_takes_the_name_of_the_ethernet_port_beside_it() -> None:
    cluster = Cluster(
        workers=(WorkerGroup(name="lan"), WorkerGroup(name="four", board="pi-4b", link=Link.ETHERNET, head_port="lan"))
    )
    assert [link.head_interface for node in resolve(cluster).workers if (link := node.link)] == ["link1", "four"]


def test_a_thousand_nodes_are_planned_in_half_a_second() -> None:
    began = time.perf_counter()
    plan = resolve(
        Cluster(
            cluster=ClusterSection(subnet=IPv4Network("10.0.0.0/16")),
            workers=(WorkerGroup(name="n[1-1000]"),),
        )
    )
    assert [plan.node(node.name) for node in plan.nodes] == list(plan.nodes)
    assert len({node.address for node in plan.nodes}) == 1001
    assert time.perf_counter() - began < 0.5
