"""A cluster that can be emulated, and its parts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ClusterSection, HeadSection, Link, WorkerGroup
from pibramble.targets import sockets
from tests.unit.targets.emulator.keepers import Bench

CLUSTER = Cluster(
    cluster=ClusterSection(name="emu"),
    head=HeadSection(board="pi-1b"),
    workers=(
        WorkerGroup(name="zero[1-2]"),
        WorkerGroup(name="aplus", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyAMA0", baud=921_600),
        WorkerGroup(name="two", board="pi-zero-2w"),
    ),
)


@pytest.fixture(scope="session")
def plan() -> Plan:
    """A head with three USB workers, one of them of 64 bits, and a serial one."""
    return resolve(CLUSTER)


@pytest.fixture
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a test's clusters have their state."""
    monkeypatch.setenv("PIBRAMBLE_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Where a test's keepers run; they end with it."""
    wires = sockets.folder(str(tmp_path), "keeper-test")
    sockets.make(wires)
    with socket.create_server(("127.0.0.1", 0)) as cables:
        made = Bench(tmp_path, wires, cables)
        yield made
        for keeper in made.keepers:
            keeper.kill()
    sockets.remove(wires)
