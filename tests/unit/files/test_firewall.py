"""The firewall's rules, as nft reads them. What they do is tried in tests/lab/files."""

from __future__ import annotations

import json
from ipaddress import IPv4Network

from pibramble.files import firewall
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ClusterSection, WorkerGroup
from tests.unit.files.disks import Disks
from tests.unit.files.readers import apart, program


def test_nft_accepts_the_rules(disk: Disks) -> None:
    done = apart('"$1" -c -f "$2"', program("nft"), str(disk["head"] / "etc/nftables.conf"))
    assert (done.returncode, done.stderr) == (0, "")


def test_loading_twice_changes_nothing_and_leaves_other_tables_alone(disk: Disks) -> None:
    script = '"$1" add table inet mine; "$1" -f "$2"; "$1" list ruleset; echo ----; "$1" -f "$2"; "$1" list ruleset'
    done = apart(script, program("nft"), str(disk["head"] / "etc/nftables.conf"))
    assert done.returncode == 0, done.stderr
    once, twice = done.stdout.split("----\n")
    assert once == twice
    assert "table inet mine" in twice


def test_what_is_not_allowed_is_dropped(disk: Disks) -> None:
    done = apart('"$1" -f "$2"; "$1" -j list chains', program("nft"), str(disk["head"] / "etc/nftables.conf"))
    chains = [item["chain"] for item in json.loads(done.stdout)["nftables"] if "chain" in item]
    assert {chain["name"]: chain["policy"] for chain in chains if chain.get("type") == "filter"} == {
        "input": "drop",
        "forward": "drop",
    }


def test_a_worker_has_no_firewall(disk: Disks) -> None:
    assert "/etc/nftables.conf" not in {file.path for file in disk.nodes["zero1"].files}


def test_forwarding_is_switched_on_by_a_file_that_sysctl_reads(disk: Disks) -> None:
    script = '"$1" "$2"; cat /proc/sys/net/ipv4/ip_forward'
    done = apart(script, program("systemd-sysctl"), str(disk["head"] / "etc/sysctl.d/60-pibramble.conf"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_the_neighbour_table_has_room_for_every_node() -> None:
    section = ClusterSection(subnet=IPv4Network("10.0.0.0/16"))
    plan = resolve(Cluster(cluster=section, workers=(WorkerGroup(name="n[1-1000]"),)))
    content = firewall.forwarding(plan).content
    assert "-net.ipv4.neigh.default.gc_thresh3 = 8008\n" in content
