"""systemd-networkd and udev, at work on the rendered files in a network namespace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.unit.files import disks
from tests.unit.files.disks import Disks
from tests.unit.files.readers import apart, program

pytestmark = pytest.mark.lab

# $1 networkd, $2 the files, $3 the interface to wait for, then NAME=MAC for each interface that is plugged in.
# A read-only /sys tells networkd that there is no udev to wait for, as in a container.
CONFIGURE = """
    mount -t sysfs -o ro none /sys
    mount -t tmpfs none /run
    mkdir -p /run/systemd/netif
    chown systemd-network: /run/systemd/netif
    mount --bind "$2" /etc/systemd/network
    networkd=$1; awaited=$3
    shift 3
    for interface in "$@"; do
        ip link add "${interface%%=*}" address "${interface#*=}" type veth peer name "p-${interface%%=*}"
    done
    ip link set lo up
    "$networkd" > /run/log 2>&1 &
    tries=0
    until ip -4 -o address show dev "$awaited" 2> /dev/null | grep -q inet || [ $((tries += 1)) -gt 100 ]; do
        sleep 0.05
    done
    sleep 0.3
    kill $!
    wait $! || true
    cat /run/log >&2
    ip -json address
    ip -json route
    cat /proc/sys/net/ipv4/conf/"$awaited"/proxy_arp
"""


@attrs.frozen
class Configured:
    """What networkd made of a node's interfaces."""

    interfaces: Mapping[str, Any]
    routes: list[dict[str, Any]]
    proxy_arp: bool
    log: str

    def addresses(self, name: str) -> list[str]:
        found = self.interfaces[name]["addr_info"]
        return [f"{address['local']}/{address['prefixlen']}" for address in found]


def configure(disk: Path, awaited: str, plugged: Mapping[str, str | None]) -> Configured:
    words = [program("systemd-networkd"), str(disk / "etc/systemd/network"), awaited]
    done = apart(CONFIGURE, *words, *(f"{name}={mac}" for name, mac in plugged.items()))
    assert done.returncode == 0, done.stderr
    interfaces, routes, proxy_arp = done.stdout.splitlines()
    by_name = {interface["ifname"]: interface for interface in json.loads(interfaces)}
    of_files = [line for line in done.stderr.splitlines() if "/etc/systemd/network/" in line]
    assert [line for line in of_files if "Configuring" not in line] == []
    return Configured(by_name, json.loads(routes), proxy_arp == "1", done.stderr)


def test_the_head_bridges_usb_and_ethernet_workers_by_their_addresses(disk: Disks) -> None:
    links = {node.name: node.link for node in disk.plan.workers if node.link}
    # Names as the kernel happens to give them: only the addresses count.
    plugged = {"usb7": links["zero1"].head_mac, "eth9": links["zero2"].head_mac, "eth1": "b8:27:eb:00:00:01"}
    found = configure(disk["head"], "bramble", plugged)
    assert found.addresses("bramble") == ["192.168.7.1/24"]
    assert found.interfaces["bramble"]["address"] == disk.plan.bridge_mac
    assert {name: found.interfaces[name].get("master") for name in plugged} == dict.fromkeys(plugged, "bramble")
    assert found.proxy_arp  # there are serial workers


def test_the_heads_bridge_has_its_address_with_nothing_plugged_in(disk: Disks) -> None:
    assert configure(disk["head"], "bramble", {}).addresses("bramble") == ["192.168.7.1/24"]


def test_a_foreign_adapter_stays_out_of_the_bridge(disk: Disks) -> None:
    found = configure(disk["head"], "bramble", {"usb0": "02:00:00:00:00:77"})
    assert "master" not in found.interfaces["usb0"]


def test_a_fixed_uplink_has_its_address_and_its_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIBRAMBLE_STATE", "somewhere")
    address, gateway = IPv4Interface("10.1.2.3/24"), IPv4Address("10.1.2.1")
    head = attrs.evolve(disks.CLUSTER.head, uplink_address=address, uplink_gateway=gateway)
    made = disks.make(tmp_path, attrs.evolve(disks.CLUSTER, head=head))
    # The cable must be in: the uplink is configured when it has a carrier.
    script = CONFIGURE.replace('"$networkd" >', 'ip link set p-eth0 up; "$networkd" >')
    words = [program("systemd-networkd"), str(made["head"] / "etc/systemd/network"), "eth0", "eth0=b8:27:eb:00:00:01"]
    done = apart(script, *words)
    assert done.returncode == 0, done.stderr
    routes = json.loads(done.stdout.splitlines()[1])
    assert [(route["gateway"], route["dev"]) for route in routes if route["dst"] == "default"] == [("10.1.2.1", "eth0")]


@pytest.mark.parametrize(("node", "address"), [("zero1", "192.168.7.2/24"), ("four", "192.168.7.6/24")])
def test_a_worker_has_its_address_and_goes_out_through_the_head(disk: Disks, node: str, address: str) -> None:
    link = disk.plan.node(node).link
    assert link is not None
    found = configure(disk[node], "uplink", {"uplink": link.worker_mac})
    assert found.addresses("uplink") == [address]  # and no IPv6
    gateways = [route["gateway"] for route in found.routes if route["dst"] == "default"]
    assert gateways == ["192.168.7.1"]


@pytest.mark.parametrize("node", ["zero1", "aplus"])
def test_a_mistake_in_a_file_would_be_seen(disk: Disks, node: str, tmp_path: Path) -> None:
    """What the tests above rest on: networkd says so when it does not understand a line."""
    folder = tmp_path / "etc/systemd/network"
    folder.mkdir(parents=True)
    for file in (disk[node] / "etc/systemd/network").iterdir():
        (folder / file.name).write_text(file.read_text() + "\n[Network]\nGatewayy=1\n")
    with pytest.raises(AssertionError, match="Unknown key"):
        configure(tmp_path, "lo", {})


NAME = """
    mount -t sysfs none /sys
    mount --bind "$2" /etc/systemd/network
    ip link add "$3" address "$4" type veth peer name other
    "$1" test-builtin net_setup_link /sys/class/net/"$3" 2>&1
    cat /sys/class/net/"$3"/address
"""


def named(disk: Path, kernel_name: str, mac: str | None) -> tuple[str, str]:
    """Return the name that udev would give an interface, and the address it has then."""
    done = apart(NAME, program("udevadm"), str(disk / "etc/systemd/network"), kernel_name, str(mac))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ignoring" not in done.stdout.replace("Failed to read $container of PID 1, ignoring", "")
    names = [line.partition("=")[2] for line in done.stdout.splitlines() if line.startswith("ID_NET_NAME=")]
    return (names or [kernel_name])[0], done.stdout.splitlines()[-1]


def test_udev_calls_each_usb_link_after_its_worker(disk: Disks) -> None:
    for worker in ("zero1", "zero2"):
        link = disk.plan.node(worker).link
        assert link is not None
        assert named(disk["head"], "usb3", link.head_mac) == (worker, link.head_mac)
        assert named(disk[worker], "usb0", link.worker_mac) == ("uplink", link.worker_mac)


def test_udev_gives_an_ethernet_worker_the_address_of_the_plan(disk: Disks) -> None:
    link = disk.plan.node("four").link
    assert link is not None
    assert named(disk["four"], "eth0", "dc:a6:32:00:00:01") == ("uplink", link.worker_mac)


def test_udev_leaves_other_interfaces_their_names(disk: Disks) -> None:
    assert named(disk["head"], "eth0", "b8:27:eb:00:00:01")[0] in {"eth0", "end0"}
    assert named(disk["zero1"], "eth0", "02:00:00:00:00:77")[0] != "uplink"
