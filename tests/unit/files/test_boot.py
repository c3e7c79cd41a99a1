"""What the boot partition must say, tried on the files that the base systems bring along."""

from __future__ import annotations

import pytest

from pibramble.files import boot
from pibramble.files.model import Edit, NodeFile, NodeFiles
from pibramble.files.render import render
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, HeadSection, Link, WorkerGroup
from tests.unit.files.disks import Disks

RASPBERRY_PI_OS = """\
dtparam=audio=on
camera_auto_detect=1
dtoverlay=vc4-kms-v3d
max_framebuffers=2

[cm4]
otg_mode=1

[cm5]
dtoverlay=dwc2,dr_mode=host

[all]
"""
COMMAND_LINE = "console=serial0,115200 console=tty1 root=PARTUUID=4c1f-02 rootfstype=ext4 fsck.repair=yes rootwait\n"
SETTINGS = "/boot/firmware/pibramble.txt"


def edit(node: NodeFiles, path: str) -> Edit:
    (found,) = (edit for edit in node.edits if edit.path == path)
    return found


def settings(disk: Disks, node: str) -> list[str]:
    return disk.nodes[node].content(SETTINGS).splitlines()


def masked(disk: Disks, node: str) -> set[str]:
    return {link.path.rpartition("/")[2] for link in disk.nodes[node].links if link.target == "/dev/null"}


def test_config_txt_includes_ours_in_every_boards_section(disk: Disks) -> None:
    changed = edit(disk.nodes["zero1"], "/boot/firmware/config.txt").apply(RASPBERRY_PI_OS)
    assert changed.endswith("[all]\ninclude pibramble.txt\n")
    assert "vc4-kms-v3d" not in changed
    assert "dwc2" not in changed
    assert "dtparam=audio=on\n" in changed


@pytest.mark.parametrize("text", [RASPBERRY_PI_OS, RASPBERRY_PI_OS + "[pi4]\nx=1\n", "", "x=1", "x=1\n\n\n"])
@pytest.mark.parametrize("node", ["head", "zero1", "aplus", "four"])
def test_changing_config_txt_twice_is_changing_it_once(disk: Disks, node: str, text: str) -> None:
    change = edit(disk.nodes[node], "/boot/firmware/config.txt")
    once = change.apply(text)
    assert change.apply(once) == once
    assert once.count("include pibramble.txt") == 1


def test_a_usb_worker_is_a_device_and_other_nodes_are_not(disk: Disks) -> None:
    assert "dtoverlay=dwc2,dr_mode=peripheral" in settings(disk, "zero1")
    for node in ("head", "aplus", "four"):
        assert not [line for line in settings(disk, node) if "dwc2" in line]


def test_screen_and_light_are_off_everywhere(disk: Disks) -> None:
    for node in disk.nodes:
        assert {"hdmi_ignore_hotplug=1", "dtparam=act_led_trigger=none"} <= set(settings(disk, node))


def test_the_lights_polarity_is_the_boards(disk: Disks) -> None:
    for node in disk.plan.nodes:
        inverted = "dtparam=act_led_activelow=on" in settings(disk, node.name)
        assert inverted == node.board.act_led_active_low


def test_a_serial_link_has_its_uart_and_a_clock_that_is_fast_enough(disk: Disks) -> None:
    for node in ("head", "aplus", "w-1"):
        assert {"enable_uart=1", "init_uart_clock=48000000"} <= set(settings(disk, node))
    assert "dtoverlay=disable-bt" in settings(disk, "w-1")  # Bluetooth has the PL011 of a Zero W otherwise
    assert "dtoverlay=disable-bt" not in settings(disk, "aplus")


def test_four_megabaud_need_a_faster_clock() -> None:
    group = WorkerGroup(name="a", board="pi-zero", link=Link.SERIAL, head_port="/dev/ttyUSB0", baud=4_000_000)
    plan = resolve(Cluster(workers=(group,)))
    (file,) = (
        entry for entry in boot.worker(plan, plan.node("a")) if isinstance(entry, NodeFile) and entry.path == SETTINGS
    )
    assert "init_uart_clock=64000000" in file.content.splitlines()


def test_the_console_leaves_the_serial_link_and_stays_elsewhere(disk: Disks) -> None:
    changed = edit(disk.nodes["aplus"], "/boot/firmware/cmdline.txt").apply(COMMAND_LINE)
    assert changed == COMMAND_LINE.removeprefix("console=serial0,115200 ")
    assert "/boot/firmware/cmdline.txt" not in {change.path for change in disk.nodes["zero1"].edits}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("root=x console=ttyAMA0,115200\n", "root=x\n"),
        ("console=ttyAMA0 console=ttyAMA01 root=x\n", "console=ttyAMA01 root=x\n"),
        ("kgdboc=serial0,115200 netconsole=ttyAMA0 root=x\n", "netconsole=ttyAMA0 root=x\n"),
        ("root=x", "root=x\n"),
    ],
)
def test_only_the_links_own_consoles_go(disk: Disks, before: str, after: str) -> None:
    change = edit(disk.nodes["aplus"], "/boot/firmware/cmdline.txt")
    assert change.apply(before) == after
    assert change.apply(after) == after


def test_the_heads_uplink_keeps_the_name_that_the_cluster_file_uses(disk: Disks) -> None:
    change = edit(disk.nodes["head"], "/boot/firmware/cmdline.txt")
    once = change.apply(COMMAND_LINE)
    assert once.endswith(" rootwait net.ifnames=0\n")
    assert change.apply(once) == once


def test_nobody_logs_in_over_the_serial_link(disk: Disks) -> None:
    assert {"serial-getty@ttyAMA0.service"} <= masked(disk, "aplus")
    assert {"serial-getty@ttyAMA0.service", "serial-getty@ttyUSB0.service"} <= masked(disk, "head")
    assert not [unit for unit in masked(disk, "zero1") if unit.startswith("serial-getty")]


def test_a_pc_has_no_boot_partition_of_that_kind(disk: Disks) -> None:
    cluster = Cluster(head=HeadSection(board="pc"), workers=(WorkerGroup(name="zero1"),))
    node = render(resolve(cluster), disk.keyring, "head")
    paths = [file.path for file in node.files] + [edit.path for edit in node.edits]
    assert not [path for path in paths if path.startswith("/boot")]
