"""`pibramble status` on a lab: a healthy one, one with a dead node, and links measured against the plan."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from pibramble.errors import Exit
from pibramble.targets.lab.state import LabState
from pibramble.targets.processes import namespace
from tests.lab.conftest import LabCluster

pytestmark = pytest.mark.lab


def state_of(cluster: LabCluster) -> LabState:
    state = LabState.load(cluster.folder / "lab.json")
    assert state is not None
    return state


def test_a_healthy_cluster_exits_with_zero_and_names_every_node(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("status")
    assert done.returncode == 0, done.stderr
    states = {line.split()[0]: line.split()[-1] for line in done.stdout.splitlines()[1:7]}
    assert states == dict.fromkeys(lab_cluster.nodes, "ok")
    assert "Latency" in done.stdout


def test_json_has_each_node_and_the_machine_that_they_share(lab_cluster: LabCluster) -> None:
    said = json.loads(lab_cluster.pibramble("status", "--json", "-w", "zero1,aplus").stdout)["cluster"]
    zero1, aplus = said["nodes"]
    assert zero1["reachable"]
    assert zero1["mpich"]
    assert zero1["machine"] is None
    assert said["host"]["memory_total_mb"] > said["host"]["memory_used_mb"] > 0
    assert aplus["to_head_mbit"] == pytest.approx(0.73728)


def test_a_cluster_that_is_not_up_says_so(new_cluster: LabCluster) -> None:
    done = new_cluster.pibramble("status")
    assert done.returncode == Exit.NOT_UP
    assert "pibramble up" in done.stderr


def test_a_node_that_died_is_named_with_the_cure(new_cluster: LabCluster) -> None:
    new_cluster.up()
    state_of(new_cluster).nodes["zero2"].kill()
    done = new_cluster.pibramble("status")
    assert done.returncode == Exit.UNREACHABLE
    said = done.stdout + done.stderr
    assert "zero2" in said
    assert "zero2: its first process has died" in said
    assert "`pibramble up`" in said


def test_a_node_whose_sshd_and_connection_are_gone_is_named(new_cluster: LabCluster) -> None:
    new_cluster.up()
    for pid in state_of(new_cluster).nodes["zero3"].children():
        os.kill(pid, signal.SIGKILL)
    for session in descendants(state_of(new_cluster).nodes["zero3"].pid):
        with contextlib.suppress(ProcessLookupError):  # it may end by itself when its parent does
            os.kill(session, signal.SIGKILL)
    done = new_cluster.pibramble("status")
    assert done.returncode == Exit.UNREACHABLE
    assert "zero3" in done.stdout
    assert "unreachable" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    new_cluster.up()
    assert new_cluster.pibramble("status").returncode == 0


def descendants(init: int) -> list[int]:
    """Return the processes of a node other than its init."""
    wanted = namespace(init, "pid")
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in pids if pid != init and namespace(pid, "pid") == wanted]


def test_a_serial_link_is_measured_at_what_the_plan_says(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("status", "--measure", "--json", "-w", "aplus,zero1")
    assert done.returncode == 0, done.stderr
    measured = {link["node"]: link for link in json.loads(done.stdout)["measured"]}
    for direction in ("to_worker_mbit", "to_head_mbit"):
        assert 0.85 * 0.73728 < measured["aplus"][direction] < 1.02 * 0.73728
        assert 40 < measured["zero1"][direction] < 95
