"""The head's firewall between a world and two workers: who reaches whom, and as whom.

world (10.0.0.2) -- eth0 head bramble -- zero1 (bridged)
                         head aplus ---- aplus (routed, as a serial worker is)
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import attrs
import pytest

from tests.unit.files.disks import Disks
from tests.unit.files.readers import program

pytestmark = pytest.mark.lab

# $1 the head's disk, $2 nft, $3 sysctl, $4 python, $5 the server. /run is private, and so are the names of namespaces.
GROUND = """
    mount -t tmpfs none /run
    for name in world zero1 aplus; do
        ip netns add "$name"
        ip -n "$name" link set lo up
    done
    ip link set lo up
    wire() { # OUR-END NAMESPACE THEIR-END
        ip link add "$1" type veth peer name "$3" netns "$2"
        ip link set "$1" up
        ip -n "$2" link set "$3" up
    }
    wire eth0 world eth0
    wire zero1 zero1 uplink
    wire aplus aplus uplink
    ip address add 10.0.0.1/24 dev eth0
    ip -n world address add 10.0.0.2/24 dev eth0
    ip -n world address add 192.168.7.77/32 dev lo
    ip -n world route add 192.168.7.0/24 via 10.0.0.1

    ip link add bramble type bridge
    ip link set bramble up
    ip link set zero1 master bramble
    ip address add 192.168.7.1/24 dev bramble
    ip -n zero1 address add 192.168.7.2/24 dev uplink
    ip -n zero1 route add default via 192.168.7.1

    ip address add 192.168.7.1 peer 192.168.7.4 dev aplus
    ip -n aplus address add 192.168.7.4 peer 192.168.7.1 dev uplink
    ip -n aplus route add default via 192.168.7.1
    echo 1 > /proc/sys/net/ipv4/conf/bramble/proxy_arp
    echo 0 > /proc/sys/net/ipv4/neigh/bramble/proxy_delay

    "$3" --quiet --ignore --load "$1"/etc/sysctl.d/60-pibramble.conf
    "$2" -f "$1"/etc/nftables.conf
    # One after another: each says when it listens.
    "$4" -c "$5" 22 80 &
    ip netns exec world "$4" -c "$5" 80 &
    ip netns exec zero1 "$4" -c "$5" 22 80 &
    ip netns exec aplus "$4" -c "$5" 80 &
    exec cat
"""

# Tells each caller who it is, over TCP; answers UDP likewise.
SERVER = """
import os, selectors, socket, sys
waiting = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    stream = socket.create_server(("", port))
    packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    packets.bind(("", port))
    waiting.register(stream, selectors.EVENT_READ)
    waiting.register(packets, selectors.EVENT_READ)
os.write(1, b"ready\\n")  # whole, though four say it at once
while True:
    for key, _ in waiting.select():
        if key.fileobj.type == socket.SOCK_STREAM:
            connection, address = key.fileobj.accept()
            connection.sendall(address[0].encode())
            connection.close()
        else:
            _, address = key.fileobj.recvfrom(100)
            key.fileobj.sendto(address[0].encode(), address)
"""

CALLER = """
import socket, sys
host, port, kind, own = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
of_kind = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "icmp": (socket.SOCK_RAW, 1)}
caller = socket.socket(socket.AF_INET, *of_kind[kind])
caller.settimeout(0.7)
try:
    caller.bind((own, 0))
    caller.connect((host, port))
    if kind != "tcp":
        caller.send(bytes.fromhex("0800f7fd00010001"))  # an ICMP echo request, to UDP as good as anything
    answer = caller.recv(100)
    print("echo" if kind == "icmp" else answer.decode())
except TimeoutError:
    print("silence")
except OSError as error:
    print(error.strerror)
"""


@attrs.frozen
class Ground:
    """The namespaces, held by one process."""

    holder: int

    def run(self, place: str, *argv: str) -> str:
        enter = [program("nsenter"), "--target", str(self.holder), "--net", "--mount"]
        inside = [] if place == "head" else [program("ip"), "netns", "exec", place]
        done = subprocess.run([*enter, *inside, *argv], capture_output=True, text=True, timeout=20, check=False)
        return done.stdout.strip()

    def call(self, place: str, host: str, port: int, *, kind: str = "tcp", own: str = "") -> str:
        """Return as whom `host` sees a caller from `place`, or how the call failed."""
        return self.run(place, sys.executable, "-c", CALLER, host, str(port), kind, own)


@pytest.fixture(scope="module")
def ground(disk: Disks) -> Iterator[Ground]:
    words = [str(disk["head"]), program("nft"), program("sysctl"), sys.executable, SERVER]
    argv = [program("unshare"), "--net", "--mount", "--pid", "--kill-child", "sh", "-euc", GROUND, "sh", *words]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(4)] == ["ready\n"] * 4
        yield Ground(process.pid)
        process.kill()


def test_workers_reach_the_world_as_the_head(ground: Ground) -> None:
    assert ground.call("zero1", "10.0.0.2", 80) == "10.0.0.1"
    assert ground.call("aplus", "10.0.0.2", 80) == "10.0.0.1"
    assert ground.call("zero1", "10.0.0.2", 80, kind="udp") == "10.0.0.1"


def test_the_world_reaches_the_heads_ssh_and_nothing_else(ground: Ground) -> None:
    assert ground.call("world", "10.0.0.1", 22) == "10.0.0.2"
    assert ground.call("world", "10.0.0.1", 80) == "silence"
    assert ground.call("world", "10.0.0.1", 22, kind="udp") == "silence"
    assert ground.call("world", "10.0.0.1", 0, kind="icmp") == "echo"


def test_the_world_reaches_no_worker_though_it_knows_the_way(ground: Ground) -> None:
    for address in ("192.168.7.2", "192.168.7.4"):
        assert ground.call("world", address, 80) == "silence"
    assert ground.call("world", "192.168.7.2", 22) == "silence"
    assert ground.call("world", "192.168.7.2", 0, kind="icmp") == "silence"


COUNTERS = """
add table inet probe
add chain inet probe arrived { type filter hook prerouting priority raw; }
add rule inet probe arrived iifname eth0 ip saddr 192.168.7.0/24 counter
add chain inet probe accepted { type filter hook input priority 100; }
add rule inet probe accepted iifname eth0 ip saddr 192.168.7.0/24 counter
"""


def test_the_world_cannot_pass_for_a_worker(ground: Ground) -> None:
    ground.run("head", program("nft"), COUNTERS)
    ground.call("world", "10.0.0.1", 22, own="192.168.7.77")
    counted = ground.run("head", program("nft"), "list", "table", "inet", "probe")
    arrived, accepted = re.findall(r"packets (\d+)", counted)
    assert int(arrived) > 0
    assert int(accepted) == 0


def test_workers_reach_the_head_and_each_other_whatever_their_wires(ground: Ground) -> None:
    assert ground.call("zero1", "192.168.7.1", 80) == "192.168.7.2"
    assert ground.call("aplus", "192.168.7.1", 80) == "192.168.7.4"
    assert ground.call("zero1", "192.168.7.4", 80) == "192.168.7.2"
    assert ground.call("aplus", "192.168.7.2", 80) == "192.168.7.4"


def test_the_head_reaches_everybody(ground: Ground) -> None:
    assert ground.call("head", "10.0.0.2", 80) == "10.0.0.1"
    assert ground.call("head", "192.168.7.2", 22) == "192.168.7.1"
    assert ground.call("head", "192.168.7.4", 80) == "192.168.7.1"


def test_without_the_rules_the_world_would_reach_the_workers(ground: Ground) -> None:
    """What the tests above rest on: it is the rules that keep the world out."""
    rules = ground.run("head", program("nft"), "list", "table", "inet", "pibramble")
    ground.run("head", program("nft"), "delete", "table", "inet", "pibramble")
    try:
        assert ground.call("world", "192.168.7.2", 80) == "10.0.0.2"
        assert ground.call("world", "192.168.7.2", 0, kind="icmp") == "echo"
    finally:
        ground.run("head", program("nft"), rules)
