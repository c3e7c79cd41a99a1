"""config.txt as the firmware reads it."""

from __future__ import annotations

import pytest

from pibramble.targets.emulator import firmware


@pytest.mark.parametrize(
    ("config", "models", "kernel"),
    [
        ("", ["pi1"], "usual"),
        ("kernel=a\nkernel = b \n", ["pi1"], "b"),
        ("# kernel=a\n#kernel=b\n", ["pi1"], "usual"),
        ("[pi1]\nkernel=a\n[pi2]\nkernel=b\n", ["pi1"], "a"),
        ("[pi1]\nkernel=a\n[pi2]\nkernel=b\n", ["pi2"], "b"),
        ("[pi0]\nkernel=a\n[pi02]\nkernel=b\n", ["pi0", "pi0w", "pi02"], "b"),
        ("[pi0]\nkernel=a\n[pi02]\nkernel=b\n", ["pi0"], "a"),
        ("[PI2]\nkernel=a\n[ALL]\n", ["pi2"], "a"),
        ("[none]\nkernel=a\n", ["pi1"], "usual"),
        ("[none]\nkernel=a\n[all]\nkernel=b\n", ["pi1"], "b"),
        # Filters of different kinds must all hold; those of one kind replace each other.
        ("[gpio4=1]\n[pi1]\nkernel=a\n", ["pi1"], "usual"),
        ("[EDID=VSC-TD2220]\nkernel=a\n[0x12345678]\nkernel=b\n", ["pi1"], "usual"),
        ("[cm4]\notg_mode=1\n[all]\nkernel=a\n", ["pi1"], "a"),
        ("[cm4]\nkernel=a\n", ["pi4"], "usual"),
    ],
)
def test_the_last_kernel_that_a_boards_filters_let_through(config: str, models: list[str], kernel: str) -> None:
    assert firmware.kernel(firmware.settings(config, models), "usual") == kernel


@pytest.mark.parametrize(
    ("config", "kernel", "names"),
    [
        ("initramfs initrd.img-rpi\n", "vmlinuz-rpi", ("initrd.img-rpi",)),
        ("  initramfs  a,b 0x00f00000\n", "kernel.img", ("a", "b")),
        ("[pi1]\ninitramfs a followkernel\n[pi2]\ninitramfs b followkernel\n", "kernel7.img", ("b",)),
        ("auto_initramfs=1\n", "kernel.img", ("initramfs",)),
        ("auto_initramfs=1\n", "kernel7l.img", ("initramfs7l",)),
        ("auto_initramfs=1\n", "kernel_2712.img", ("initramfs_2712",)),
        ("auto_initramfs=1\ninitramfs a followkernel\n", "kernel8.img", ("a",)),
        ("auto_initramfs=1\n", "vmlinuz-rpi", ()),
        ("auto_initramfs=0\n", "kernel8.img", ()),
        ("", "kernel8.img", ()),
    ],
)
def test_the_initramfs_is_named_or_the_kernels_twin(config: str, kernel: str, names: tuple[str, ...]) -> None:
    assert firmware.initramfs(firmware.settings(config, ["pi2"]), kernel) == names
