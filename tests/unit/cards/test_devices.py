"""What a device is and why it must not be written to, from sysfs as kernels show it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pibramble.cards.devices import Device, DeviceError, System, Use

GIB = 1 << 30


class Machine:
    """A machine's /sys and /proc, in a folder."""

    def __init__(self, root: Path) -> None:
        self.sys, self.proc = root / "sys", root / "proc"
        (self.sys / "class" / "block").mkdir(parents=True)
        (self.sys / "dev" / "block").mkdir(parents=True)
        (self.proc / "self").mkdir(parents=True)
        (self.proc / "swaps").write_text("Filename Type Size Used Priority\n")
        (self.proc / "self" / "mountinfo").write_text("22 27 0:21 / /proc rw,relatime - proc proc rw\n")

    def block(self, name: str, number: str, *, size: int = 8 * GIB, of: str = "", **texts: str) -> Path:
        folder = self.sys / "devices" / (f"{of}/{name}" if of else name)
        (folder / "holders").mkdir(parents=True)
        (folder / "slaves").mkdir()
        for file, text in {"size": str(size // 512), "ro": "0", "removable": "0", **texts}.items():
            place = folder / file.replace("__", "/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{text}\n")
        if of:
            (folder / "partition").write_text("1\n")
        (self.sys / "class" / "block" / name).symlink_to(folder)
        (self.sys / "dev" / "block" / number).symlink_to(folder)
        return folder

    def rests_on(self, upper: str, lower: str) -> None:
        up, low = ((self.sys / "class" / "block" / name).resolve() for name in (upper, lower))
        (up / "slaves" / lower).symlink_to(low)
        (low / "holders" / upper).symlink_to(up)

    def mount(self, number: str, place: str, source: str = "none") -> None:
        with (self.proc / "self" / "mountinfo").open("a") as stream:
            stream.write(f"30 22 {number} / {place} rw,relatime shared:1 - ext4 {source} rw\n")

    def look(self, number: str, path: str = "/dev/sdx") -> Device:
        return System(self.sys, self.proc).block(Path(path), number)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def reasons(device: Device, needed: int = GIB, *, allow_fixed: bool = False) -> list[str]:
    return [reason for reason, _ in device.objections(needed, allow_fixed=allow_fixed)]


def test_a_card_in_a_usb_reader_is_taken(machine: Machine) -> None:
    machine.block("sdb", "8:16", removable="1", device__vendor="Generic ", device__model="STORAGE DEVICE")
    machine.block("sdb1", "8:17", of="sdb", size=GIB)
    device = machine.look("8:16")
    assert device.model == "Generic STORAGE DEVICE"
    assert device.size_bytes == 8 * GIB
    assert [(part.block, part.size_bytes) for part in device.partitions] == [("sdb1", GIB)]
    assert reasons(device) == []


def test_a_card_in_a_built_in_slot_is_taken_though_it_does_not_call_itself_removable(machine: Machine) -> None:
    machine.block("mmcblk0", "179:0", device__type="SD", device__name="SC16G")
    assert reasons(machine.look("179:0")) == []


def test_soldered_flash_is_a_fixed_disk(machine: Machine) -> None:
    machine.block("mmcblk1", "179:8", device__type="MMC")
    assert reasons(machine.look("179:8")) == ["/dev/sdx is a fixed disk, not a card"]
    assert reasons(machine.look("179:8"), allow_fixed=True) == []


@pytest.mark.parametrize("place", ["/", "/boot/efi", "/home"])
def test_the_disk_the_machine_runs_from_is_refused_whatever_is_allowed(machine: Machine, place: str) -> None:
    machine.block("sda", "8:0")
    machine.block("sda1", "8:1", of="sda")
    machine.mount("8:1", place)
    said = [f"this machine runs from /dev/sdx: sda1 is mounted on {place}"]
    assert reasons(machine.look("8:0"), allow_fixed=True) == said


def test_the_disk_under_lvm_on_encryption_is_the_disk_the_machine_runs_from(machine: Machine) -> None:
    machine.block("sda", "8:0")
    machine.block("sda2", "8:2", of="sda")
    machine.block("dm-0", "254:0", dm__name="luks")
    machine.block("dm-1", "254:1", dm__name="vg-root")
    machine.rests_on("dm-0", "sda2")
    machine.rests_on("dm-1", "dm-0")
    machine.mount("254:1", "/")
    assert machine.look("8:0").uses == (Use("sda2", "mounted on /", vital=True), Use("sda2", "part of luks"))


def test_a_btrfs_root_is_found_by_its_source(machine: Machine) -> None:
    machine.block("sda", "8:0")
    machine.block("sda3", "8:3", of="sda")
    machine.mount("0:33", "/", "/dev/sda3")
    assert reasons(machine.look("8:0"), allow_fixed=True) == ["this machine runs from /dev/sdx: sda3 is mounted on /"]


def test_a_mounted_card_is_in_use(machine: Machine) -> None:
    machine.block("sdb", "8:16", removable="1")
    machine.block("sdb1", "8:17", of="sdb")
    machine.mount("8:17", "/media/me/boot\\040fs")
    assert reasons(machine.look("8:16")) == ["/dev/sdx is in use: sdb1 is mounted on /media/me/boot fs"]


def test_swap_and_raid_are_uses(machine: Machine) -> None:
    machine.block("sda", "8:0")
    machine.block("sda1", "8:1", of="sda")
    machine.block("sdb", "8:16")
    machine.block("md0", "9:0")
    machine.rests_on("md0", "sdb")
    with (machine.proc / "swaps").open("a") as stream:
        stream.write("/dev/sda1 partition 1000 0 -2\n")
    assert reasons(machine.look("8:0"), allow_fixed=True) == ["this machine runs from /dev/sdx: sda1 is swap space"]
    assert reasons(machine.look("8:16"), allow_fixed=True) == ["/dev/sdx is in use: sdb is part of md0"]


def test_a_partition_is_refused_and_its_disk_named(machine: Machine) -> None:
    machine.block("sdb", "8:16", removable="1")
    machine.block("sdb1", "8:17", of="sdb")
    objections = machine.look("8:17", "/dev/sdb1").objections(GIB, allow_fixed=False)
    assert objections == [("/dev/sdb1 is a partition", "a card takes the whole disk: /dev/sdb")]


def test_an_empty_reader_a_small_card_and_a_write_protected_one_are_refused(machine: Machine) -> None:
    machine.block("sdb", "8:16", removable="1", size=0)
    machine.block("sdc", "8:32", removable="1", size=GIB // 2)
    machine.block("sdd", "8:48", removable="1", ro="1")
    assert reasons(machine.look("8:16")) == ["there is no card in /dev/sdx"]
    small = "/dev/sdx is too small: it has 536,870,912 bytes, the card needs 1,073,741,824"
    assert reasons(machine.look("8:32")) == [small]
    assert reasons(machine.look("8:48")) == ["/dev/sdx is write-protected"]


def test_a_pulled_device_is_said(machine: Machine) -> None:
    with pytest.raises(DeviceError, match="no disk for /dev/sdx"):
        machine.look("8:16")


def test_a_regular_file_stands_for_a_card(tmp_path: Path) -> None:
    path = tmp_path / "card.img"
    path.write_bytes(bytes(4096))
    (tmp_path / "link").symlink_to(path)
    device = System().look(tmp_path / "link")
    assert (device.path, device.is_file, device.size_bytes) == (path, True, 4096)
    assert reasons(device, 4096) == []


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    for path, said in {Path("/dev/null"): "is no disk", tmp_path: "is no disk", tmp_path / "x": "No such file"}.items():
        with pytest.raises(DeviceError, match=said):
            System().look(path)


def test_the_disk_these_tests_run_from_would_be_refused() -> None:
    number = Path("/").stat().st_dev
    name = f"{os.major(number)}:{os.minor(number)}"
    if not Path(f"/sys/dev/block/{name}").exists():
        pytest.skip("the root of this machine is no disk that can be seen from here")
    assert any(use.vital for use in System().block(Path("/dev/root"), name).uses)
