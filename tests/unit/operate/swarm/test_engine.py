"""What engines say, and what is wrong with them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import attrs
import pytest

from pibramble.operate.swarm import engine, health
from pibramble.operate.swarm.engine import ASK_ENGINE, Engine, read

INFO = {
    "ServerVersion": "26.1.5+dfsg1",
    "Architecture": "armv6l",
    "OSType": "linux",
    "MemoryLimit": True,
    "ContainersRunning": 2,
    "Swarm": {
        "NodeID": "abc",
        "LocalNodeState": "active",
        "ControlAvailable": False,
        "RemoteManagers": [{"NodeID": "m", "Addr": "192.168.7.1:2377"}],
    },
}
GOOD = Engine("zero1", reachable=True, installed=True, version="26.1.5", machine="armv6l", clock_s=1_800_000_000)


def problems(*engines: Engine) -> list[str]:
    return [f"{c.node}: {c.problem}" for c in health.judge({one.node: one for one in engines}, "head")]


def test_an_engine_that_answers_is_read() -> None:
    found = engine.read("zero1", f"clock 1800000000\nengine {json.dumps(INFO)}\ndisk 512000\n")
    assert (found.version, found.machine, found.disk_free_mb, found.clock_s) == (
        "26.1.5+dfsg1", "armv6l", 500, 1_800_000_000,
    )  # fmt: skip
    assert found.swarm == engine.Membership("active", "abc", manager=False, managers=("192.168.7.1:2377",))


def test_a_node_without_docker_is_told_from_one_whose_engine_is_dead() -> None:
    assert not engine.read("zero1", "clock 1\nengine none\n").installed
    said = "clock 1\nsilent Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?\n"
    dead = engine.read("zero1", said)
    assert dead.installed
    assert dead.version == ""
    assert dead.problem == "Cannot connect to the Docker daemon at unix:///var/run/docker.sock"


def test_a_client_that_answers_for_a_dead_engine_is_seen_through() -> None:
    said = f"engine {json.dumps({'ServerErrors': ['no permission'], 'Swarm': None})}\n"
    assert engine.read("zero1", said).problem == "no permission"


def test_good_engines_have_no_problems() -> None:
    assert problems(attrs.evolve(GOOD, node="head"), GOOD) == []


def test_a_clock_that_is_a_year_off_stops_a_node() -> None:
    late = attrs.evolve(GOOD, clock_s=1_800_000_000 - 365 * 86_400)
    [complaint] = health.judge({"head": attrs.evolve(GOOD, node="head"), "zero1": late}, "head")
    assert complaint.problem.startswith("its clock is 365 days behind head's")
    assert complaint.stops
    assert "chronyc makestep" in complaint.cure


def test_a_clock_that_differs_by_seconds_is_no_problem() -> None:
    assert problems(attrs.evolve(GOOD, node="head"), attrs.evolve(GOOD, clock_s=1_800_000_050)) == []


def test_what_is_too_old_stops_and_what_is_scarce_does_not() -> None:
    scarce = attrs.evolve(GOOD, version="18.09.1", disk_free_mb=12, memory_limit=False)
    found = health.judge({"zero1": scarce}, "head")
    assert [(complaint.problem.partition(":")[0], complaint.stops) for complaint in found] == [
        ("docker 18.09.1 is too old", True),
        ("12 MB are left for images", False),
        ("its kernel does not count containers' memory", False),
    ]


def test_a_clock_with_a_fraction_is_read_also_with_a_comma() -> None:
    assert engine.read("zero1", "clock 1800000000,123456\nengine none\n").clock_s == 1_800_000_000
    assert engine.read("zero1", "clock 1800000000.123456\nengine none\n").clock_s == 1_800_000_000


def test_what_is_wrong_alike_is_told_once_with_one_cure() -> None:
    bare = [Engine(f"zero{number}", reachable=True) for number in (1, 2, 3)]
    scarce = attrs.evolve(GOOD, node="zero4", disk_free_mb=12)
    found = health.judge({one.node: one for one in (*bare, scarce)}, "head")
    first, second = health.told(found)
    assert first.startswith("zero[1-3]: docker is not installed\n  pibramble exec -w zero[1-3] -- sudo apt-get")
    assert second == "zero4: 12 MB are left for images\n  pibramble exec -w zero4 -- sudo docker image prune -a"


@pytest.mark.parametrize("client", ["28", "20"])
def test_an_engine_that_does_not_run_is_told_in_the_clients_words_alone(tmp_path: Path, client: str) -> None:
    """Client 28 prints all that it does not know besides, as JSON, and both end with 1; the script asks by sudo."""
    json_too = """echo '{"ID":"","ServerVersion":""}'; """ if client == "28" else ""
    script(
        tmp_path / "docker", f"{json_too}echo 'Cannot connect to the Docker daemon at unix:///x. Is it?' >&2; exit 1"
    )
    script(tmp_path / "sudo", 'shift; exec "$@"')
    path = f"{tmp_path}:{os.environ['PATH']}"
    said = subprocess.run(
        ["sh", "-c", ASK_ENGINE], env={"PATH": path}, capture_output=True, text=True, check=True
    ).stdout
    assert read("zero1", said).problem == "Cannot connect to the Docker daemon at unix:///x"


def script(file: Path, lines: str) -> None:
    file.write_text(f"#!/bin/sh\n{lines}\n")
    file.chmod(0o755)
