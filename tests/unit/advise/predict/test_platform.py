"""The platform file: every worker with its wire, more of the same beyond them, and no route for every pair."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from pibramble.advise.predict.platform import host_file, platform, to_xml
from pibramble.errors import PibrambleError
from pibramble.spec.model import WorkerGroup
from tests.unit.advise.predict.clusters import FOUR_CORES, SERIAL, USB, boards, plan

SPEEDS = {"pi-zero": 2e7, "pi-1a-plus": 1e7, "pi-zero-2w": 5e7}


def xml(ranks: int, *workers: WorkerGroup) -> str:
    return to_xml(platform(plan(*workers), boards(*workers), SPEEDS, ranks))


def test_the_platform_of_a_mixed_cluster() -> None:
    root = ET.fromstring(xml(6, *USB, *SERIAL))  # noqa: S314 (our own text)
    assert [zone.get("id") for zone in root.iter("zone")] == ["cluster", "usb", "serial"]
    assert [host.get("id") for host in root.iter("host")] == ["zero1", "zero2", "zero3", "zero4", "ser1", "ser2"]
    assert {host.get("id"): host.get("speed") for host in root.iter("host")}["ser1"] == "10000000f"
    [bus] = root.iter("backbone")
    assert bus.get("bandwidth") == "26624000Bps"
    [between] = root.iter("zoneRoute")
    assert (between.get("src"), between.get("dst")) == ("usb", "serial")
    up = next(link for link in root.iter("link") if link.get("id") == "ser1-up")
    assert up.get("bandwidth") == f"{92_160 * 1448 / 1508:.0f}Bps"


def test_every_link_says_how_it_is_shared() -> None:
    links = re.findall(r"<link .*", xml(6, *USB, *SERIAL))
    assert len(links) == 2 * 6 + 1
    assert all("sharing_policy=" in link for link in links)


def test_beyond_the_cluster_there_is_more_of_the_same_under_other_names() -> None:
    more = platform(plan(*USB), boards(*USB), SPEEDS, 10)
    names = [place.name for place in more.places]
    assert names[:5] == ["zero1", "zero2", "zero3", "zero4", "zero1.2"]
    assert (len(names), len(set(names))) == (10, 10)


def test_a_board_with_four_cores_takes_four_ranks_in_one_block() -> None:
    more = platform(plan(*FOUR_CORES), boards(*FOUR_CORES), SPEEDS, 6)
    assert host_file(more.places, 6).split() == ["fast"] * 4 + ["fast.2"] * 2


def test_a_thousand_workers_grow_the_file_by_lines_not_by_pairs() -> None:
    few, many = (len(xml(ranks, *USB).splitlines()) for ranks in (10, 1000))
    assert many - few == 4 * 990


def test_without_wires_the_computers_stay() -> None:
    ideal = platform(plan(*USB), boards(*USB), SPEEDS, 4).without_wires()
    assert ideal.bus_bytes_per_s is None
    assert {place.wire.latency_s for place in ideal.places} == {0.0}
    assert {place.speed for place in ideal.places} == {2e7}


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_that_simgrid_would_abort_over_is_refused(speed: float) -> None:
    with pytest.raises(PibrambleError, match="zero1"):
        platform(plan(*USB), boards(*USB), {"pi-zero": speed}, 4)


def test_a_cluster_without_workers_runs_nothing() -> None:
    with pytest.raises(PibrambleError, match="without workers"):
        platform(plan(), boards(), SPEEDS, 1)
