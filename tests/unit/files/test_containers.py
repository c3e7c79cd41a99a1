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
from pibramble.files import containers, registry
from pibramble.files.render import render
from pibramble.plan.resolve import resolve
from pibramble.spec.findings import Severity
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


@pytest.mark.parametrize(
    ("node", "what", "less", "more"),
    [
        ("head", "containers", disks.CLUSTER, with_engine()),
        ("zero1", "containers", disks.CLUSTER, with_engine()),
        ("head", "registry", with_engine(), with_engine(registry=True)),
        ("zero1", "registry", with_engine(), with_engine(registry=True)),
    ],
)
def test_the_files_that_an_engine_or_a_registry_adds(node: str, what: str, less: Cluster, more: Cluster) -> None:
    plain, engine = (resolve(cluster) for cluster in (less, more))
    before = as_text(render(plain, toy_keys(plain), node)).splitlines(keepends=True)
    after = as_text(render(engine, toy_keys(engine), node)).splitlines(keepends=True)
    text = "".join(line for line in after if line not in before)
    golden = GOLDEN / f"{node}-with-{what}.txt"
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


def test_with_a_registry_nodes_ask_it_and_no_other_address_is_trusted() -> None:
    plan = resolve(with_engine(registry=True))
    assert plan.containers is not None
    own = f"{plan.head.address}:5000"
    assert plan.containers.registry == own
    settings = json.loads(render(plan, toy_keys(plan), "zero1").content(containers.SETTINGS))
    assert settings["registry-mirrors"] == [f"http://{own}"]
    assert settings["insecure-registries"] == [own]
    # What is in the registry may be newer than what a node has: it must ask.
    drop_in = "/etc/systemd/system/docker.service.d/pibramble.conf"
    assert "PREFER_OFFLINE" not in render(plan, toy_keys(plan), "zero1").content(drop_in)


def test_what_nodes_reach_is_read_only_and_what_takes_images_is_on_the_loopback() -> None:
    plan = resolve(with_engine(registry=True))
    files = render(plan, toy_keys(plan), "head")
    reader, writer = files.content(registry.READER), files.content(registry.WRITER)
    assert "readonly:\n      enabled: true" in reader
    assert f"addr: {plan.head.address}:5000" in reader
    assert "readonly:\n      enabled: false" in writer
    assert "addr: 127.0.0.1:5001" in writer
    unit = files.content("/etc/systemd/system/docker-registry.service.d/pibramble.conf")
    assert registry.READER in unit
    assert registry.WRITER not in "".join(link.target for link in files.links) + unit
    assert "registry" not in as_text(render(plan, toy_keys(plan), "zero1")).replace("registry-mirrors", "").replace(
        "insecure-registries", ""
    )


def test_a_registry_without_an_engine_is_warned_of() -> None:
    [found] = judge(
        attrs.evolve(Cluster(workers=(WorkerGroup(name="a"),)), containers=ContainersSection(registry=True))
    )
    assert (found.rule, found.severity, found.path) == ("without-effect", Severity.WARNING, ("containers", "registry"))


def test_a_sound_file_with_containers_has_no_findings() -> None:
    sound = Cluster(workers=(WorkerGroup(name="zero[1-2]"),))
    assert rules(with_engine(sound)) == []
    assert rules(with_engine(sound, addresses=IPv4Network("10.9.0.0/16"), registry=True)) == []


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


def test_the_heads_card_alone_gets_the_registry() -> None:
    plan = resolve(with_engine(registry=True))
    assert "docker-registry" in recipe.recipe_for(plan, plan.head).packages
    assert "docker-registry" not in recipe.recipe_for(plan, plan.workers[0]).packages
    plain = resolve(with_engine())
    assert "docker-registry" not in recipe.recipe_for(plain, plain.head).packages
