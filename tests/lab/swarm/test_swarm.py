"""A swarm's life in the lab, each test going on from the one before: real engines, a real overlay network."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pibramble.targets.lab import ground
from pibramble.targets.lab.state import LabState
from tests.lab.nodes import kill_node, on_node, refusal
from tests.lab.swarm.conftest import STACK, SwarmCluster, make_image, until

pytestmark = pytest.mark.lab


PORT_STACK = """\
version: "3.8"
services:
  app:
    image: web:1
    stop_grace_period: 1s
    ports:
      - {target: 8000, published: 8080, mode: host}
    deploy:
      mode: global
      endpoint_mode: dnsrr
"""
ASK = "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).recv(80).decode())"


@pytest.fixture(scope="module")
def stack(engines: SwarmCluster) -> Path:
    file = engines.file.with_name("web.yml")
    file.write_text(STACK)
    return file


def answers(cluster: SwarmCluster, node: str) -> set[str]:
    """Ask the service by its name from a container on that node; return the host names that answered."""
    said = cluster.docker(node, f"exec {cluster.containers(node)[0]} /web ask app")
    return set(said.split())


def running_of(cluster: SwarmCluster, node: str, service: str) -> str:
    """Return the host name of the service's container on that node."""
    label = f"label=com.docker.swarm.service.name={service}"
    ids = cluster.docker(node, f"ps -q --filter {label}").split()
    return cluster.docker(node, f"inspect --format '{{{{.Config.Hostname}}}}' {ids[0]}").strip() if ids else ""


def test_before_there_is_a_swarm_the_status_says_so_and_logs_point_to_up(engines: SwarmCluster) -> None:
    done = engines.swarm("status")
    assert done.returncode == 4
    assert "`pibramble swarm up` makes one" in done.stderr
    assert set(engines.places().values()) == {"not in it"}
    assert engines.swarm("scale", "web_app=2").returncode == 4


def test_up_makes_the_head_the_manager_and_no_token_is_seen(engines: SwarmCluster) -> None:
    done = engines.pibramble("-v", "swarm", "up", timeout_s=110)
    assert done.returncode == 0, done.stderr
    assert "zero[1-3] joined" in done.stderr
    assert engines.places() == {"head": "manager", "zero1": "ready", "zero2": "ready", "zero3": "ready"}
    token = engines.docker("head", "swarm join-token -q worker").strip()
    assert token.startswith("SWMTKN-")
    assert token not in done.stdout + done.stderr
    kept = [file for file in engines.state.rglob("*") if file.is_file()]
    assert kept
    assert not [file for file in kept if token.encode() in file.read_bytes()]


def test_a_second_up_changes_nothing(engines: SwarmCluster) -> None:
    before = engines.ids()
    done = engines.swarm("up")
    assert done.returncode == 0, done.stderr
    assert "all is as it should be" in done.stderr
    assert engines.ids() == before


def test_a_second_head_is_refused_and_named(engines: SwarmCluster) -> None:
    engines.docker("head", "node promote zero1")
    # Docker says "promoted" before the node has joined Raft, and cannot take back until then.
    asked = "node inspect zero1 --format '{{if .ManagerStatus}}{{.ManagerStatus.Reachability}}{{end}}'"
    try:
        assert until(lambda: engines.docker("head", asked).strip() == "reachable")
        done = engines.swarm("up")
        assert done.returncode == 1
        assert "this swarm has another manager beside head: zero1" in done.stderr
        assert "pibramble exec -w head -- sudo docker node demote zero1" in done.stderr
    finally:
        engines.docker("head", "node demote zero1")
    assert until(lambda: engines.places()["zero1"] == "ready")
    assert engines.swarm("up").returncode == 0


def test_networks_lie_in_the_plans_addresses(engines: SwarmCluster) -> None:
    containers = engines.plan.containers
    assert containers is not None
    said = engines.docker("zero1", "network inspect bridge --format '{{(index .IPAM.Config 0).Subnet}}'")
    assert str(containers.bridges).startswith(said[:6])
    assert json.loads(engines.docker("head", "info --format '{{json .Swarm.Cluster.DefaultAddrPool}}'")) == [
        str(containers.overlays)
    ]


def test_an_image_for_another_processor_is_refused_and_nothing_is_sent(engines: SwarmCluster, tmp_path: Path) -> None:
    file = make_image(tmp_path, "foreign:1", architecture="arm", variant="v6")
    done = engines.swarm("image", "push", str(file))
    assert done.returncode == 2
    assert "for linux/arm/v6, and zero[1-3] is x86_64; nothing was sent" in done.stderr
    assert "foreign" not in engines.docker("zero1", "image ls")


def test_an_image_is_sent_once_and_then_only_what_is_new_of_it(engines: SwarmCluster, tmp_path: Path) -> None:
    base = {"data": bytes(3_000_000)}
    first = json.loads(engines.well("image", "push", "--json", str(make_image(tmp_path, "base:1", base))))
    assert [(one["node"], one["layers"]) for one in first] == [("zero1", 2), ("zero2", 2), ("zero3", 2)]
    again = json.loads(engines.well("image", "push", "--json", str(make_image(tmp_path, "base:1", base))))
    assert [one["sent_bytes"] for one in again] == [0, 0, 0]
    [newer] = json.loads(
        engines.well("image", "push", "--json", "-w", "zero2", str(make_image(tmp_path, "base:2", base, {"x": b"y"})))
    )
    assert newer["layers"] == 2  # the program lies over another one now, so it is another layer
    assert newer["sent_bytes"] < 1_500_000
    assert {"base:1", "base:2"} <= set(engines.docker("zero2", "image ls --format '{{.Repository}}:{{.Tag}}'").split())
    assert engines.docker("zero2", "run --rm --entrypoint /web base:2 ask nobody || true") == ""


def test_a_stack_is_deployed_on_the_workers_that_its_labels_ask_for(
    engines: SwarmCluster, stack: Path, image: Path
) -> None:
    engines.well("image", "push", str(image), "-w", "head")
    engines.well("image", "push", "web:1", "--from", "head")
    said = engines.well("deploy", str(stack))
    assert "web_app  3/3" in said
    assert [len(engines.containers(node)) for node in engines.nodes] == [0, 1, 1, 1]


def test_every_task_is_reached_by_name_across_nodes(engines: SwarmCluster) -> None:
    names = {
        engines.docker(node, f"inspect --format '{{{{.Config.Hostname}}}}' {engines.containers(node)[0]}").strip()
        for node in ("zero1", "zero2", "zero3")
    }
    assert len(names) == 3
    for node in ("zero1", "zero3"):
        assert until(lambda node=node: answers(engines, node) == names, 20)  # type: ignore[misc]  # bound for the loop


def test_a_published_port_is_reached_from_the_cluster_and_by_ssh_from_a_pc_and_from_nowhere_else(
    engines: SwarmCluster,
) -> None:
    file = engines.file.with_name("port.yml")
    file.write_text(PORT_STACK)
    said = engines.well("deploy", str(file))
    assert "port_app  4/4" in said
    ids = {node: running_of(engines, node, "port_app") for node in engines.nodes}
    # Each node answers for its own task: from the head, from another worker, and a worker from the head.
    for source, target in (("head", "zero1"), ("zero2", "zero1"), ("zero3", "head"), ("head", "head")):
        assert on_node(engines, source, f"python3 -c '{ASK}' {target} 8080").strip() == ids[target]
    # What a PC does with `ssh -L 8080:zero1:8080 HEAD`: the head's sshd makes the connection.
    *words, name = engines.connections.interactive("head")
    through = subprocess.run(
        [*words, "-W", "zero1:8080", name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert through.stdout.strip() == ids["zero1"]
    assert refusal(engines, 8080) == "TimeoutError"
    engines.docker("head", "stack rm port")
    assert until(lambda: not any(running_of(engines, node, "port_app") for node in engines.nodes))


def test_logs_say_who_said_it(engines: SwarmCluster) -> None:
    lines = engines.well("logs", "web_app").splitlines()
    assert len(lines) == 3
    assert {line.split("@")[1].split()[0] for line in lines} == {"zero1", "zero2", "zero3"}
    assert all(line.endswith("answers") for line in lines)


def test_a_service_is_scaled_up_and_down(engines: SwarmCluster) -> None:
    assert "web_app  6/6" in engines.well("scale", "web_app=6")
    assert [len(engines.containers(node)) for node in ("zero1", "zero2", "zero3")] == [2, 2, 2]
    assert "web_app  3/3" in engines.well("scale", "web_app=3")
    done = engines.swarm("scale", "web_app=many")
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (STACK.replace("image:", "imagee:"), "bad.yml:4: services.app Additional property imagee is not allowed"),
        (STACK.replace("[inner]", "[inner"), "bad.yml:5: yaml: line 5: "),
        (STACK.replace("replicas: 3", "replicas: three"), "bad.yml:8: services.app.deploy.replicas must be a integer"),
    ],
)
def test_a_mistake_in_a_stack_file_comes_back_with_its_line(engines: SwarmCluster, text: str, says: str) -> None:
    file = engines.file.with_name("bad.yml")
    file.write_text(text)
    done = engines.swarm("deploy", str(file))
    assert done.returncode == 1
    assert done.stderr.replace(f"{file.parent}/", "").startswith(says)


def test_a_manager_that_is_started_again_still_knows_all(engines: SwarmCluster) -> None:
    state = LabState.load(engines.folder / "lab.json")
    assert state is not None
    words = ground.inside_node(state.nodes["head"], rootless=False)
    pid = engines.docker("head", "info --format '{{.Name}}' && cat /run/docker.pid").split()[1]
    subprocess.run([*words, "kill", "-KILL", pid], check=True)
    assert engines.swarm("status").returncode in {1, 4}
    engines.up()
    assert until(lambda: engines.places().get("zero1") == "ready")
    assert [service["name"] for service in engines.status()["services"]] == ["web_app"]
    assert until(lambda: engines.swarm("status").returncode == 0)


def test_tasks_of_a_worker_that_dies_move_and_its_newer_self_replaces_it(engines: SwarmCluster, image: Path) -> None:
    [old] = engines.ids()["zero2"]
    kill_node(engines, "zero2")
    assert until(lambda: sum(len(engines.containers(node)) for node in ("zero1", "zero3")) == 3)
    engines.up()  # a lab's node is made anew, with an empty disk: a board with a new card
    done = engines.swarm("up")
    assert done.returncode == 0, done.stderr
    assert "zero2 joined; older ids of zero2 are gone" in done.stderr
    assert engines.places()["zero2"] == "ready"
    [new] = engines.ids()["zero2"]
    assert new != old
    engines.well("image", "push", str(image), "-w", "zero2")
    assert "web_app  6/6" in engines.well("scale", "web_app=6")
    assert len(engines.containers("zero2")) == 2


def test_down_asks_while_tasks_run_and_leaves_the_nodes_clean(engines: SwarmCluster) -> None:
    done = engines.swarm("down")
    assert done.returncode == 2
    assert "web_app: 6 tasks run" in done.stderr
    assert "nothing was ended" in done.stderr
    done = engines.swarm("down", "--yes")
    assert done.returncode == 0, done.stderr
    for node in engines.nodes:
        assert engines.docker(node, "ps -aq") == ""
        networks = set(engines.docker(node, "network ls --format '{{.Name}}'").split())
        assert networks == {"bridge", "host", "none"}
        assert engines.docker(node, "info --format '{{.Swarm.LocalNodeState}}'").strip() == "inactive"
    assert "web" in engines.docker("zero1", "image ls --format '{{.Repository}}'")
    assert engines.well("down") == ""  # again, with nothing to do
