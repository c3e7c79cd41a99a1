"""The lab as people meet it: what comes up, what its wires and its firewall do."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from pibramble.targets.lab import ground, links
from pibramble.targets.lab.state import LabState
from tests.lab.conftest import LabCluster
from tests.lab.nodes import in_world, on_node, receive_script, send_script

pytestmark = pytest.mark.lab


def test_every_node_has_its_own_name_address_processes_and_disk(lab_cluster: LabCluster) -> None:
    script = (
        "hostname; ip -4 -o addr show | awk '{print $4}'; ps ax -o comm= | head -1; touch /home/pi/mine; ls /home/pi"
    )
    for node in lab_cluster.plan.nodes:
        name, loopback, address, *rest = on_node(lab_cluster, node.name, script).split()
        assert name == node.name
        assert loopback == "127.0.0.1/8"
        assert address.partition("/")[0] in {str(node.address), str(lab_cluster.plan.lab.world[2])}
        assert "catatonit" in rest
    on_node(lab_cluster, "zero1", "touch /home/pi/only-here")
    assert "only-here" not in on_node(lab_cluster, "zero2", "ls /home/pi")


@pytest.mark.parametrize(
    ("client", "server"), [("zero1", "zero2"), ("zero3", "aplus"), ("aplus", "zero4"), ("head", "aplus")]
)
def test_nodes_reach_each_other_by_name_whatever_their_wires(lab_cluster: LabCluster, client: str, server: str) -> None:
    banner = on_node(lab_cluster, client, f"timeout 5 bash -c 'exec 3<>/dev/tcp/{server}/22; head -c 4 <&3'")
    assert banner == "SSH-"


def test_a_worker_reaches_the_world_as_the_head(lab_cluster: LabCluster) -> None:
    with in_world(lab_cluster, receive_script(port=8080)) as server:
        on_node(lab_cluster, "zero1", send_script(links.WORLD_HOST, 8080, 1000))
        said = json.loads(server.communicate(timeout=10)[0])
    assert said["from"] == str(lab_cluster.plan.lab.world[2])
    assert said["bytes"] == 1000


def test_the_world_reaches_the_heads_ssh_and_nothing_else(lab_cluster: LabCluster) -> None:
    head = str(lab_cluster.plan.lab.world[2])
    knocking = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)"
    script = f"{knocking}; print(s.recv(4).decode())"
    state = LabState.load(lab_cluster.folder / "lab.json")
    assert state is not None
    world = ground.inside(state.keeper, rootless=state.rootless)
    on_node(lab_cluster, "head", "(timeout 5 iperf3 -s -1 >/dev/null 2>&1 &)")

    def knock(address: str, port: int) -> str:
        argv = [*world, "python3", "-c", script, address, str(port)]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()

    assert knock(head, 22) == "SSH-"
    assert knock(head, 5201) == ""
    assert knock(str(lab_cluster.plan.node("zero1").address), 22) == ""


@pytest.mark.parametrize("direction", ["to the worker", "to the head"])
def test_a_serial_link_of_921600_baud_carries_about_90_kilobytes_a_second(
    lab_cluster: LabCluster, direction: str
) -> None:
    source, target = ("head", "aplus") if direction == "to the worker" else ("aplus", "head")
    rates = [transfer_bytes_per_s(lab_cluster, source, target)]
    while rates[-1] < 80_000 and len(rates) < 4:  # a busy machine may be slower than the wire, never faster
        rates.append(transfer_bytes_per_s(lab_cluster, source, target))
    assert rates[-1] > 80_000
    assert max(rates) < 96_000


def transfer_bytes_per_s(cluster: LabCluster, source: str, target: str, size: int = 270_000) -> float:
    on_node(cluster, target, f"rm -f got; (setsid python3 -c '{receive_script(port=9000)}' >got 2>&1 &)")
    on_node(cluster, source, send_script(target, 9000, size))
    deadline = time.monotonic() + 10
    while not (said := on_node(cluster, target, "cat got").strip()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return float(json.loads(said)["bytes_per_s"])


def test_what_the_lab_does_not_model_is_said(lab_cluster: LabCluster) -> None:
    said = " ".join(lab_cluster.lab.state().not_modelled)
    assert "Latency" in said
    assert "speed" in said
