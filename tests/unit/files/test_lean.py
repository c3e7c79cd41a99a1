"""What a board leaves out at boot, as systemd and modprobe read it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pibramble.files import lean
from pibramble.files.render import render
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, HeadSection, WorkerGroup
from tests.unit.files.disks import Disks
from tests.unit.files.readers import program, read

UNITS = Path("/usr/lib/systemd/system")
MASKED = [Path(link.path).name for link in lean.services() if link.target == "/dev/null"]
NEWER = {"systemd-udev-load-credentials.service"}  # than Debian bookworm's systemd: since 254


@pytest.mark.parametrize("unit", MASKED)
def test_what_is_left_out_is_a_unit_of_debians(unit: str) -> None:
    """A name with a slip in it would leave nothing out, and nobody would notice."""
    if not (UNITS / "getty@.service").exists():
        pytest.skip("needs Debian's systemd")
    template = re.sub(r"@[^.]+", "@", unit)
    if unit in NEWER and not (UNITS / template).exists():
        pytest.skip("this machine's systemd is older")
    assert (UNITS / template).exists()


@pytest.mark.parametrize("unit", MASKED)
def test_systemd_does_not_start_it(disk: Disks, unit: str) -> None:
    done = read([program("systemctl"), f"--root={disk['zero1']}", "is-enabled", unit])
    assert done.stdout.strip() == "masked", done.stderr


def test_what_the_board_lives_on_is_not_masked(disk: Disks) -> None:
    for node in disk.nodes.values():
        masked = {Path(link.path).name for link in node.links if link.target == "/dev/null"}
        needed = {
            "ssh.service",
            "systemd-networkd.service",
            "systemd-udevd.service",
            "nftables.service",
            "chrony.service",
        }
        # Grows and checks the root, and mounts the disk in memory.
        needed |= {"systemd-fsck-root.service", "systemd-remount-fs.service", "tmp.mount", "dev-shm.mount"}
        assert not needed & masked, node.node


def test_modprobe_loads_no_driver_for_a_screen_by_itself(disk: Disks) -> None:
    done = read([program("modprobe"), "-c", "-C", str(disk["four"] / "etc/modprobe.d")])
    blacklisted = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("blacklist ")}
    assert {"vc4", "vchiq", "snd_bcm2835"} <= blacklisted
    # What carries links and the card's own disk.
    assert not {"dwc2", "g_ether", "cdc_ether", "smsc95xx", "bcm2835_rng", "bcm2835", "sdhci_iproc"} & blacklisted


def test_a_pc_keeps_what_it_has(disk: Disks) -> None:
    """Its screen and its sound are its person's."""
    pc = Cluster(head=HeadSection(board="pc"), workers=(WorkerGroup(name="zero1"),))
    node = render(resolve(pc), disk.keyring, "head")
    assert not {Path(link.path).name for link in node.links if link.target == "/dev/null"} & set(MASKED)
    assert not [file.path for file in node.files if "lean" in file.path]
