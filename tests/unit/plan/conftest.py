"""Clusters to plan, made of the types alone."""

from __future__ import annotations

import pytest

from pibramble.spec.model import Cluster, ClusterSection, HeadSection, Link, NodeOverride, WorkerGroup


@pytest.fixture
def mixed() -> Cluster:
    """One cluster with every kind of wire."""
    return Cluster(
        cluster=ClusterSection(name="mixed", id="mixed-1"),
        head=HeadSection(board="pi-4b"),
        workers=(
            WorkerGroup(name="zero[1-2]"),
            WorkerGroup(name="fast", board="pi-zero-2w"),
            WorkerGroup(name="aplus", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyUSB0", baud=460_800),
            WorkerGroup(name="four", board="pi-4b", link=Link.ETHERNET),
            WorkerGroup(name="old", board="pi-1b", link=Link.ETHERNET),
        ),
        nodes={"zero2": NodeOverride(mac="B8:27:EB:00:00:02", head_mac="02:00:00:00:00:02")},
    )
