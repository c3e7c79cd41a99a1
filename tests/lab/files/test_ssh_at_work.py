"""Real sshd's on the rendered files: the head's user gets in everywhere, nobody else anywhere.

Each node runs in namespaces of its own over this machine's /etc, with the user that the node files make. The client's
files of the head lie beside the node's own: a worker's sshd does not read them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.unit.files.disks import Disks
from tests.unit.files.readers import program

pytestmark = pytest.mark.lab

# $1 the head's disk, $2 the node's, $3 its address, $4 the node's edited shadow, $5 sshd
NODE = """
    mount -t tmpfs none /mnt
    mkdir -p /mnt/upper/ssh /mnt/work
    cp -a "$1"/etc/pibramble /mnt/upper/
    cp -a "$1"/etc/ssh/ssh_config.d "$1"/etc/ssh/ssh_known_hosts /mnt/upper/ssh/
    cp -a "$2"/etc/. /mnt/upper/
    cp "$4" /mnt/upper/shadow
    chmod 600 /mnt/upper/shadow
    mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work node /etc
    mount -t tmpfs none /run
    mount -t tmpfs none /home
    systemd-sysusers /etc/sysusers.d/pibramble.conf
    systemd-tmpfiles --create /etc/tmpfiles.d/pibramble.conf
    chown pi: /etc/pibramble/user_key
    mkdir -p /run/sshd
    hostname -F /etc/hostname
    ip link set lo up
    ip address add "$3"/32 dev lo
    "$5"
    echo ready
    exec cat
"""


@attrs.frozen
class Node:
    """A node whose sshd is up."""

    name: str
    address: str
    holder: int

    def run(self, *argv: str, user: str = "pi") -> subprocess.CompletedProcess[str]:
        enter = [program("nsenter"), "--target", str(self.holder), "--net", "--mount", "--uts", "--wd=/"]
        become = [program("setpriv"), f"--reuid={user}", f"--regid={user}", "--init-groups", "--reset-env"]
        return subprocess.run([*enter, *become, *argv], capture_output=True, text=True, timeout=30, check=False)

    def ssh(self, *words: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return self.run("ssh", "-o", "BatchMode=yes", *options, self.name, *words)


@pytest.fixture(scope="module", params=["head", "zero1"])
def node(request: pytest.FixtureRequest, disk: Disks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    name: str = request.param
    (edit,) = (edit for edit in disk.nodes[name].edits if edit.path == "/etc/shadow")
    shadow = tmp_path_factory.mktemp("shadow") / "shadow"
    shadow.write_text(edit.apply(Path("/etc/shadow").read_text()))
    address = str(disk.plan.node(name).address)
    words = [str(disk["head"]), str(disk[name]), address, str(shadow), program("sshd")]
    argv = [
        program("unshare"),
        "--net",
        "--mount",
        "--uts",
        "--pid",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-euc",
        NODE,
        "sh",
    ]
    with subprocess.Popen([*argv, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Node(name, address, int(children[0]))
        process.kill()


def test_the_user_gets_in_by_name_and_by_address_and_is_itself(node: Node) -> None:
    for destination in (node.name, node.address):
        done = node.run("ssh", "-o", "BatchMode=yes", destination, "id -un; echo $PATH; sudo -n id -un")
        assert done.stderr == ""
        assert done.stdout.split() == ["pi", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "root"]


def test_the_connection_stays_open_at_its_control_socket(node: Node) -> None:
    assert node.ssh("true").returncode == 0
    assert node.run("test", "-S", f"/run/pibramble/ssh/{node.address}").returncode == 0
    assert "Master running" in node.ssh(options=("-O", "check")).stderr


def test_root_gets_in_with_no_key(node: Node) -> None:
    done = node.ssh("true", options=("-l", "root", "-o", "ControlPath=none"))
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_a_key_without_the_authoritys_word_opens_nothing(node: Node) -> None:
    made = node.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/home/pi/stranger")
    assert made.returncode == 0, made.stderr
    config = "cp /etc/ssh/ssh_known_hosts /home/pi/known; echo > /home/pi/config"
    node.run("sh", "-c", config)
    options = ["-F", "/home/pi/config", "-i", "/home/pi/stranger", "-o", "BatchMode=yes"]
    known = ["-o", "UserKnownHostsFile=/home/pi/known"]
    done = node.run("ssh", *options, *known, node.name, "true")
    assert "Permission denied (publickey)" in done.stderr


def test_a_stranger_in_the_place_of_a_node_is_refused(node: Node) -> None:
    # The same sshd, asked under a name that its certificate does not say.
    done = node.ssh("true", options=("-o", "HostKeyAlias=zero2", "-o", "ControlPath=none"))
    assert done.returncode == 255
    assert "verification failed" in done.stderr


def test_only_the_head_lets_through_to_others(node: Node) -> None:
    done = node.ssh(options=("-o", "ControlPath=none", "-W", f"{node.address}:22"))
    assert ("SSH-2.0" in done.stdout) == (node.name == "head")


GREET = """
import socket, sys
callers = [socket.create_connection((sys.argv[1], 22), timeout=20) for _ in range(64)]
print(sum(caller.recv(100).startswith(b"SSH-2.0") for caller in callers))
"""


def test_sixty_four_callers_at_once_are_all_greeted(node: Node) -> None:
    done = node.run(sys.executable, "-c", GREET, node.address)
    assert done.stdout == "64\n", done.stderr


def test_sixty_four_commands_share_one_connection(node: Node) -> None:
    assert node.ssh("true").returncode == 0
    script = f"for n in $(seq 64); do ssh -o BatchMode=yes {node.name} 'sleep 1; echo done' & done; wait"
    began = time.monotonic()
    done = node.run("bash", "-c", script)
    assert done.stdout.count("done") == 64
    assert done.stderr == ""  # ssh says so there when a connection is full and it opens another
    assert time.monotonic() - began < 20
