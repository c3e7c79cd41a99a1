"""What consoles say, as real ones have said it, and what is made of it."""

from __future__ import annotations

import pytest

from pibramble.targets.emulator.stages import Stage, asked_for_reboot, readable, stage, trouble

# From the console of an emulated Pi Zero (Debian trixie, kernel 6.12).
KERNEL = (
    "\ufffd[    0.000000] Booting Linux on physical CPU 0x0\r\n"
    "[    0.000000] Linux version 6.12.107+deb13-rpi (debian-kernel@lists.debian.org) #1 Debian 6.12.107-1\r\n"
    "[    0.000000] OF: fdt: Machine model: Raspberry Pi Zero\r\n"
    "[   32.366184] EXT4-fs (mmcblk0p2): mounted filesystem f15b3ca2-7e80-5a89-a84f-84941b9c48d6 r/w with ordered data"
    " mode. Quota mode: none.\r\n"
)
SYSTEMD = (
    "[   76.444501] systemd[1]: System time advanced to built-in epoch: Mon 2026-04-13 19:38:05 UTC\r\n"
    "\x1b[0;1;39mWelcome to \x1b[0m\x1b[1mDebian GNU/Linux 13 (trixie)\x1b[0m\x1b[0;1;39m!\x1b[0m\r\n"
    "         Starting \x1b[0;1;39msystemd-networkd.service\x1b[0m - Network Configuration...\r\r\n"
    "\x1b[K[  \x1b[0;31m*\x1b[0;1;31m*\x1b[0m] (1 of 4) Job systemd-networkd.service/start running (53s)\r\r\n"
)
NETWORK = (
    "\x1b[K[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39msystemd-networkd.service\x1b[0m - Network Configuration.\r\r\n"
    "\x1b[K[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mnetwork.target\x1b[0m - Network.\r\r\n"
    "         Starting \x1b[0;1;39mssh.service\x1b[0m - OpenBSD Secure Shell server...\r\r\n"
)
SSH = "[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mssh.service\x1b[0m - OpenBSD Secure Shell server.\r\r\n"
LOGIN = (
    "\x1b[!p\x1b]104\x07\x1b[?7h\x1b[6n\x1b[32766;32766H\x1b[6n\r\r\nDebian GNU/Linux 13 zero1 ttyS1\r\n\r\n"
    "zero1 login: [  145.969740] bcm2835-rng 20104000.rng: hwrng registered\r\n"
)
HALT = "[  301.102938] reboot: Restarting system\r\n"
PANIC = (
    "[   12.123456] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(179,2)\r\n"
    "[   12.234567] Rebooting in 1 seconds..\r\n" + HALT
)


@pytest.mark.parametrize(
    ("console", "expected"),
    [
        ("", Stage.POWER),
        (KERNEL, Stage.KERNEL),
        (KERNEL + SYSTEMD, Stage.SYSTEM),
        (KERNEL + SYSTEMD + NETWORK, Stage.NETWORK),
        (KERNEL + SYSTEMD + NETWORK + SSH, Stage.SSH),
        (KERNEL + SYSTEMD + NETWORK + LOGIN, Stage.SSH),  # the line about ssh may have been torn by another
    ],
    ids=["nothing", "kernel", "systemd", "network", "ssh", "prompt"],
)
def test_how_far_a_boot_has_come(console: str, expected: Stage) -> None:
    assert stage(console) is expected


@pytest.mark.parametrize(
    ("said", "reason", "cure"),
    [
        (
            "ALERT!  PARTUUID=cb4ffa86-02 does not exist.  Dropping to a shell!",
            "does not find its root",
            "card build z",
        ),
        ("Gave up waiting for root file system device.", "does not find its root", "card build z --anew"),
        ("EXT4-fs (mmcblk0p2): VFS: Can't find ext4 filesystem", "is damaged", "card build z --anew"),
        ("EXT4-fs error (device mmcblk0p2): ext4_lookup:1609: inode #2", "is damaged", "card build z --anew"),
        ("/dev/mmcblk0p2: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.", "is damaged", "card build z --anew"),
        # The kernel's (init/do_mounts.c, init/main.c) and systemd's own words (src/core/main.c).
        (PANIC, "cannot mount its root", "card build z --anew"),
        ("[    9.1] Kernel panic - not syncing: No working init found.", "systemd cannot go on", "card build z --anew"),
        (
            "[    9.1] systemd[1]: Failed to execute /sbin/init, giving up: Exec format error",
            "systemd cannot go on",
            "card build z --anew",
        ),
        ("[!!!!!!] Failed to mount early API filesystems.\nFreezing execution.", "cannot go on", "card build z --anew"),
        ("Out of memory: Killed process 412 (cc1) total-vm:182120kB", "out of memory", "512 MB"),
        ("You are in emergency mode. After logging in, type", "systemd gave up", "/log"),
        ("[FAILED] Failed to start ssh.service - OpenBSD Secure Shell server.", "sshd did not start", "/log"),
        ("[    1.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100", "panicked", "/log"),
        # The kernel's last words come after those that tell why.
        ("EXT4-fs error (device mmcblk0p2): bad block\n" + PANIC, "is damaged", "card build z --anew"),
    ],
)
def test_the_likely_reason_and_its_cure(said: str, reason: str, cure: str) -> None:
    found = trouble(KERNEL + said, node="z", log="/log")
    assert found is not None
    assert reason in found[0]
    assert cure in found[1]


def test_a_boot_without_trouble_has_no_reason() -> None:
    assert trouble(KERNEL + SYSTEMD + NETWORK + SSH + LOGIN, node="z", log="/log") is None


@pytest.mark.parametrize(
    ("console", "expected"),
    [
        pytest.param(KERNEL + HALT, True, id="a reboot"),
        pytest.param(KERNEL + PANIC, False, id="a panic"),
        pytest.param(KERNEL + "[  301.1] reboot: Power down\r\n", False, id="a power-off"),
        pytest.param(KERNEL, False, id="an end"),
        pytest.param(KERNEL + HALT + KERNEL, False, id="a boot after a reboot"),
        pytest.param(KERNEL + PANIC + KERNEL + HALT, True, id="a reboot after a panic"),
        pytest.param(HALT, True, id="a log whose beginning is not at hand"),
    ],
)
def test_a_machine_that_wants_to_start_anew(console: str, *, expected: bool) -> None:
    assert asked_for_reboot(console) is expected


def test_the_last_lines_are_readable() -> None:
    lines = readable(SYSTEMD + SSH + LOGIN, 6).splitlines()
    assert lines[1] == "[  OK  ] Started ssh.service - OpenBSD Secure Shell server."
    assert lines[-1] == "zero1 login: [  145.969740] bcm2835-rng 20104000.rng: hwrng registered"
    assert "\x1b" not in "".join(lines)
    assert len(lines) == 6
