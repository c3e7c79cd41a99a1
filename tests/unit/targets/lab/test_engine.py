"""A lab whose plan has containers, on machines that can run them and on those that cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ContainersSection, Engine, WorkerGroup
from pibramble.targets.lab import engine

WORKERS = (WorkerGroup(name="zero1"),)
PLAN = resolve(Cluster(workers=WORKERS, containers=ContainersSection(engine=Engine.DOCKER_SWARM)))
PLAIN = resolve(Cluster(workers=WORKERS))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has an engine's programs in a folder of their own, and nothing else."""
    folder = tmp_path / "docker" / "bin"
    folder.mkdir(parents=True)
    for name in ("dockerd", "docker", "containerd", "runc", "iptables"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.setattr("pibramble.proc.system_path", lambda: str(folder))
    return folder


def test_nodes_are_shown_the_folder_that_holds_the_engine(installed: Path) -> None:
    assert engine.binds(PLAN) == [(str(installed.parent), str(installed.parent), True)]
    [client] = engine.own_files(PLAN)
    assert f"exec {installed}/docker" in client.content
    assert engine.remark(PLAN, rootless=False) == ()


def test_a_machine_that_lacks_one_program_says_so_and_its_lab_goes_without(installed: Path) -> None:
    (installed / "runc").unlink()
    assert "pibramble doctor swarm" in engine.remark(PLAN, rootless=False)[0]
    assert engine.binds(PLAN) == []
    assert list(engine.own_files(PLAN)) == []


@pytest.mark.usefixtures("installed")
def test_without_root_the_lab_goes_without() -> None:
    assert "sudo pibramble up" in engine.remark(PLAN, rootless=True)[0]


@pytest.mark.usefixtures("installed")
def test_a_cluster_without_containers_gets_nothing() -> None:
    assert engine.remark(PLAIN, rootless=True) == ()
    assert engine.binds(PLAIN) == []
    assert list(engine.own_files(PLAIN)) == []
