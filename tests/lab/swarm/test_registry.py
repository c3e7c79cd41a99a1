"""The registry on a lab's head: written to by the head alone, read by nodes, and its bad days. One story, in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pibramble.errors import PibrambleError
from pibramble.files.registry import FOLDER, WRITE_ADDRESS
from pibramble.operate.swarm import publish, registry
from pibramble.targets.lab import ground
from pibramble.targets.lab.state import LabState
from tests.lab.nodes import on_node, refusal
from tests.lab.swarm.conftest import STACK, SwarmCluster, instead_of, make_image, until
from tests.unit.operate.swarm import images

pytestmark = pytest.mark.lab

PROGRAM = "/usr/local/bin/docker-registry"
HTTP = "import sys, urllib.request as u; print(u.urlopen(u.Request(sys.argv[2], method=sys.argv[1]), timeout=5).status)"


def address(cluster: SwarmCluster) -> str:
    containers = cluster.plan.containers
    assert containers is not None
    return containers.registry


def kept(cluster: SwarmCluster) -> dict[str, Any]:
    return {one["name"]: one for one in json.loads(cluster.well("image", "list", "--json"))["images"]}


def used(cluster: SwarmCluster) -> int:
    return registry.look(cluster.plan, cluster.connections).used_bytes


def writers(cluster: SwarmCluster) -> str:
    """Return what listens where images are taken."""
    return on_node(cluster, "head", f"sudo ss -Hltn 'sport = :{WRITE_ADDRESS.partition(':')[2]}'").strip()


def http(cluster: SwarmCluster, node: str, method: str, path: str) -> str:
    """Ask the registry from a node; return the status, or what went wrong."""
    url = f"http://{address(cluster)}/v2/{path}"
    return on_node(cluster, node, f"python3 -c '{HTTP}' {method} {url} 2>&1 | tail -n 1").strip()


@pytest.fixture(scope="module")
def stack(with_registry: SwarmCluster) -> Path:
    file = with_registry.file.with_name("web.yml")
    file.write_text(STACK.replace("replicas: 3", "replicas: 2"))
    return file


def test_the_registry_is_empty_runs_as_nobody_of_weight_and_is_for_the_cluster_alone(
    with_registry: SwarmCluster,
) -> None:
    with_registry.well("up")
    assert with_registry.status()["registry"] == {
        "address": "192.168.7.1:5000", "installed": True, "answers": True, "images": [], "used_bytes": 0,
        "disk_free_mb": 400,
    }  # fmt: skip
    assert "registry 192.168.7.1:5000: 0 images" in with_registry.well("status")
    owner = on_node(with_registry, "head", "ps -o user= -C docker-registry").split()
    assert owner == ["nobody"]
    listening = on_node(with_registry, "head", "ss -Hltn 'sport = :5000'").split()
    assert listening[3] == "192.168.7.1:5000"
    assert refusal(with_registry, 5000) == "TimeoutError"


def test_an_image_comes_to_the_registry_and_not_to_the_nodes(with_registry: SwarmCluster, image: Path) -> None:
    [new] = json.loads(with_registry.well("image", "push", "--json", str(image)))
    assert new["name"] == "web:1"
    assert new["new_bytes"] >= new["size_bytes"] > 100_000
    assert new["cannot_run"] == []
    assert set(kept(with_registry)) == {"web:1"}
    assert with_registry.docker("zero1", "image ls -q") == ""
    assert writers(with_registry) == ""
    names = with_registry.docker("head", "image ls --format '{{.Repository}}:{{.Tag}}'").split()
    assert names == ["web:1"]  # and not what it was pushed by


def test_a_second_push_brings_nothing_new_also_from_the_head(with_registry: SwarmCluster, image: Path) -> None:
    before = kept(with_registry)
    for words in ([str(image)], ["web:1", "--from", "head"]):
        [again] = json.loads(with_registry.well("image", "push", "--json", *words))
        assert again["new_bytes"] == 0
    assert kept(with_registry) == before


def test_nodes_may_read_and_nobody_may_write(with_registry: SwarmCluster) -> None:
    assert http(with_registry, "zero1", "GET", "library/web/tags/list") == "200"
    for node in ("zero1", "head"):
        assert "405" in http(with_registry, node, "POST", "library/web/blobs/uploads/")
        assert "405" in http(
            with_registry, node, "DELETE", f"library/web/manifests/{kept(with_registry)['web:1']['digest']}"
        )
    own = address(with_registry)
    with_registry.docker("zero1", f"pull -q {own}/library/web:1")
    said = on_node(with_registry, "zero1", f"sudo docker push {own}/library/web:1 2>&1 || true")
    assert "method not allowed" in said.lower() or "unsupported" in said.lower()
    with_registry.docker("zero1", f"image rm {own}/library/web:1")


def test_an_image_may_name_the_registry_itself(with_registry: SwarmCluster, tmp_path: Path) -> None:
    name = f"{address(with_registry)}/acme:1"
    with_registry.well("image", "push", str(make_image(tmp_path, name)))
    assert set(kept(with_registry)) == {"web:1", name}
    with_registry.docker("zero1", f"pull -q {name}")
    with_registry.docker("zero1", f"image rm {name}")
    with_registry.well("image", "remove", name)
    assert set(kept(with_registry)) == {"web:1"}


def test_a_stack_takes_its_image_from_the_registry(with_registry: SwarmCluster, stack: Path) -> None:
    assert "web_app  2/2" in with_registry.well("deploy", str(stack))
    digest = kept(with_registry)["web:1"]["digest"]
    for node in ("zero1", "zero2"):
        assert digest in with_registry.docker(node, "image ls --digests web")


def test_a_newer_image_of_the_same_name_is_taken_at_the_next_deploy(
    with_registry: SwarmCluster, stack: Path, tmp_path: Path
) -> None:
    old = kept(with_registry)["web:1"]["digest"]
    with_registry.well("image", "push", str(make_image(tmp_path, "web:1", {"more": b"of it"})))
    new = kept(with_registry)["web:1"]["digest"]
    assert new != old
    with_registry.well("deploy", str(stack))
    wanted = with_registry.docker("head", "image inspect web:1 --format '{{.Id}}'")
    for node in ("zero1", "zero2"):
        [container] = with_registry.containers(node)
        assert with_registry.docker(node, f"inspect {container} --format '{{{{.Image}}}}'") == wanted


def test_nodes_that_are_named_get_an_image_themselves(with_registry: SwarmCluster, tmp_path: Path) -> None:
    file = images.save(tmp_path / "own.tar", "own:1", [{"a": b"1"}])
    with_registry.well("image", "push", str(file), "-w", "zero2")
    assert "own" in with_registry.docker("zero2", "image ls --format '{{.Repository}}'")
    assert "own:1" not in kept(with_registry)


def test_images_that_nobody_could_take_are_refused(with_registry: SwarmCluster, tmp_path: Path) -> None:
    foreign = images.save(tmp_path / "foreign.tar", "foreign:1", [{"a": b"1"}], architecture="arm", variant="v6")
    done = with_registry.swarm("image", "push", str(foreign))
    assert done.returncode == 2
    assert "for linux/arm/v6, and head,zero[1-2] is x86_64; nothing was sent" in done.stderr
    elsewhere = images.save(tmp_path / "elsewhere.tar", "ghcr.io/a/b:1", [{"a": b"1"}])
    done = with_registry.swarm("image", "push", str(elsewhere))
    assert done.returncode == 2
    assert "another registry, ghcr.io: nodes would ask that one" in done.stderr
    assert "docker tag ghcr.io/a/b:1 a/b:1" in done.stderr
    assert set(kept(with_registry)) == {"web:1"}
    assert "foreign" not in with_registry.docker("head", "image ls")


def test_an_image_that_leaves_too_little_room_is_refused(with_registry: SwarmCluster, tmp_path: Path) -> None:
    huge = images.save(tmp_path / "huge.tar", "huge:1", [{"a": bytes(250_000_000)}])
    done = with_registry.swarm("image", "push", str(huge))
    assert done.returncode == 1
    assert "the image may take 250 MB: less than 200 MB would be free; nothing was sent" in done.stderr
    assert "swarm image remove" in done.stderr


def test_a_disk_that_fills_up_during_a_push_leaves_nothing_half(with_registry: SwarmCluster, tmp_path: Path) -> None:
    # What `push` asks beforehand is left out: between its question and the last byte somebody else has filled the disk.
    layers = [{"a": os.urandom(20_000_000)}, {"b": os.urandom(40_000_000)}]
    file = images.save(tmp_path / "large.tar", "large:1", layers)
    with_registry.well("image", "push", str(file), "-w", "head")
    plan, connections = with_registry.plan, with_registry.connections
    before = registry.look(plan, connections)
    assert before.disk_free_mb is not None
    on_node(with_registry, "head", f"sudo fallocate -l {before.disk_free_mb - 50}M {FOLDER}/fill")
    try:
        with pytest.raises(
            PibrambleError, match="the disk of head's registry is full; what had come of large:1"
        ) as caught:
            publish.to_registry(plan, connections, "large:1", before)
        assert "swarm image remove" in caught.value.hint
    finally:
        on_node(with_registry, "head", f"sudo rm -f {FOLDER}/fill")
    assert used(with_registry) < before.used_bytes + 200_000  # folders of the layers' names
    assert set(kept(with_registry)) == {"web:1"}
    assert writers(with_registry) == ""
    with_registry.well("image", "push", "large:1", "--from", "head")
    assert {"web:1", "large:1"} == set(kept(with_registry))


def test_what_is_removed_is_gone_with_the_layers_that_no_other_has(with_registry: SwarmCluster) -> None:
    done = with_registry.swarm("image", "remove", "large:1", "lage:1")
    assert done.returncode == 2
    assert "lage:1 is not in head's registry; nothing was removed" in done.stderr
    assert {"web:1", "large:1"} == set(kept(with_registry))
    before = used(with_registry)
    done = with_registry.swarm("image", "remove", "large:1")
    assert done.returncode == 0, done.stderr
    assert "1 images are left" in done.stderr
    assert before - used(with_registry) > 59_000_000
    assert http(with_registry, "zero1", "GET", "library/web/tags/list") == "200"
    assert "404" in http(with_registry, "zero1", "GET", "library/large/tags/list")
    with_registry.docker("zero1", f"pull -q {address(with_registry)}/library/web:1")


def test_a_push_that_is_interrupted_leaves_nothing(with_registry: SwarmCluster) -> None:
    before = used(with_registry)
    process = with_registry.start("swarm", "image", "push", "large:1", "--from", "head")
    deadline = time.monotonic() + 30
    while not writers(with_registry):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert writers(with_registry) == ""
    assert set(kept(with_registry)) == {"web:1"}
    assert used(with_registry) < before + 200_000
    names = with_registry.docker("head", "image ls --format '{{.Repository}}'").split()
    assert not [name for name in names if name.startswith("127.")]


def test_a_port_that_somebody_else_has_is_named(with_registry: SwarmCluster) -> None:
    host, port = WRITE_ADDRESS.split(":")
    pid = on_node(
        with_registry, "head", f"python3 -m http.server {port} --bind {host} >/dev/null 2>&1 & echo $!"
    ).strip()
    try:
        deadline = time.monotonic() + 10
        while not writers(with_registry):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        done = with_registry.swarm("image", "push", "web:1", "--from", "head")
    finally:
        on_node(with_registry, "head", f"kill {pid}")
    assert done.returncode == 1
    assert f"port {port} of head is taken" in done.stderr


def test_a_registry_that_does_not_run_is_named_and_up_starts_it(with_registry: SwarmCluster, stack: Path) -> None:
    state = LabState.load(with_registry.folder / "lab.json")
    assert state is not None
    inside = ground.inside_node(state.nodes["head"], rootless=False)
    pid = on_node(with_registry, "head", "pidof docker-registry").strip()
    subprocess.run([*inside, "kill", pid], check=True)
    done = with_registry.swarm("image", "push", "web:1", "--from", "head")
    assert done.returncode == 4
    assert "head: its registry does not answer at 192.168.7.1:5000; nothing was sent" in done.stderr
    assert "systemctl restart docker-registry.service; in the lab, `pibramble up`" in done.stderr
    done = with_registry.swarm("status")
    assert done.returncode == 1
    assert "its registry does not answer" in done.stderr
    done = with_registry.swarm("deploy", "--wait", "1", str(stack))  # the nodes have the image
    assert "its registry does not answer" in done.stderr
    with_registry.up()
    assert until(lambda: with_registry.swarm("status").returncode == 0)


def test_a_head_without_the_package_is_told_how_to_get_it(with_registry: SwarmCluster) -> None:
    with instead_of(with_registry, "head", PROGRAM, None):
        done = with_registry.swarm("image", "push", "web:1", "--from", "head")
        assert done.returncode == 3
        assert "head: it has no registry: docker-registry is not installed; nothing was sent" in done.stderr
        assert "sudo apt-get install -y docker-registry" in done.stderr


def test_two_pushes_wait_for_each_other(with_registry: SwarmCluster, tmp_path: Path) -> None:
    first = images.save(tmp_path / "first.tar", "first:1", [{"a": os.urandom(5_000_000)}])
    second = images.save(tmp_path / "second.tar", "second:1", [{"a": os.urandom(5_000_000)}])
    running = [with_registry.start("swarm", "image", "push", str(file)) for file in (first, second)]
    for process in running:
        assert process.communicate(timeout=60)[1].count("pibramble:") == 0
        assert process.returncode == 0
    assert {"web:1", "first:1", "second:1"} == set(kept(with_registry))


def test_a_cluster_without_a_registry_says_how_to_have_one(with_registry: SwarmCluster, tmp_path: Path) -> None:
    text = with_registry.file.read_text().replace("registry = true\n", "")
    plain = tmp_path / "cluster.toml"
    plain.write_text(text)
    with pytest.raises(PibrambleError, match="containers has no registry") as caught:
        registry.repository(SwarmCluster(plain, tmp_path).plan, "web:1")
    assert "registry = true" in caught.value.hint
