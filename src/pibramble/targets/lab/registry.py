"""The registry on a lab's head, where the plan has one: this machine's docker-registry, started as systemd would."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from pibramble import proc
from pibramble.errors import PibrambleError
from pibramble.files.model import NodeFile
from pibramble.files.registry import FOLDER, READER
from pibramble.plan.model import Plan
from pibramble.targets.lab import ground
from pibramble.targets.processes import LABEL, Process

PROGRAM = "docker-registry"
_LOG = "/run/docker-registry.log"
_START_TIMEOUT_S = 30.0
# A disk of its own, as the engine's: whatever this machine's own registry keeps is not the lab's.
_DISK = 'mkdir -p "$1"; mountpoint -q "$1" || mount -t tmpfs -o "size=$2m,mode=755" registry "$1"; chown "$3:" "$1"'
_START = 'cd /; exec >>"$LOG" 2>&1; exec setpriv --reuid "$1" --regid "$(id -g "$1")" --clear-groups "$2" serve "$3"'
_ANSWERS = 'exec 3<>"/dev/tcp/${1%:*}/${1#*:}" && printf "GET /v2/ HTTP/1.0\\r\\n\\r\\n" >&3 && grep -q " 200 " <&3'


def program() -> Path | None:
    """Return where this machine has the registry; None: nowhere."""
    found = shutil.which(PROGRAM, path=proc.system_path())
    return Path(found) if found else None


def remark(plan: Plan) -> tuple[str, ...]:
    """Return why the head of this lab has no registry although the plan does; nothing where it has."""
    if plan.containers is None or not plan.containers.registry or program():
        return ()
    return (f"no registry: {PROGRAM} is not installed on this machine: `sudo apt-get install {PROGRAM}`",)


def own_files(plan: Plan) -> Iterator[NodeFile]:
    """Yield what a node has so that the program is found there."""
    found = program()
    if plan.containers and plan.containers.registry and found and not found.is_relative_to("/usr"):
        content = f'#!/bin/sh\nexec {found} "$@"\n'
        yield NodeFile(f"/usr/local/bin/{PROGRAM}", content, "the machine's registry", mode=0o755)


def start(plan: Plan, head: Process, label: str) -> None:
    """Start the registry on the head if it does not run, and wait until it answers. Raises PibrambleError."""
    found = program()
    if plan.containers is None or not plan.containers.registry or found is None:
        return
    address = plan.containers.registry
    inside = ground.inside_node(head, rootless=False)
    if _answers(inside, address):
        return
    # The package's own account is there only where the package is; a checkout below a home is closed to strangers.
    user = "nobody" if all(folder.stat().st_mode & 0o001 for folder in found.parents) else "root"
    proc.run([*inside, "sh", "-euc", _DISK, "sh", FOLDER, str(plan.lab.disk_mb), user])
    proc.start(
        [*inside, "sh", "-euc", _START, "sh", user, str(found), READER],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, LABEL: label, "LOG": _LOG},
    )
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not _answers(inside, address):
        if time.monotonic() > deadline or not head.alive():
            raise PibrambleError("the registry of the head does not start", hint=ground.last_words(head, _LOG))
        time.sleep(0.1)


def _answers(inside: tuple[str, ...], address: str) -> bool:
    return proc.run([*inside, "bash", "-c", _ANSWERS, "bash", address], check=False, timeout_s=10).returncode == 0
