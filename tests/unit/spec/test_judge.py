"""The judge is pure: clusters of our own types go in, findings come out. Exact words are pinned in tests/golden."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import attrs
import pytest

from pibramble.catalog.load import boards
from pibramble.plan.model import BRIDGE
from pibramble.spec.findings import Severity
from pibramble.spec.judge import judge
from pibramble.spec.model import Cluster, ClusterSection, HeadSection, LabSection, Link, NodeOverride, WorkerGroup
from pibramble.spec.rules.links import NAMED_RATES
from pibramble.spec.rules.names import TAKEN_INTERFACES, is_public_key

ZERO = WorkerGroup(name="zero1")


def rules(cluster: Cluster) -> list[tuple[str, str]]:
    """Return each finding's rule, and its path as a person would write it."""
    return [(found.rule, ".".join(map(str, found.path))) for found in judge(cluster)]


def serial(**options: object) -> WorkerGroup:
    given = {"name": "mate", "link": Link.SERIAL, "head_port": "/dev/ttyAMA0", **options}
    return WorkerGroup(**given)  # type: ignore[arg-type]  # keyword arguments of one call, kept apart


def test_a_sound_cluster_has_no_findings() -> None:
    assert judge(Cluster(workers=(ZERO, serial()))) == []


def test_judging_looks_at_nothing_but_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    boards()  # the catalogue is read once in a process
    monkeypatch.setattr(os, "open", None)
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr("time.time", None)
    assert judge(Cluster(workers=(ZERO,))) == []


def test_the_head_without_workers_is_no_cluster() -> None:
    assert rules(Cluster()) == [("no-workers", "")]


@pytest.mark.parametrize("board", boards())
@pytest.mark.parametrize("link", Link)
def test_a_board_has_the_links_that_the_catalogue_gives_it(board: str, link: Link) -> None:
    group = WorkerGroup(name="x", board=board, link=link, head_port=None if link is Link.USB else "/dev/ttyUSB0")
    if link is Link.ETHERNET:
        group = WorkerGroup(name="x", board=board, link=link)
    possible = {
        Link.USB: boards()[board].usb_gadget,
        Link.SERIAL: bool(boards()[board].uarts),
        Link.ETHERNET: boards()[board].ethernet_mbit is not None,
    }[link]
    found = [rule for rule, _ in rules(Cluster(head=HeadSection(board="pi-4b"), workers=(group,)))]
    assert found == ([] if possible else ["impossible-link"])


@pytest.mark.parametrize("prefix", range(22, 31))
def test_a_subnet_is_full_to_the_last_address_and_not_one_more(prefix: int) -> None:
    section = ClusterSection(subnet=IPv4Network(("10.1.0.0", prefix)))
    most = 2 ** (32 - prefix) - 3  # network, broadcast, head
    head = HeadSection(board="pc")

    def too_small(workers: int) -> list[str]:
        cluster = Cluster(cluster=section, head=head, workers=(WorkerGroup(name=f"n[1-{workers}]"),))
        return [found.cure for found in judge(cluster) if found.rule == "subnet-too-small"]

    assert too_small(most) == []
    assert too_small(most + 1) == [f'a /{prefix - 1} would do: "{IPv4Network(("10.1.0.0", prefix - 1))}"']


def test_a_range_of_addresses_that_runs_into_anothers_is_told_once() -> None:
    groups = (
        WorkerGroup(name="a[1-9]", address=IPv4Address("192.168.7.10")),
        WorkerGroup(name="b[1-9]", address=IPv4Address("192.168.7.15")),
    )
    assert rules(Cluster(head=HeadSection(board="pi-3b"), workers=groups)) == [("address", "workers.1.address")]


def test_the_heads_default_address_is_taken_too() -> None:
    group = WorkerGroup(name="a", address=IPv4Address("192.168.7.1"))
    assert rules(Cluster(workers=(group,))) == [("address", "workers.0.address")]
    moved = HeadSection(address=IPv4Address("192.168.7.254"))
    assert rules(Cluster(head=moved, workers=(group,))) == []


def test_addresses_at_the_end_of_the_address_space_do_no_harm() -> None:
    group = WorkerGroup(name="a[1-9]", address=IPv4Address("255.255.255.250"))
    assert ("address", "workers.0.address") in rules(Cluster(workers=(group,)))


def test_networks_that_touch_do_not_overlap() -> None:
    cluster = Cluster(
        cluster=ClusterSection(subnet=IPv4Network("10.0.0.0/24")),
        head=HeadSection(uplink_address=IPv4Interface("10.0.1.2/24"), uplink_gateway=IPv4Address("10.0.1.1")),
        workers=(ZERO,),
        lab=LabSection(world=IPv4Network("10.0.2.0/30")),
    )
    assert judge(cluster) == []


@pytest.mark.parametrize("baud", NAMED_RATES)
def test_a_named_rate_within_both_limits_is_accepted(baud: int) -> None:
    group = serial(baud=baud, flow_control=True)
    assert [rule for rule, _ in rules(Cluster(workers=(group,)))] == ([] if 9_600 <= baud <= 3_000_000 else ["baud"])


def test_the_slower_end_sets_the_limit() -> None:
    group = serial(board="pi-zero-w", worker_port="/dev/ttyS0", baud=500_000)
    (found,) = judge(Cluster(workers=(group,)))
    assert "mate's /dev/ttyS0" in found.message
    assert judge(Cluster(workers=(serial(board="pi-zero-w", baud=500_000),))) == []


def test_adapters_need_not_be_in_the_catalogue() -> None:
    for port in ("/dev/ttyUSB7", "/dev/ttyACM0", "/dev/ttyMAX3", "/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0"):
        assert judge(Cluster(workers=(serial(head_port=port),))) == [], port


@pytest.mark.parametrize(
    "port", ["/dev/../etc/passwd", "/etc/passwd", "/dev/tty USB0", "/dev/", "ttyUSB0", "", "/dev/a\nb"]
)
def test_a_port_is_a_device_and_nothing_else(port: str) -> None:
    found = [rule for rule, _ in rules(Cluster(workers=(serial(head_port=port),)))]
    assert found in (["head-port"], ["no-head-port"])


def test_a_pc_may_have_any_serial_port() -> None:
    head = HeadSection(board="pc", uplink="enp3s0")
    assert judge(Cluster(head=head, workers=(serial(head_port="/dev/ttyS4"),))) == []


def test_a_port_given_by_an_override_counts() -> None:
    groups = (serial(name="a"), serial(name="b", head_port="/dev/ttyUSB0"))
    clash = {"b": NodeOverride(head_port="/dev/ttyAMA0")}
    assert rules(Cluster(workers=groups, nodes=clash)) == [("duplicate-port", "nodes.b.head_port")]


def test_a_range_may_get_its_ports_from_overrides_alone() -> None:
    group = WorkerGroup(name="m[1-2]", link=Link.SERIAL)
    one = {"m1": NodeOverride(head_port="/dev/ttyUSB0")}
    assert rules(Cluster(workers=(group,), nodes=one)) == [("no-head-port", "workers.0.link")]
    both = {**one, "m2": NodeOverride(head_port="/dev/ttyUSB1")}
    assert rules(Cluster(workers=(group,), nodes=both)) == []


def test_case_does_not_make_two_names_of_one() -> None:
    workers = (WorkerGroup(name="zero"), WorkerGroup(name="Zero"))
    assert ("duplicate-name", "workers.1.name") in rules(Cluster(workers=workers))


def test_what_is_unknown_is_not_judged_further() -> None:
    workers = (WorkerGroup(name="x[1-4", board="rock", link=Link.SERIAL, baud=1),)
    assert rules(Cluster(head=HeadSection(board="stone"), workers=workers)) == [
        ("bad-range", "workers.0.name"),
        ("unknown-board", "head.board"),
        ("unknown-board", "workers.0.board"),
    ]


def test_findings_without_a_cure_are_rare_and_none_is_empty() -> None:
    cluster = Cluster(
        cluster=ClusterSection(name="", user="root", subnet=IPv4Network("127.0.0.0/30"), ntp=(), nameservers=()),
        head=HeadSection(board="pi-zero", uplink="lo"),
        workers=(WorkerGroup(name="a[1-9]"), serial(baud=4)),
        lab=LabSection(disk_mb=1),
    )
    found = judge(cluster)
    assert len(found) > 8
    assert all(finding.message and finding.cure for finding in found)
    assert {finding.severity for finding in found} == set(Severity)


def test_the_bridge_that_the_plan_makes_is_the_one_that_is_kept_free() -> None:
    assert BRIDGE in TAKEN_INTERFACES


def test_public_keys(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Take ssh-keygen's own."""
    import subprocess

    folder = tmp_path_factory.mktemp("keys")
    for kind in ("ed25519", "ecdsa", "rsa"):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", folder / kind], check=True, timeout=60)
        line = (folder / f"{kind}.pub").read_text()
        assert is_public_key(line)
        assert is_public_key(f'from="10.0.0.0/8",no-pty {line}')
        assert not is_public_key(line.replace(" AAAA", " AAAB"))
        assert not is_public_key((folder / kind).read_text())
    for wrong in ("", "ssh-ed25519", "ssh-ed25519 AAAA", "hello world", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5\nAAAA"):
        assert not is_public_key(wrong)


@pytest.mark.parametrize("metres", [0.0, -1.0, float("nan"), float("inf"), 1001.0])
def test_what_is_no_length_of_a_cable_is_refused(metres: float) -> None:
    line = WorkerGroup(name="w", link=Link.SERIAL, head_port="/dev/ttyAMA0", cable_m=metres)
    assert rules(Cluster(workers=(line,))) == [("cable-length", "workers.0.cable_m")]
    assert rules(Cluster(workers=(attrs.evolve(line, cable_m=0.3),))) == []


def test_the_length_of_a_usb_cable_has_no_effect() -> None:
    assert rules(Cluster(workers=(attrs.evolve(ZERO, cable_m=1.0),))) == [("no-effect", "workers.0.cable_m")]
