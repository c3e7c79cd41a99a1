"""The ground a lab stands on: a keeper process with its own mount, network and pid namespaces.

Every process of the lab lives in the keeper's pid namespace (or one below it). Whatever happens, killing the keeper
makes the kernel kill them all, and with the last process go the namespaces, the interfaces and the mounts: nothing has
to be found and taken down one by one. The keeper's network is the lab's stand-in for the world.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from pibramble import proc
from pibramble.errors import MissingError
from pibramble.targets.processes import LABEL, Process

_NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts")
NOT_PERMITTED = """\
Run it with sudo, or let the kernel grant user namespaces to everybody:
  Debian: sysctl -w kernel.unprivileged_userns_clone=1
  Ubuntu: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
In a chroot its folder has to be a mount point: mount --bind FOLDER FOLDER"""


def start_keeper(label: str, *, rootless: bool) -> Process:
    """Start a keeper and return it. Raises MissingError where the kernel does not allow it."""
    as_root = ("--user", "--map-root-user") if rootless else ()
    argv = ("unshare", *as_root, *_NAMESPACES, "--fork", "--propagation", "private", "catatonit", "-P")
    parent = proc.start(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, LABEL: label},
        start_new_session=True,  # Ctrl-C at the terminal is for us; we decide what becomes of the lab
    )
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        children = Process.of(parent.pid).children() if parent.poll() is None else []
        if parent.poll() is not None:
            break
        if children and _is_keeper(children[0]):
            if parent.stderr:
                parent.stderr.close()
            return Process.of(children[0])
        time.sleep(0.002)
    parent.kill()
    said = parent.communicate()[1].decode(errors="replace").strip()
    message = f"this machine does not let pibramble make namespaces: {said or 'unshare did not answer'}"
    raise MissingError(message, hint=NOT_PERMITTED)


def inside(keeper: Process, *, rootless: bool) -> tuple[str, ...]:
    """Return the words that put a command onto the ground, as its root."""
    user = ("--user", "--preserve-credentials") if rootless else ()
    # --root: we may live in a chroot, and a mount namespace alone would lead out of it
    return ("nsenter", "--target", str(keeper.pid), *user, *_NAMESPACES, "--root")


def inside_node(init: Process, *, rootless: bool) -> tuple[str, ...]:
    """Return the words that put a command into a node, as its root."""
    user = ("--user", "--preserve-credentials") if rootless else ()
    words = ("--mount", "--net", "--pid", "--ipc", "--uts", "--root", "--wd=/")
    return ("nsenter", "--target", str(init.pid), *user, *words)


def daemon(init: Process, pid_file: str) -> int | None:
    """Return which of a node's processes wrote its file `run/...`, by the node's own number; None if it has ended."""
    root = Path(f"/proc/{init.pid}/root")
    try:
        number = int((root / pid_file).read_text(encoding="ascii"))
        status = (root / f"proc/{number}/stat").read_text(encoding="ascii", errors="replace")
    except (OSError, ValueError):
        return None
    return None if status.rpartition(")")[2].split()[0] == "Z" else number


def permitted(*, rootless: bool) -> bool:
    """Say whether this kernel lets us stand up a lab, by trying what a lab needs most in a throw-away one."""
    as_root = ("--user", "--map-root-user") if rootless else ()
    lower, more = ("/etc", ",userxattr") if rootless else ("/", "")  # as builder.py does it
    options = f"lowerdir={lower},upperdir=/mnt/u,workdir=/mnt/w{more}"
    script = f"mount -t tmpfs lab /mnt && mkdir /mnt/u /mnt/w /mnt/r && mount -t overlay lab -o {options} /mnt/r"
    argv: Sequence[str] = ("unshare", *as_root, *_NAMESPACES, "--fork", "sh", "-c", script)
    return proc.run(argv, check=False, timeout_s=10).returncode == 0


def _is_keeper(pid: int) -> bool:
    """Say whether the child has become catatonit: until then it is still making its namespaces."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == "catatonit"
    except OSError:
        return False


def last_words(init: Process, log: str) -> str:
    """Return the last lines of a log in a node's own file system, by the node's first process."""
    try:
        said = Path(f"/proc/{init.pid}/root{log}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "it said nothing"
    return "\n".join(said.splitlines()[-4:])
