"""Getting at the insides of a lab, for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from pibramble.targets.lab import ground
from pibramble.targets.lab.state import LabState
from tests.lab.conftest import LabCluster


def on_node(cluster: LabCluster, node: str, script: str) -> str:
    """Run a shell script on a node as the cluster's user, over its open connection; return what it printed."""
    argv = [*cluster.connections.interactive(node), script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kill_node(cluster: LabCluster, node: str) -> None:
    """End a node as when it loses power: its init is killed, and everything in it with it."""
    state = LabState.load(cluster.folder / "lab.json")
    assert state is not None
    state.nodes[node].kill()


def kill_sshd(cluster: LabCluster, node: str) -> None:
    """End every sshd of a node, from outside: a killer that came over SSH might go with the first of them."""
    state = LabState.load(cluster.folder / "lab.json")
    assert state is not None
    words = ground.inside_node(state.nodes[node], rootless=state.rootless)
    subprocess.run([*words, "pkill", "-KILL", "sshd"], check=True)


@contextmanager
def in_world(cluster: LabCluster, python: str) -> Iterator[subprocess.Popen[str]]:
    """Run a Python script in the lab's world; it is there when its first line is printed."""
    state = LabState.load(cluster.folder / "lab.json")
    assert state is not None
    words = ground.inside(state.keeper, rootless=state.rootless)
    process = subprocess.Popen([*words, "python3", "-c", python], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "", "the script says that it is ready with an empty line"
    yield process
    process.kill()
    process.wait()


def refusal(cluster: LabCluster, port: int) -> str:
    """Return how a connection from the world to a port of the head's uplink fails: the name of Python's exception."""
    script = (
        "import socket\nprint('', flush=True)\n"
        f"try: socket.create_connection(('{cluster.plan.lab.world[2]}', {port}), 3)\n"
        "except OSError as error: print(type(error).__name__)\n"
    )
    with in_world(cluster, script) as process:
        return process.communicate(timeout=20)[0].strip()


def receive_script(port: int) -> str:
    """Return a script that takes one connection and prints from where, how much, and how fast after the first bytes."""
    return (
        "import json, socket, time\n"
        f'server = socket.create_server(("0.0.0.0", {port}))\n'
        'print("", flush=True)\n'
        "taken, peer = server.accept()\n"
        "count = len(taken.recv(65536)); began = time.monotonic(); first = count\n"
        "while data := taken.recv(65536): count += len(data)\n"
        "rate = (count - first) / max(time.monotonic() - began, 1e-9)\n"
        'print(json.dumps({"from": peer[0], "bytes": count, "bytes_per_s": rate}), flush=True)\n'
    )


def send_script(host: str, port: int, size: int) -> str:
    """Return a shell command that sends so many bytes to a port, trying until somebody listens."""
    return (
        f"for _ in 1 2 3 4 5 6 7 8 9; do head -c {size} /dev/zero 2>/dev/null "
        f"| timeout 20 bash -c 'cat >/dev/tcp/{host}/{port}' 2>/dev/null && exit 0; sleep 0.2; done; exit 1"
    )
