"""Accounts: one user who works, no password anywhere, root reached through sudo alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pibramble.files.model import Edit, NodeFile
from pibramble.plan.model import Plan

# Serial ports, the firmware's mailbox (vcgencmd), pins and buses, and the journal. sysusers.d makes those that a base
# system lacks; they are empty of files then, and harmless.
GROUPS = ("dialout", "video", "gpio", "i2c", "spi", "adm")

_UID = 1000


def account(plan: Plan) -> Sequence[NodeFile | Edit]:
    """Return the user's account; where the base system has one of that name, that one is kept."""
    user = plan.user
    lines = [f'u {user} {_UID} "pibramble" /home/{user} /bin/bash', *(f"m {user} {group}" for group in GROUPS)]
    return [
        NodeFile("/etc/sysusers.d/pibramble.conf", "\n".join(lines) + "\n", f"the user {user} and its groups"),
        Edit(
            "/etc/shadow",
            f"no password fits {user} or root",
            remove=(rf"^(?:root|{re.escape(user)}):.*\n?",),
            # "*" for the user: sshd without PAM takes "!" for a locked account and refuses its key too. The day of the
            # last change stays empty: no ageing, on boards that wake up in 1970.
            add=("root:!*::0:99999:7:::", f"{user}:*::0:99999:7:::"),
        ),
        NodeFile(
            "/etc/sudoers.d/pibramble",
            f"{user} ALL=(ALL:ALL) NOPASSWD: ALL\n",
            f"{user} may do everything: without a password there is no other way to root",
            mode=0o440,
        ),
    ]


def console(plan: Plan) -> NodeFile:
    """Return who is logged in at a board's serial consoles, whichever they are: the kernel's, or a USB gadget's."""
    path = "/etc/systemd/system/serial-getty@.service.d/pibramble-login.conf"
    return NodeFile(path, _getty(plan), f"{plan.user} is logged in at the serial console: no account has a password")


def waiting_console(plan: Plan, tty: str) -> NodeFile:
    """Return what keeps one console silent until a line comes in by it.

    What waits in a gadget for its host is there at once when the host opens the port, and a port echoes until it is
    told not to: the board would have its own greeting for its first commands.
    """
    path = f"/etc/systemd/system/serial-getty@{tty}.service.d/pibramble-waits.conf"
    return NodeFile(path, _getty(plan, "--wait-cr"), "the console says nothing before Enter: the port would echo it")


def _getty(plan: Plan, *options: str) -> str:
    """Return a unit's part. --local-line: a wire of three has no carrier to wait for."""
    who = ["--autologin", plan.user] if plan.console_login else []
    words = [*who, "--local-line", "--noclear", *options, "--keep-baud", "115200,57600,38400,9600", "-", "${TERM}"]
    return f"[Service]\nExecStart=\nExecStart=-/sbin/agetty {' '.join(words)}\n"


def folders(plan: Plan) -> NodeFile:
    """Return the folders that are made at every boot. /run is empty then, and sysusers makes no home."""
    user = plan.user
    lines = [
        "d /run/pibramble 0755 root root -",
        f"d /run/pibramble/ssh 0700 {user} {user} -",
        f"d /home/{user} 0750 {user} {user} -",
        *(f"C /home/{user}/{name} 0644 {user} {user} - /etc/skel/{name}" for name in (".bashrc", ".profile")),
    ]
    return NodeFile("/etc/tmpfiles.d/pibramble.conf", "\n".join(lines) + "\n", f"{user}'s home and run-time folders")
