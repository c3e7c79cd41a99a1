"""Pibramble on the head itself: links looked at and repaired, connections its own ssh's, jobs from there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from pibramble.errors import Exit
from pibramble.targets.lab import ground
from pibramble.targets.lab.state import LabState
from tests.lab.conftest import XMAS, LabCluster, make_cluster
from tests.lab.heads import install, on_head
from tests.lab.nodes import kill_node, on_node

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.getuid() != 0, reason="a lab without root has no sudo inside")]

END_SSHD = "sudo pkill -o -x sshd"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """A lab with pibramble on its head, for tests that leave it as they found it."""
    made = make_cluster(tmp_path_factory.mktemp("lab"), XMAS)
    made.up()
    install(made)
    yield made
    made.pibramble("down")


@pytest.fixture
def own_cluster(new_cluster: LabCluster) -> LabCluster:
    """The same for a test that breaks things."""
    new_cluster.up()
    install(new_cluster)
    return new_cluster


def reports(said: str) -> dict[str, str]:
    return {node["node"]: node["said"] for node in json.loads(said)["nodes"] if node["said"]}


def test_the_hardware_is_the_target_there_and_all_is_well(cluster: LabCluster) -> None:
    done = on_head(cluster, "status", script="cd /")
    assert done.returncode == Exit.OK, done.stderr
    assert "target: hardware" in done.stdout
    rows = {line.split()[0]: line.split()[-1] for line in done.stdout.splitlines()[1:7]}
    assert rows == dict.fromkeys(cluster.nodes, "ok")


def test_up_finds_links_and_connections_as_they_should_be(cluster: LabCluster) -> None:
    done = on_head(cluster, "up", "--json")
    assert done.returncode == Exit.OK, done.stderr
    assert [(node["node"], node["ok"]) for node in json.loads(done.stdout)["nodes"]] == [
        (name, True) for name in cluster.nodes
    ]
    assert reports(done.stdout) == {}
    assert json.loads(done.stdout)["remarks"] == []


def test_connections_are_those_of_the_heads_own_ssh(cluster: LabCluster) -> None:
    on_node(cluster, "head", "ssh -O exit zero1")
    assert on_head(cluster, "exec", "-w", "zero1", "hostname").stdout == "zero1: zero1\n"
    assert "Master running" in on_node(cluster, "head", "ssh -O check zero1 2>&1")


def test_a_job_runs_from_there(cluster: LabCluster) -> None:
    copied = cluster.pibramble("copy", "examples/cpi.c", "head:")
    assert copied.returncode == 0, copied.stderr
    done = on_head(cluster, "run", "-n", "3", "cpi.c", "100000")
    assert done.returncode == 0, done.stderr
    assert "pi is about 3.14159265" in done.stdout
    assert {f"rank {rank} of 3 runs on zero{rank + 1}" for rank in range(3)} <= set(done.stdout.splitlines())
    assert "exit 0" in on_head(cluster, "jobs").stdout


def test_a_worker_without_sshd_is_reported_and_the_others_are_used(own_cluster: LabCluster) -> None:
    on_node(own_cluster, "zero2", END_SSHD)
    on_node(own_cluster, "head", "ssh -O exit zero2")
    done = on_head(own_cluster, "up")
    assert done.returncode == Exit.UNREACHABLE
    assert "zero2: it refuses the connection: sshd does not run there" in done.stderr
    assert "head and 4 of 5 workers" in done.stderr
    assert on_head(own_cluster, "exec", "-x", "zero2", "true").returncode == 0
    status = on_head(own_cluster, "status")
    assert status.returncode == Exit.UNREACHABLE
    assert "zero2: unreachable: it refuses the connection" in status.stderr


def test_a_board_without_power_is_told_by_its_missing_interface(own_cluster: LabCluster) -> None:
    kill_node(own_cluster, "zero3")  # its end of the wire goes, and with a veth pair the head's end too
    status = on_head(own_cluster, "status")
    assert "zero3: no link: there is no interface zero3" in status.stderr
    done = on_head(own_cluster, "up")
    assert done.returncode == Exit.UNREACHABLE
    assert "zero3: no interface zero3: nothing of it is on the USB" in done.stderr
    assert "Power?" in done.stderr


def test_links_that_root_can_mend_are_mended_and_said(cluster: LabCluster) -> None:
    script = """
        sudo ip link set zero1 down
        sudo ip link set zero2 nomaster
        sudo ip link set zero3 down
        sudo ip link set zero3 name usb7
        sudo nft delete table inet pibramble
    """
    broken = on_head(cluster, "status", script=script)
    assert "zero1: no link: the interface zero1 is down" in broken.stderr
    done = on_head(cluster, "up", "--json")
    assert done.returncode == Exit.OK, done.stderr
    assert reports(done.stdout) == {
        "zero1": "the interface zero1 was down: brought up",
        "zero2": "the interface zero2 was not in the bridge: put there",
        "zero3": "its interface was called usb7: renamed to zero3",
    }
    assert json.loads(done.stdout)["remarks"] == ["the firewall was not loaded: loaded"]
    assert "policy drop" in on_node(cluster, "head", "sudo nft list table inet pibramble")
    assert on_head(cluster, "status").returncode == Exit.OK


def test_a_job_outlives_a_link_that_is_gone_for_a_moment(cluster: LabCluster) -> None:
    script = "(sleep 2; sudo ip link set zero1 down; sleep 3; sudo ip link set zero1 up) >/dev/null 2>&1 &"
    done = on_head(cluster, "run", "-w", "zero[1-2]", "sh", "-c", "sleep 8; hostname", script=script)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == ["zero1", "zero2"]


def test_a_serial_link_that_is_down_names_its_port(own_cluster: LabCluster) -> None:
    done = on_head(own_cluster, "up", script="sudo ip link set aplus down")
    assert done.returncode == Exit.UNREACHABLE
    assert "aplus: there is no /dev/ttyAMA0" in done.stderr


def test_a_ppp_unit_that_failed_is_restarted(own_cluster: LabCluster) -> None:
    # No systemd runs in a lab: a script stands in for systemctl, and for pppd that brings the interface up.
    script = """
        sudo mkdir -p /run/systemd/system
        sudo ip link set aplus down
        sudo tee /usr/local/bin/systemctl >/dev/null <<'END'
#!/bin/sh
case "$*" in
    'is-active pibramble-ppp@aplus.service') echo failed; exit 3 ;;
    'restart pibramble-ppp@aplus.service') (sleep 1; ip link set aplus up; ip route add 192.168.7.6 dev aplus) & ;;
    *) exit 1 ;;
esac
END
        sudo chmod 755 /usr/local/bin/systemctl
    """
    done = on_head(own_cluster, "up", "--json", script=script)
    assert reports(done.stdout) == {"aplus": "pibramble-ppp@aplus.service was failed: restarted"}
    assert done.returncode == Exit.OK, done.stderr


def test_down_closes_the_connections_and_leaves_the_boards(cluster: LabCluster) -> None:
    # Over a connection of the test's own: in a lab the one that is shared is among those that end.
    said = inside_head(cluster, "ssh -o ControlPath=none head pibramble down 2>&1")
    assert "its boards stay on" in said
    assert inside_head(cluster, "find /run/pibramble/ssh -type s") == ""
    assert cluster.pibramble("exec", "-w", "@all", "--gather", "hostname").returncode == 0


def inside_head(cluster: LabCluster, script: str) -> str:
    """Run a script in the head's namespaces as the cluster's user, over no connection; return what it printed."""
    state = LabState.load(cluster.folder / "lab.json")
    assert state is not None
    become = ["setpriv", f"--reuid={state.user_uid}", f"--regid={state.user_uid}", "--clear-groups"]
    argv = [*ground.inside_node(state.nodes["head"], rootless=False), *become, "sh", "-c", script]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_head_makes_no_keys(cluster: LabCluster) -> None:
    for words in (["files", "zero1"], ["card", "list"], ["--target", "lab", "up"]):
        done = on_head(cluster, *words)
        assert done.returncode == Exit.MISSING
        assert "head holds no keys of xmas beyond its own" in done.stderr
    assert on_node(cluster, "head", "find ~ -name keys") == ""


def test_only_the_clusters_user_is_let_at_its_key(cluster: LabCluster) -> None:
    done = on_head(
        cluster,
        "up",
        script="exec sudo setpriv --reuid nobody --clear-groups env PIBRAMBLE_STATE=/tmp/nobodys pibramble up",
    )
    assert done.returncode == Exit.MISSING
    assert "log in as pi" in done.stderr
