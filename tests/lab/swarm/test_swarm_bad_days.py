"""What goes wrong with engines and swarms, and that it is said before anything is changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pibramble.operate.swarm import archive, push
from pibramble.progress import SilentProgress
from tests.lab.nodes import on_node
from tests.lab.swarm.conftest import SwarmCluster, instead_of
from tests.unit.operate.swarm import images

pytestmark = pytest.mark.lab

DOCKER = "/usr/local/bin/docker"


def refused(cluster: SwarmCluster, code: int) -> str:
    done = cluster.swarm("up")
    assert done.returncode == code, done.stderr
    for node in cluster.nodes:
        assert cluster.docker(node, "info --format '{{.Swarm.LocalNodeState}}'").strip() == "inactive"
    return done.stderr


def test_a_node_without_docker(engines: SwarmCluster) -> None:
    with instead_of(engines, "zero2", DOCKER, None):
        done = engines.swarm("up")
        assert done.returncode == 3
        assert "zero2: docker is not installed" in done.stderr
        assert "sudo apt-get install -y docker.io" in done.stderr
    assert engines.docker("zero1", "info --format '{{.Swarm.LocalNodeState}}'").strip() == "inactive"


def test_an_engine_that_is_too_old(engines: SwarmCluster) -> None:
    script = 'echo "{\\"ServerVersion\\": \\"18.09.1\\", \\"Architecture\\": \\"armv6l\\"}"'
    with instead_of(engines, "zero2", DOCKER, script):
        done = engines.swarm("up")
    assert done.returncode == 3
    assert "zero2: docker 18.09.1 is too old: 20.10 is the oldest" in done.stderr


def test_a_clock_that_is_a_year_behind(engines: SwarmCluster) -> None:
    with instead_of(engines, "zero3", "/usr/local/bin/date", '/bin/date -d "1 year ago" "$@"'):
        said = refused(engines, 3)
    assert "zero3: its clock is 365 days behind head's: Swarm's certificates would not be valid" in said


def test_port_2377_is_taken(engines: SwarmCluster) -> None:
    taken = f"sudo python3 -m http.server 2377 --bind {engines.plan.head.address} >/dev/null 2>&1 & echo $!"
    on_node(engines, "head", taken)
    try:
        said = refused(engines, 1)
        assert "port 2377 of head is taken by python3" in said
    finally:
        on_node(engines, "head", "sudo pkill -f '[h]ttp.server 2377'")


def test_a_worker_that_is_another_swarms_manager(engines: SwarmCluster) -> None:
    engines.docker("zero1", f"swarm init --advertise-addr {engines.plan.node('zero1').address}")
    try:
        done = engines.swarm("up")
        assert done.returncode == 1
        assert "zero1 is in another swarm already, whose manager is itself; nothing was changed" in done.stderr
        assert engines.docker("head", "info --format '{{.Swarm.LocalNodeState}}'").strip() == "inactive"
    finally:
        engines.docker("zero1", "swarm leave --force")


def test_a_head_that_is_another_swarms_worker(engines: SwarmCluster) -> None:
    own = engines.plan.node("zero1").address
    engines.docker("zero1", f"swarm init --advertise-addr {own}")
    token = engines.docker("zero1", "swarm join-token -q worker").strip()
    engines.docker("head", f"swarm join --token {token} {own}:2377")
    try:
        done = engines.swarm("up")
        assert done.returncode == 1
        assert f"head is in another swarm already, whose manager is {own}:2377" in done.stderr
    finally:
        for node in ("head", "zero1"):
            engines.docker(node, "swarm leave --force")


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing_half(engines: SwarmCluster, tmp_path: Path) -> None:
    # Random bytes, in two layers: the first is there when the second does not fit. What `push` asks beforehand is left
    # out: between its question and the last byte, somebody else has filled the disk.
    layers = [{"a": os.urandom(20_000_000)}, {"b": os.urandom(40_000_000)}]
    image = archive.read(images.save(tmp_path / "large.tar", "large:1", layers))
    free_kb = "df -Pk /var/lib/docker | awk 'NR == 2 {print $4}'"
    room = int(on_node(engines, "zero1", free_kb))
    on_node(engines, "zero1", f"sudo fallocate -l {room - 70_000}K /var/lib/docker/fill")
    try:
        before = int(on_node(engines, "zero1", free_kb))
        assert 40_000 < before < 80_000
        pushed = push.send(engines.connections, image, image.layers, ["zero1"], SilentProgress())
        assert "the disk is full" in pushed[0].problem
        assert int(on_node(engines, "zero1", free_kb)) > before - 2_000
        assert "large" not in engines.docker("zero1", "image ls -a")
    finally:
        on_node(engines, "zero1", "sudo rm -f /var/lib/docker/fill")
    assert push.push(engines.connections, image, ["zero1"], SilentProgress())[0].problem == ""
    engines.docker("zero1", "image rm large:1")


def test_an_image_that_does_not_fit_is_refused_before_anything_is_sent(engines: SwarmCluster, tmp_path: Path) -> None:
    file = images.save(tmp_path / "huge.tar", "huge:1", [{"a": bytes(450_000_000)}])
    done = engines.swarm("image", "push", str(file), "-w", "zero1")
    assert done.returncode == 1
    assert "MB free, and the image needs 900 MB there; nothing was sent" in done.stderr


def test_an_engine_that_does_not_run_is_named(engines: SwarmCluster) -> None:
    with instead_of(engines, "zero1", DOCKER, "echo Cannot connect to the Docker daemon. Is it there? >&2; exit 1"):
        done = engines.swarm("status")
    assert done.returncode == 4
    assert "zero1: its engine does not answer: Cannot connect to the Docker daemon" in done.stderr


def test_status_and_doctor_tell_of_engines_that_are_well(engines: SwarmCluster) -> None:
    done = engines.pibramble("status")
    assert done.returncode == 0, done.stderr
    heading, *rows = [line.split() for line in done.stdout.splitlines()[:5]]
    assert heading[-4:] == ["DOCKER", "DISK", "LEFT", "STATE"]
    assert all(row[-4].startswith("20.") and row[-2:] == ["MB", "ok"] for row in rows)
    assert "docker" not in done.stderr
    node = json.loads(engines.pibramble("status", "--json", "-w", "zero1").stdout)["cluster"]["nodes"][0]
    assert 0 < node["engine"]["disk_free_mb"] <= 400
    done = engines.pibramble("doctor", "swarm")
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert "engines: containers on the nodes of containers" in said
    assert (
        len([line for line in said if line.split()[:1] == ["ok"] and "docker 20." in line and " MB left" in line]) == 4
    )


def test_status_and_doctor_name_what_is_wrong_with_engines(engines: SwarmCluster) -> None:
    """As a board is whose kernel lacks cgroup_enable=memory, and one that has no clock of its own."""
    counts_none = f'{DOCKER}.away "$@" | sed s/MemoryLimit.:true/MemoryLimit\\":false/'
    on_node(engines, "zero3", "echo unset EPOCHREALTIME >.bashrc")  # bash's own clock: date is asked then
    try:
        with (
            instead_of(engines, "zero1", DOCKER, None),
            instead_of(engines, "zero2", DOCKER, counts_none),
            instead_of(engines, "zero3", "/usr/local/bin/date", '/bin/date -d "1 year ago" "$@"'),
        ):
            status = engines.pibramble("status")
            doctor = engines.pibramble("doctor", "swarm")
    finally:
        on_node(engines, "zero3", "rm .bashrc")
    assert status.returncode == 0  # they all answer
    assert doctor.returncode == 3
    for said in (status.stderr, doctor.stderr):
        assert "zero1: docker is not installed\n  pibramble exec -w zero1 -- sudo apt-get install -y docker.io" in said
        assert "zero2: its kernel does not count containers' memory: no limit holds" in said
        assert "`cgroup_enable=memory` in /boot/firmware/cmdline.txt" in said
        assert "zero3: its clock is 365 days behind head's: Swarm's certificates would not be valid" in said
    assert "wrong     zero1" in doctor.stdout


def test_an_engine_that_hangs_does_not_make_its_node_unreachable(engines: SwarmCluster) -> None:
    with instead_of(engines, "zero1", DOCKER, "exec sleep 60"):
        done = engines.pibramble("status")
    assert done.returncode == 0
    assert "zero1: its engine does not answer: it said nothing for 10 s" in done.stderr
    [row] = [line for line in done.stdout.splitlines() if line.startswith("zero1")]
    assert "does not answer" in row
