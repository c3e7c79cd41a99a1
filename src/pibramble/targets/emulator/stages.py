"""What a console says of a boot: how far it has come, and what was the matter when it came no further."""

from __future__ import annotations

import re
from enum import StrEnum

import attrs


class Stage(StrEnum):
    """How far a boot has come, in order."""

    POWER = "power"
    KERNEL = "kernel"
    SYSTEM = "systemd"
    NETWORK = "network"
    SSH = "ssh"
    READY = "ready"  # somebody has logged in


_SIGNS = (
    (Stage.SSH, re.compile(r"Started .*ssh\.service|login: ")),
    (Stage.NETWORK, re.compile(r"Started .*systemd-networkd\.service|Reached target .*network\.target")),
    (Stage.SYSTEM, re.compile(r"systemd\[1\]: |Welcome to ")),
    (Stage.KERNEL, re.compile(r"Linux version |Booting Linux")),
)


@attrs.frozen
class _Trouble:
    sign: re.Pattern[str]
    reason: str
    cure: str


_BUILD_ANEW = "`pibramble card build {node} --anew` makes the card again"
_TROUBLES = (
    _Trouble(
        re.compile(r"PARTUUID=\S+ does not exist|Gave up waiting for root file system"),
        "the kernel does not find its root: the card is another's, or its partition table is damaged",
        _BUILD_ANEW,
    ),
    _Trouble(
        re.compile(
            r"EXT4-fs error|EXT4-fs \(\w+\): (?:can't|unable|bad|corrupt|VFS: Can't)|Structure needs cleaning|"
            r"requires a manual fsck|UNEXPECTED INCONSISTENCY|Failed to mount .*as root file system|No init found"
        ),
        "the root file system is damaged",
        _BUILD_ANEW,
    ),
    _Trouble(
        re.compile(r"VFS: Unable to mount root fs"),  # the kernel's, init/do_mounts.c
        "the kernel cannot mount its root: the card's partition table or its root file system is damaged",
        _BUILD_ANEW,
    ),
    _Trouble(
        re.compile(r"Failed to execute /sbin/init, giving up|No working init found|Freezing execution"),
        "systemd cannot go on: programs or libraries of the root file system are missing or damaged",
        _BUILD_ANEW,
    ),
    _Trouble(
        re.compile(r"Out of memory: Killed|Kernel panic - not syncing: System is deadlocked on memory"),
        "it ran out of memory",
        "512 MB are all that such a board has: leave something out",
    ),
    _Trouble(
        re.compile(r"You are in (?:emergency|rescue) mode|root account is locked"),
        "systemd gave up: something that the boot needs has failed",
        "the console's log says what: {log}",
    ),
    _Trouble(
        re.compile(r"Failed to start .*ssh\.service"),
        "sshd did not start",
        "the console's log says more: {log}",
    ),
    _Trouble(re.compile(r"Kernel panic"), "the kernel panicked", "the console's log says why: {log}"),
)

# What PID 1 says last when it cannot go on (systemd's src/core/main.c, crash-handler.c) ends in `Freezing execution`.
_HOPELESS = re.compile(
    r"You are in emergency mode|You are in rescue mode|root account is locked|"
    r"Failed to execute /sbin/init, giving up|Freezing execution"
)
_REBOOT = re.compile(r"reboot: Restarting system")
_NO_REBOOT = re.compile(r"Kernel panic|panic= boot argument")
_BORN = re.compile(r"Linux version ")
# ECMA-48: control sequences (5.4), operating system commands (8.3.89, which end with BEL too), single characters.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>]|[\x00-\x08\x0b-\x1f]")


def stage(console: str) -> Stage:
    """Return how far the boot has come by what its console said."""
    return next((stage for stage, sign in _SIGNS if sign.search(console)), Stage.POWER)


def trouble(console: str, *, node: str, log: str) -> tuple[str, str] | None:
    """Return the likely reason why a boot came no further, and the cure; None where nothing tells."""
    found = next((trouble for trouble in _TROUBLES if trouble.sign.search(console)), None)
    return (found.reason, found.cure.format(node=node, log=log)) if found else None


def hopeless(console: str) -> bool:
    """Say whether a boot has ended where nothing more will come."""
    return _HOPELESS.search(console) is not None


def asked_for_reboot(console: str) -> bool:
    """Say whether a machine that has ended wanted to start anew, rather than having panicked."""
    *_, last = _BORN.split(console)
    return _REBOOT.search(last) is not None and _NO_REBOOT.search(last) is None


def readable(console: str, lines: int) -> str:
    """Return the last lines without colours and cursor movements."""
    text = _CONTROL.sub("", console.replace("\r", ""))
    return "\n".join(text.rstrip().splitlines()[-lines:])
