"""The platform file: every worker with its wire, more of the same beyond them, and no route for every pair."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from pibramble.advise.predict.calibration import NOTHING_MEASURED
from pibramble.advise.predict.platform import Platform, host_file, platform, to_xml
from pibramble.advise.predict.shared import NOTHING_SHARED
from pibramble.advise.predict.wires import wires
from pibramble.errors import PibrambleError
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, HubSection, WorkerGroup
from tests.unit.advise.predict.clusters import FOUR_CORES, SERIAL, USB, boards, cluster, plan, shared

SPEEDS = {"pi-zero": 2e7, "pi-1a-plus": 1e7, "pi-zero-2w": 5e7}


HUBS = (HubSection(model="hub-4"), HubSection(model="old", port="hub1", workers="zero[1-4]"))


def made(of: Cluster, ranks: int) -> Platform:
    return platform(resolve(of), wires(resolve(of), NOTHING_MEASURED), shared(of), SPEEDS, ranks)


def xml(ranks: int, *workers: WorkerGroup) -> str:
    return to_xml(made(cluster(*workers), ranks))


def route(text: str, sender: str, receiver: str) -> list[str]:
    """Return the links of a message's way, as Dijkstra would find them: the shortest."""
    roads: dict[str, list[tuple[str, str]]] = {}
    for street in ET.fromstring(text).iter("route"):  # noqa: S314 (our own text)
        [link] = street
        roads.setdefault(street.get("src", ""), []).append((street.get("dst", ""), link.get("id", "")))
    ways: list[tuple[str, list[str]]] = [(sender, [])]
    for place, links in ways:
        if place == receiver:
            return links
        ways += [(following, [*links, link]) for following, link in roads.get(place, [])]
    raise AssertionError(f"no way from {sender} to {receiver}")


def test_the_platform_of_a_mixed_cluster() -> None:
    text = xml(6, *USB, *SERIAL)
    root = ET.fromstring(text)  # noqa: S314 (our own text)
    assert [zone.get("id") for zone in root.iter("zone")] == ["cluster"]
    assert [host.get("id") for host in root.iter("host")] == ["zero1", "zero2", "zero3", "zero4", "ser1", "ser2"]
    assert {host.get("id"): host.get("speed") for host in root.iter("host")}["ser1"] == "10000000f"
    rates = {link.get("id"): link.get("bandwidth") for link in root.iter("link")}
    assert rates["bus 1:both"] == "53248000Bps"
    assert rates["ser1-up"] == f"{92_160 * 1448 / 1508:.0f}Bps"
    assert route(text, "zero1", "zero2") == ["zero1-up", "bus 1:both", "bus 1:both", "zero2-down"]
    assert route(text, "zero1", "ser1") == ["zero1-up", "bus 1:both", "ser1-down"]
    assert route(text, "ser2", "ser1") == ["ser2-up", "ser1-down"]


def test_a_message_takes_every_plug_on_its_way_up_and_down() -> None:
    text = to_xml(made(cluster(*USB, WorkerGroup(name="near"), hubs=HUBS), 5))
    up, down = ["hub2:both", "hub1:both", "bus 1:both"], ["bus 1:both", "hub1:both", "hub2:both"]
    assert route(text, "zero1", "zero2") == ["zero1-up", *up, *down, "zero2-down"]
    assert route(text, "near", "zero2") == ["near-up", *up[1:], *down, "zero2-down"]


def test_more_of_the_same_has_hubs_of_its_own_on_the_same_bus() -> None:
    text = to_xml(made(cluster(*USB, hubs=HUBS), 8))
    up, down = ["hub2:both", "hub1:both", "bus 1:both"], ["bus 1:both", "hub1.2:both", "hub2.2:both"]
    assert route(text, "zero1", "zero2.2") == ["zero1-up", *up, *down, "zero2.2-down"]


def test_every_link_says_how_it_is_shared() -> None:
    links = re.findall(r"<link .*", xml(6, *USB, *SERIAL))
    assert len(links) == 2 * 6 + 1  # and the bus
    assert all("sharing_policy=" in link for link in links)


def test_beyond_the_cluster_there_is_more_of_the_same_under_other_names() -> None:
    more = made(cluster(*USB), 10)
    names = [place.name for place in more.places]
    assert names[:5] == ["zero1", "zero2", "zero3", "zero4", "zero1.2"]
    assert (len(names), len(set(names))) == (10, 10)


def test_a_board_with_four_cores_takes_four_ranks_in_one_block() -> None:
    more = made(cluster(*FOUR_CORES), 6)
    assert host_file(more.places, 6).split() == ["fast"] * 4 + ["fast.2"] * 2


def test_a_thousand_workers_grow_the_file_by_lines_not_by_pairs() -> None:
    few, many = (len(xml(ranks, *USB).splitlines()) for ranks in (10, 1000))
    assert many - few == 5 * 990
    few, many = (len(to_xml(made(cluster(*USB, hubs=HUBS), ranks)).splitlines()) for ranks in (8, 1000))
    assert many - few == (5 + 2 * 5 / 4) * 992  # two hubs for four workers


def test_without_wires_the_computers_stay() -> None:
    ideal = made(cluster(*USB, hubs=HUBS), 4).without_wires()
    assert ideal.trunks == ()
    assert {place.wire.latency_s for place in ideal.places} == {0.0}
    assert {place.speed for place in ideal.places} == {2e7}
    assert route(to_xml(ideal), "zero1", "zero2") == ["zero1-up", "zero2-down"]


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_that_simgrid_would_abort_over_is_refused(speed: float) -> None:
    with pytest.raises(PibrambleError, match="zero1"):
        platform(plan(*USB), boards(*USB), NOTHING_SHARED, {"pi-zero": speed}, 4)


def test_a_cluster_without_workers_runs_nothing() -> None:
    with pytest.raises(PibrambleError, match="without workers"):
        platform(plan(), boards(), NOTHING_SHARED, SPEEDS, 1)
