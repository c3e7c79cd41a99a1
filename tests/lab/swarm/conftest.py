"""A lab whose nodes each run a real Docker engine, and an image for it made on the spot."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.lab.conftest import LabCluster
from tests.lab.nodes import on_node
from tests.unit.operate.swarm import images

REPO = Path(__file__).parents[3]
UNPACKED = REPO / ".cache/swarm/bin"  # by `scripts/setup swarm`
CLUSTER = """\
[cluster]
name = "containers"

[head]
board = "pi-4b"

[[workers]]
name = "zero[1-3]"
board = "pi-zero"

[containers]
engine = "docker-swarm"

[lab]
disk_mb = 400
"""
STACK = """\
version: "3.8"
services:
  app:
    image: web:1
    networks: [inner]
    stop_grace_period: 1s
    deploy:
      replicas: 3
      endpoint_mode: dnsrr
      placement:
        max_replicas_per_node: 2
        constraints: ["node.labels.link == usb"]
networks:
  inner:
    driver: overlay
"""


@attrs.frozen
class SwarmCluster(LabCluster):
    """A lab with engines, and what tests ask it."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "PATH": f"{UNPACKED}:{os.environ['PATH']}"}

    def swarm(self, *words: str, timeout_s: float = 110) -> subprocess.CompletedProcess[str]:
        return self.pibramble("swarm", *words, timeout_s=timeout_s)

    def well(self, *words: str) -> str:
        """Run a verb of `pibramble swarm` that must go well; return what it printed."""
        done = self.swarm(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.swarm("status", "--json").stdout)
        return said

    def places(self) -> dict[str, str]:
        return {node["engine"]["node"]: node["place"] for node in self.status()["nodes"]}

    def ids(self) -> dict[str, list[str]]:
        """Return the ids that the manager has for each host name."""
        lines = self.docker("head", "node ls --format '{{.Hostname}} {{.ID}}'").splitlines()
        found: dict[str, list[str]] = {}
        for name, node_id in (line.split() for line in lines):
            found.setdefault(name, []).append(node_id)
        return found

    def docker(self, node: str, words: str) -> str:
        return on_node(self, node, f"sudo docker {words}")

    def containers(self, node: str) -> list[str]:
        return self.docker(node, "ps -q").split()


def make_image(folder: Path, name: str, *more: images.Files, **options: str) -> Path:
    """Compile the tests' program and write an archive of an image with it; `more` are layers below."""
    program = folder / "web"
    if not program.exists():
        source = Path(__file__).with_name("web.c")
        subprocess.run(["gcc", "-static", "-O2", "-Wall", "-Werror", "-o", program, source], check=True)
    file = folder / f"{name.replace(':', '-').replace('/', '-')}.tar"
    return images.save(file, name, [*more, {"web": program.read_bytes()}], **options)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("image"), "web:1")


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmCluster]:
    """A lab with engines, and no swarm yet. One for a whole file: its tests tell a story, in their order."""
    with running(tmp_path_factory.mktemp("swarm"), CLUSTER) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def with_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmCluster]:
    """A lab with engines and a registry on its head, and no swarm yet. One for a whole file."""
    text = CLUSTER.replace("zero[1-3]", "zero[1-2]").replace("[lab]", "registry = true\n\n[lab]")
    with running(tmp_path_factory.mktemp("registry"), text) as cluster:
        yield cluster


@contextmanager
def running(folder: Path, text: str) -> Iterator[SwarmCluster]:
    if os.getuid() != 0:
        pytest.skip("an engine takes root")
    if not all((UNPACKED / name).exists() for name in ("dockerd", "docker-registry")):
        pytest.skip("no Docker engine for the lab: scripts/setup swarm")
    (folder / "cluster.toml").write_text(text)
    cluster = SwarmCluster(folder / "cluster.toml", folder / "state")
    try:
        cluster.up()
        yield cluster
    finally:  # also of an `up` that was killed half way
        done = cluster.pibramble("down")
    assert done.returncode == 0, done.stderr
    # The engines' control groups are this machine's: nothing of them stays.
    assert [file for file in Path("/sys/fs/cgroup").glob("**/pibramble-*") if label(cluster) in file.name] == []


def label(cluster: SwarmCluster) -> str:
    """Return what the control groups of this cluster's lab are called by."""
    return hashlib.sha256(str(cluster.folder).encode()).hexdigest()[:12]


@contextmanager
def instead_of(cluster: SwarmCluster, node: str, path: str, script: str | None) -> Iterator[None]:
    """Put a script in a program's place on a node; None: take the program away."""
    on_node(cluster, node, f"if [ -e {path} ]; then sudo mv {path} {path}.away; fi")
    if script is not None:
        on_node(
            cluster, node, f"printf '%s\\n' '#!/bin/sh' '{script}' | sudo tee {path} >/dev/null; sudo chmod 755 {path}"
        )
    try:
        yield
    finally:
        on_node(cluster, node, f"sudo rm -f {path}; if [ -e {path}.away ]; then sudo mv {path}.away {path}; fi")


def until(true: Callable[[], bool], timeout_s: float = 60) -> bool:
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True
