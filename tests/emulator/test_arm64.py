"""Cards of 64-bit boards boot on QEMU's virtual machine: their kernel, programs and files, not their drivers."""

from __future__ import annotations

import json
import re

import pytest

from tests.emulator.bench import EXAMPLES, Bench

pytestmark = [pytest.mark.emulator, pytest.mark.long, pytest.mark.timeout(3600)]

NODES = ("head", "two", "line")


def test_a_good_card_boots_and_is_called_good(bench64: Bench) -> None:
    done = bench64.run("card", "verify", "two", "--boot", "--json", timeout_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    [verdict] = json.loads(done.stdout)
    print(verdict["seen"])
    assert verdict["good"]
    assert "running, root 1." in verdict["seen"]


def test_every_node_is_well(cluster64: Bench) -> None:
    statuses = cluster64.statuses()
    assert tuple(statuses) == NODES
    assert all(node["reachable"] for node in statuses.values()), statuses
    assert len({node["mpich"] for node in statuses.values()}) == 1


def test_it_is_a_64_bit_system_with_the_one_core_that_differences_promise(cluster64: Bench) -> None:
    assert {cluster64.on(node, "uname -m; nproc; cut -c1-2 /etc/debian_version") for node in NODES} == {
        "aarch64\n1\n13"
    }


def test_no_unit_has_failed(cluster64: Bench) -> None:
    said = {node: cluster64.on(node, "sudo systemctl --failed --no-legend --plain") for node in NODES}
    assert said == dict.fromkeys(NODES, "")


def test_the_links_are_gadget_ethernet_and_ppp_with_the_planned_addresses(cluster64: Bench) -> None:
    plan = cluster64.json("plan", "--json")
    links = {worker["name"]: worker["link"] for worker in plan["workers"]}
    interface = links["two"]["head_interface"]
    assert cluster64.on("head", f"cat /sys/class/net/{interface}/address") == links["two"]["head_mac"]
    assert cluster64.on("two", "cat /sys/class/net/uplink/address") == links["two"]["worker_mac"]
    assert cluster64.on("head", f"basename $(readlink /sys/class/net/{interface}/device/driver)") == "cdc_ether"
    assert "g_ether" in cluster64.on("two", "ls /sys/module")
    assert "pppd call head" in cluster64.on("line", "sudo ps -C pppd -o args=")
    assert "uart:PL011" in cluster64.on("line", "sudo cat /proc/tty/driver/ttyAMA")


def test_every_node_resolves_and_reaches_every_other(cluster64: Bench) -> None:
    for node in NODES:
        for other in NODES:
            assert "1 received" in cluster64.on(node, f"sudo ping -c 1 -W 20 {other}"), (node, other)


@pytest.mark.parametrize(
    ("words", "places"),
    [
        # One over USB, one over PPP; the head with both; as many as the boards have cores, which share the guest's one.
        (("-n", "2", "--ppn", "1"), ["line", "two"]),
        (("-n", "3", "--ppn", "1", "--with-head"), ["head", "line", "two"]),
        ((), ["line"] * 4 + ["two"] * 4),
    ],
)
def test_pi_is_computed_over_usb_and_ppp_and_no_link_is_lost(
    cluster64: Bench, words: tuple[str, ...], places: list[str]
) -> None:
    """Ranks wait by polling: what the kernel, pppd and sshd need must get its turn all the same."""
    said = cluster64.ok("run", *words, str(EXAMPLES / "cpi.c"), "1000000", timeout_s=600)
    assert sorted(re.findall(r"runs on (\w+)", said)) == places
    assert "pi is about 3.14159265358" in said
    assert "No response" not in cluster64.on("head", "sudo journalctl --boot -u pibramble-ppp@line --no-pager")
    assert all(node["reachable"] for node in cluster64.statuses().values())


def test_what_boots_and_for_how_long(cluster64: Bench) -> None:
    for node in NODES:
        print(node, cluster64.on(node, "sudo systemd-analyze time | head -n 1"))
