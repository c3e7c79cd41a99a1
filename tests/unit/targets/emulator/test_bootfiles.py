"""What a card's boot partition names is what is started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import attrs
import pytest

from pibramble.cards.image import RawImage
from pibramble.plan.model import Plan
from pibramble.targets.emulator import bootfiles
from pibramble.targets.emulator.bootfiles import BootError, BootFiles
from pibramble.targets.emulator.machines import machine_for
from tests.unit.cards import media

CONFIG = "# ours\narm_64bit=0\nkernel=old\nkernel=vmlinuz-rpi\ninitramfs initrd.img-rpi\n"
FILES = {
    "config.txt": CONFIG.encode(),
    "cmdline.txt": b"console=tty1 root=PARTUUID=x rw\n",
    "vmlinuz-rpi": os.urandom(100_000),
    "initrd.img-rpi": os.urandom(200_000),
    "bcm2835-rpi-b-rev2.dtb": b"\xd0\x0d\xfe\xed" + bytes(1000),
}


@attrs.frozen
class Slot:
    """Where a card is made and read."""

    card: Path
    plan: Plan

    def boot(self, files: dict[str, bytes], node: str = "head") -> BootFiles:
        """Put files into a card's boot partition, and read them as the emulator does."""
        made = self.card.with_name("files")
        made.mkdir()
        for name, content in files.items():
            (made / name).write_bytes(content)
        argv: list[str | Path] = ["mcopy", "-o", "-i", f"{self.card}@@1M", *made.iterdir(), "::"]
        subprocess.run(argv, check=True, env=media.SYSTEM)
        with RawImage(self.card) as image:
            return bootfiles.read(image, machine_for(self.plan.node(node)))


@pytest.fixture(scope="module")
def _empty_card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.card_image(tmp_path_factory.mktemp("media") / "card.img")


@pytest.fixture
def slot(_empty_card: Path, tmp_path: Path, plan: Plan) -> Slot:
    subprocess.run(["cp", "--sparse=always", _empty_card, tmp_path / "card.img"], check=True)
    return Slot(tmp_path / "card.img", plan)


def without(name: str) -> dict[str, bytes]:
    return {key: content for key, content in FILES.items() if key != name}


def test_the_files_that_the_boot_partition_names_are_read_whole(slot: Slot) -> None:
    assert slot.boot(FILES) == BootFiles(
        kernel=FILES["vmlinuz-rpi"],
        initramfs=FILES["initrd.img-rpi"],
        device_tree=FILES["bcm2835-rpi-b-rev2.dtb"],
        command_line="console=tty1 root=PARTUUID=x rw",
    )


def test_a_machine_that_brings_its_own_device_tree_takes_none(slot: Slot) -> None:
    assert slot.boot(without("bcm2835-rpi-b-rev2.dtb"), "two").device_tree == b""


@pytest.mark.parametrize("name", ["config.txt", "cmdline.txt", "vmlinuz-rpi", "initrd.img-rpi"])
def test_a_file_that_is_not_there_is_named(slot: Slot, name: str) -> None:
    with pytest.raises(BootError, match=f"card.img: its boot partition has no {name}") as error:
        slot.boot(without(name))
    assert "card build --anew" in error.value.hint


@pytest.mark.parametrize("line", ["initramfs initrd.img-rpi followkernel", "  initramfs  initrd.img-rpi 0x00f00000 "])
def test_where_the_firmware_puts_the_initramfs_does_not_matter(slot: Slot, line: str) -> None:
    files = {**FILES, "config.txt": f"kernel=vmlinuz-rpi\n{line}\n".encode()}
    assert slot.boot(files).initramfs == FILES["initrd.img-rpi"]


def test_without_a_word_on_the_kernel_it_is_the_firmwares_own_choice(slot: Slot) -> None:
    files = {**FILES, "config.txt": b"initramfs initrd.img-rpi\n", "kernel.img": b"the usual one"}
    assert slot.boot(files).kernel == b"the usual one"


@pytest.mark.parametrize("config", [b"kernel=vmlinuz-rpi\n", b"kernel=vmlinuz-rpi\n#initramfs initrd.img-rpi\n"])
def test_a_card_without_an_initramfs_is_refused(slot: Slot, config: bytes) -> None:
    with pytest.raises(BootError, match=r"config\.txt names no initramfs") as error:
        slot.boot({**FILES, "config.txt": config})
    assert "adds its own files" in error.value.hint


RASPIOS = {
    "config.txt": b"auto_initramfs=1\n[cm4]\notg_mode=1\n[all]\ninclude pibramble.txt\n",
    "cmdline.txt": FILES["cmdline.txt"],
    "kernel.img": b"for ARMv6",
    "initramfs": b"for ARMv6, too",
    "kernel8.img": b"for 64 bits",
    "initramfs8": b"for 64 bits, too",
    "bcm2708-rpi-b.dtb": b"of Raspberry Pi's kernel",
    "bcm2708-rpi-zero.dtb": b"of the Zero",
}


@pytest.mark.parametrize(
    ("node", "kernel", "initramfs", "tree"),
    [
        ("head", "kernel.img", "initramfs", b"of Raspberry Pi's kernel"),
        ("zero1", "kernel.img", "initramfs", b"of the Zero"),
        ("two", "kernel8.img", "initramfs8", b""),
    ],
)
def test_a_card_of_raspberry_pi_os_starts_what_the_firmware_would(
    slot: Slot, node: str, kernel: str, initramfs: str, tree: bytes
) -> None:
    found = slot.boot(RASPIOS, node)
    assert (found.kernel, found.initramfs, found.device_tree) == (RASPIOS[kernel], RASPIOS[initramfs], tree)


def test_linux_own_device_tree_goes_before_where_config_txt_says_so(slot: Slot) -> None:
    config = RASPIOS["config.txt"] + b"upstream_kernel=1\n"
    files = {**RASPIOS, "config.txt": config, "bcm2835-rpi-b-rev2.dtb": b"of Linux"}
    assert slot.boot(files).device_tree == b"of Linux"


def test_both_names_of_a_device_tree_that_is_not_there_are_said(slot: Slot) -> None:
    files = {name: content for name, content in RASPIOS.items() if not name.endswith(".dtb")}
    with pytest.raises(BootError, match=r"has no bcm2708-rpi-b\.dtb or bcm2835-rpi-b-rev2\.dtb"):
        slot.boot(files)


def test_several_archives_become_one_initramfs(slot: Slot) -> None:
    files = {**RASPIOS, "config.txt": b"initramfs initramfs,more followkernel\n", "more": b" and more"}
    assert slot.boot(files).initramfs == b"for ARMv6, too and more"
