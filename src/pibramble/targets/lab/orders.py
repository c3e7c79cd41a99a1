"""What the builder is told: the plan's node files, and what a lab node has in place of a board's own base system.

A board's base system brings accounts and MPICH along. A lab node sees this machine's root file system instead, so
here the accounts are written, and the MPICH of pibramble's own virtual environment is shown under /opt/mpich.
"""

from __future__ import annotations

import functools
import shutil
import sys
from pathlib import Path

import attrs

from pibramble.errors import MissingError
from pibramble.files.model import NodeFile, NodeFiles
from pibramble.files.ssh import CONTROL_FOLDER
from pibramble.plan.model import BRIDGE, NodePlan, Plan, Role
from pibramble.targets.lab import clocks, engine, links
from pibramble.targets.lab.builder import FileOrder, NodeOrder

_MPICH = "/opt/mpich"
_MPICH_PROGRAMS = ("mpiexec", "mpiexec.hydra", "mpirun", "mpicc", "mpicxx", "mpic++", "mpichversion", "hydra_pmi_proxy")
_NOBODY = 65534


@attrs.frozen
class Ids:
    """The numbers behind the cluster's user: what passwd says, and whose the files are when the builder writes them."""

    user_uid: int
    user_gid: int
    file_uid: int  # without root there is one number only, 0, which sshd's user namespace shows as the user's
    file_gid: int

    def of(self, owner: str, user: str) -> tuple[int, int]:
        """Return (uid, gid) to write for a file of that owner."""
        return (self.file_uid, self.file_gid) if owner == user else (0, 0)


def node_order(plan: Plan, node: NodePlan, files: NodeFiles, ids: Ids, sockets: Path) -> NodeOrder:
    """Return the order for one node."""
    head = node.role is Role.HEAD
    own = [*_accounts(plan, ids, files), *_mpich_wrappers(), *(clocks.wrappers() if plan.gps else ())]
    own += engine.own_files(plan)
    seen = [*_mpich_bind(), *(clocks.binds() if plan.gps else ()), *engine.binds(plan)]
    written = {file.path for file in own}
    wanted = [*own, *(file for file in files.files if _has_a_reader(file) and file.path not in written)]
    return NodeOrder(
        name=node.name,
        files=[*_folders(plan, ids), *(_file_order(file, plan, ids) for file in wanted)],
        binds=[*seen, *([(str(sockets), CONTROL_FOLDER, False)] if head else [])],
        wire=None if head else links.wire(plan, node),
        commands=_commands(files, head=head),
        sshd=[sshd_program(), "-D", "-E", "/run/sshd.log"],
    )


def sshd_program() -> str:
    """Return the full path of sshd, which re-executes itself by it. Raises MissingError."""
    path = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin")
    if path is None:
        raise MissingError("the program `sshd` is not installed", hint="apt install openssh-server")
    return path


def mpich_folder() -> Path | None:
    """Return the environment that holds our MPICH wheel; None: the nodes find what the machine has, if anything."""
    folder = Path(sys.prefix)
    return folder if (folder / "bin" / "mpiexec.hydra").exists() else None


def _has_a_reader(file: NodeFile) -> bool:
    return not file.path.startswith("/boot/")


def _file_order(file: NodeFile, plan: Plan, ids: Ids) -> FileOrder:
    uid, gid = ids.of(file.owner, plan.user)
    return FileOrder(path=file.path, content=file.content, mode=file.mode, uid=uid, gid=gid)


def _folders(plan: Plan, ids: Ids) -> list[FileOrder]:
    def folder(path: str, mode: int, uid: int = 0, gid: int = 0) -> FileOrder:
        return FileOrder(path=path, content=None, mode=mode, uid=uid, gid=gid)

    home = folder(f"/home/{plan.user}", 0o755, ids.file_uid, ids.file_gid)
    run = [folder(path, 0o755) for path in ("/run/sshd", "/run/pibramble", CONTROL_FOLDER)]
    clock = [folder("/var/lib/chrony", 0o750)] if plan.gps else []
    shown = [folder(target, 0o755) for _, target, _ in engine.binds(plan)]
    return [home, *run, *clock, folder(_MPICH, 0o755), folder("/root", 0o700), *shown]


def _accounts(plan: Plan, ids: Ids, files: NodeFiles) -> list[NodeFile]:
    """Return passwd, group and shadow: this machine's system accounts, none of its people, and the cluster's user."""
    user, uid, gid = plan.user, ids.user_uid, ids.user_gid
    passwd = [line for line in _system_lines("/etc/passwd") if _name(line) != user and _id(line) != uid]
    passwd.append(f"{user}:x:{uid}:{gid}:pibramble:/home/{user}:/bin/bash")
    # With one user number only, a terminal cannot be given to the group tty; without such a group sshd does not try.
    left_out = {user, "tty"} if ids.file_uid != uid else {user}
    group = [_with_member(line, user) for line in _system_lines("/etc/group") if _name(line) not in left_out]
    group.append(f"{user}:x:{gid}:")
    # `*` is a password that nothing matches. `!` would say that the account is locked, and sshd without PAM refuses
    # locked accounts even with the right key (sshd(8), LOGIN PROCESS).
    shadow = "".join(f"{_name(line)}:*:19000:0:99999:7:::\n" for line in passwd)
    for edit in files.edits:
        if edit.path == "/etc/shadow":
            shadow = edit.apply(shadow)
    why = "the machine's system accounts and the cluster's user"
    return [
        NodeFile("/etc/passwd", _text(passwd), why),
        NodeFile("/etc/group", _text(group), why),
        NodeFile("/etc/shadow", shadow, why, mode=0o600),
    ]


@functools.cache  # the same for every node
def _system_lines(path: str) -> tuple[str, ...]:
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(line for line in lines if _id(line) < 1000 or _id(line) == _NOBODY)  # noqa: PLR2004 (adduser.conf, FIRST_UID)


def _name(line: str) -> str:
    return line.partition(":")[0]


def _id(line: str) -> int:
    fields = line.split(":")
    return int(fields[2]) if len(fields) > 2 and fields[2].isdecimal() else 0  # noqa: PLR2004 (name:x:id)


def _with_member(line: str, user: str) -> str:
    if _name(line) != "sudo":
        return line
    return line + ("" if line.endswith(":") else ",") + user


def _text(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _mpich_bind() -> list[tuple[str, str, bool]]:
    folder = mpich_folder()
    return [(str(folder), _MPICH, True)] if folder else []


def _mpich_wrappers() -> list[NodeFile]:
    """Return one-line scripts: mpicc works out its prefix from where it is called, so a symbolic link would not do."""
    if mpich_folder() is None:
        return []
    return [
        NodeFile(
            f"/usr/local/bin/{name}",
            f'#!/bin/sh\nexec {_MPICH}/bin/{name} "$@"\n',
            "shows the lab's MPICH where a board has it: on PATH",
            mode=0o755,
        )
        for name in _MPICH_PROGRAMS
    ]


def _commands(files: NodeFiles, *, head: bool) -> list[list[str]]:
    """Return what systemd would run on the head before sshd: its sysctl settings and its firewall."""
    if not head:
        return []
    settings = sorted(file.path for file in files.files if file.path.startswith("/etc/sysctl.d/"))
    return [
        # A network namespace lacks some keys that a machine has: `neigh.default` is one, so the bridge is told itself.
        *(["sysctl", "--quiet", "--ignore", "--load", path] for path in settings),
        ["sysctl", "--quiet", "--write", f"net.ipv4.neigh.{BRIDGE}.proxy_delay=0"],
        ["nft", "-f", "/etc/nftables.conf"],
    ]
