"""The container engine's files: there when they are asked for, and with addresses that are nobody else's."""

from __future__ import annotations

import json
import os
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.cards import recipe
from pibramble.files import containers
from pibramble.files.render import render
from pibramble.plan.resolve import resolve
from pibramble.spec.judge import judge
from pibramble.spec.model import (
    Cluster,
    ClusterSection,
    ContainersSection,
    Engine,
    HeadSection,
    HubSection,
    WorkerGroup,
)
from pibramble.spec.rules.containers import taken
from tests.unit.files import disks
from tests.unit.files.test_render import as_text, toy_keys

SWARM = ContainersSection(engine=Engine.DOCKER_SWARM)
GOLDEN = Path(__file__).parents[2] / "golden" / "files"


def with_engine(cluster: Cluster = disks.CLUSTER, **section: object) -> Cluster:
    return attrs.evolve(cluster, containers=attrs.evolve(SWARM, **section))  # type: ignore[arg-type]  # its own fields


def rules(cluster: Cluster) -> list[str]:
    return [found.rule for found in judge(cluster)]


@pytest.mark.parametrize("node", ["head", "zero1"])
def test_the_files_that_an_engine_adds(node: str) -> None:
    plain, engine = (resolve(cluster) for cluster in (disks.CLUSTER, with_engine()))
    before = as_text(render(plain, toy_keys(plain), node)).splitlines(keepends=True)
    after = as_text(render(engine, toy_keys(engine), node)).splitlines(keepends=True)
    text = "".join(line for line in after if line not in before)
    golden = GOLDEN / f"{node}-with-containers.txt"
    if os.environ.get("PIBRAMBLE_REGENERATE"):
        golden.write_text(text)
    assert text == golden.read_text(), "PIBRAMBLE_REGENERATE=1 accepts the new files"


def test_without_an_engine_nothing_is_added() -> None:
    plan = resolve(disks.CLUSTER)
    assert plan.containers is None
    assert "docker" not in as_text(render(plan, toy_keys(plan), "zero1"))


@given(st.integers(0, 255), st.integers(8, 29))
def test_the_addresses_collide_with_no_network_of_the_file(second: int, prefix: int) -> None:
    subnet = IPv4Network((f"10.{second}.7.0", prefix), strict=False)
    cluster = with_engine(Cluster(
        cluster=ClusterSection(subnet=subnet),
        head=HeadSection(uplink_address=IPv4Interface("10.201.3.4/16")),
        workers=(WorkerGroup(name="zero1"),),
    ))  # fmt: skip
    found = resolve(cluster).containers
    assert found is not None
    assert not found.bridges.overlaps(found.overlays)
    for _, _, network in taken(cluster):
        assert not network.overlaps(found.bridges)
        assert not network.overlaps(found.overlays)


def test_an_engines_settings_hold_the_plans_addresses() -> None:
    plan = resolve(with_engine(addresses=IPv4Network("10.9.0.0/16")))
    settings = json.loads(render(plan, toy_keys(plan), "zero1").content(containers.SETTINGS))
    assert settings["default-address-pools"] == [{"base": "10.9.0.0/17", "size": 24}]
    assert settings["live-restore"] is False


@pytest.mark.parametrize(
    ("network", "rule"),
    [
        ("192.168.0.0/16", "overlapping-networks"),
        ("10.213.0.0/16", "overlapping-networks"),  # the lab's world
        ("8.8.0.0/16", "container-network"),
        ("10.9.0.0/24", "container-network"),
    ],
)
def test_addresses_that_cannot_be_are_refused(network: str, rule: str) -> None:
    assert rule in rules(with_engine(addresses=IPv4Network(network)))


def test_a_sound_file_with_containers_has_no_findings() -> None:
    sound = Cluster(workers=(WorkerGroup(name="zero[1-2]"),))
    assert rules(with_engine(sound)) == []
    assert rules(with_engine(sound, addresses=IPv4Network("10.9.0.0/16"))) == []


def test_little_memory_and_cards_from_images_are_warned_of() -> None:
    small = Cluster(workers=(WorkerGroup(name="a", board="pi-1a", image="x.img"),))
    assert {"container-memory", "container-engine"} <= set(rules(with_engine(small)))


def test_labels_say_where_a_node_hangs() -> None:
    cluster = Cluster(workers=(WorkerGroup(name="zero[1-2]"),), hubs=(HubSection(name="left", workers="zero1"),))
    plan = resolve(with_engine(cluster))
    assert plan.containers is not None
    assert plan.containers.labels["zero1"] == {
        "role": "worker", "link": "usb", "hub": "left", "board": "pi-zero", "architecture": "armv6", "cores": "1",
        "memory_mb": "512",
    }  # fmt: skip
    assert "hub" not in plan.containers.labels["zero2"]
    assert plan.containers.labels["head"]["role"] == "head"


def test_the_cards_get_the_engines_packages() -> None:
    with_it, without = resolve(with_engine()), resolve(disks.CLUSTER)
    zero = with_it.workers[0]
    assert "docker.io" in recipe.recipe_for(with_it, zero).packages
    assert "docker.io" not in recipe.recipe_for(without, zero).packages
