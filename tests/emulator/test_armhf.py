"""The card of a Pi 2 boots on QEMU's virtual machine, beside a head of another kind: kernel, programs and files."""

from __future__ import annotations

import json
import re

import pytest

from tests.emulator.bench import Bench

pytestmark = [pytest.mark.emulator, pytest.mark.long, pytest.mark.timeout(3600)]


def test_both_are_well_and_the_worker_is_of_another_kind(cluster32: Bench) -> None:
    statuses = cluster32.statuses()
    assert {name: node["reachable"] for name, node in statuses.items()} == {"head": True, "two": True}, statuses
    assert len({node["mpich"] for node in statuses.values()}) == 1
    said = {node: cluster32.on(node, "uname -m; dpkg --print-architecture").split() for node in statuses}
    assert said == {"head": ["armv6l", "armel"], "two": ["armv7l", "armhf"]}
    assert cluster32.on("two", "sudo systemctl --failed --no-legend --plain") == ""


def test_its_initramfs_has_the_boards_sd_host(cluster32: Bench) -> None:
    """Which QEMU's machine has not: it boots by another driver."""
    within = cluster32.on("two", "lsinitramfs /boot/initrd.img-$(uname -r)")
    assert re.search(r"/mmc/host/bcm2835\.ko", within)
    assert re.search(r"/fs/ext4/ext4\.ko", within)


def test_card_verify_calls_it_good(cluster32: Bench) -> None:
    done = cluster32.run("card", "verify", "two", "--boot", "--json", timeout_s=900)
    [verdict] = json.loads(done.stdout)
    assert verdict["good"], verdict
