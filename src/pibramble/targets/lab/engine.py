"""A container engine in each node of a lab, where the plan has one: this machine's dockerd, started as systemd would.

It is started from outside: a node's own root may neither mount nor write to the kernel's switches, and an engine must.
What it mounts for itself stays in a mount namespace below the node's; its processes are in the node's pid namespace and
end with it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import attrs

from pibramble import proc
from pibramble.errors import PibrambleError
from pibramble.files.containers import FOLDER, environment
from pibramble.files.model import NodeFile
from pibramble.plan.model import Plan
from pibramble.targets.lab import ground, registry
from pibramble.targets.processes import LABEL, Process

_NEEDED = ("dockerd", "docker", "containerd", "runc", "iptables")
_GROUPS = Path("/sys/fs/cgroup")
_SOCKET = "run/docker.sock"
_LOG = "/run/dockerd.log"
_START_TIMEOUT_S = 60.0

# The node's disk for images is mounted where the node sees it too, so that `df` there tells the truth. The rest is its
# own: a fresh /proc, since the node's switches are read-only, and the control groups, which a fresh /sys hides.
_DISK = 'mkdir -p "$1"; mountpoint -q "$1" || mount -t tmpfs -o "size=$2m,mode=711" docker "$1"'
_START = """\
cd /
mount --make-rprivate /
mount -t proc proc /proc
mount -o remount,bind,rw /sys
if [ "$VERSION" = 2 ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
    mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
    for name in $CONTROLLERS; do
        mkdir "/sys/fs/cgroup/$name"
        mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name"
    done
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi
exec dockerd --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "$GROUP" >>"$LOG" 2>&1
"""


@attrs.frozen
class Programs:
    """Where this machine has what an engine is made of."""

    dockerd: Path
    docker: Path

    @property
    def tree(self) -> Path | None:
        """Return the folder that a node must be shown; None: it sees the system's own anyway."""
        folder = self.dockerd.parent
        return None if folder.is_relative_to("/usr") else folder.parent


def programs() -> Programs | None:
    """Return the engine's programs; None where one is missing."""
    found = {name: shutil.which(name, path=proc.system_path()) for name in _NEEDED}
    if not all(found.values()):
        return None
    folder = Path(str(found["dockerd"])).parent
    docker = folder / "docker"  # of the same version, should there be two
    return Programs(folder / "dockerd", docker if docker.exists() else Path(str(found["docker"])))


def remark(plan: Plan, *, rootless: bool) -> tuple[str, ...]:
    """Return why the nodes of this lab have no engine although the plan does; nothing where they have."""
    if plan.containers is None:
        return ()
    if rootless:
        return ("no containers: an engine takes root, so `sudo pibramble up`",)
    if programs() is None:
        return ("no containers: docker is not installed on this machine, or not whole: `pibramble doctor swarm`",)
    return registry.remark(plan)


def own_files(plan: Plan) -> Iterator[NodeFile]:
    """Yield what a node has so that `docker` is found there."""
    if plan.containers and (found := programs()):
        content = f'#!/bin/sh\nexec {found.docker} "$@"\n'
        yield NodeFile("/usr/local/bin/docker", content, "the client of the machine's engine", mode=0o755)
        yield from registry.own_files(plan)


def binds(plan: Plan) -> list[tuple[str, str, bool]]:
    """Return the folder that a node is shown, at the same place: programs there name each other by their paths."""
    found = programs() if plan.containers else None
    return [(str(found.tree), str(found.tree), True)] if found and found.tree else []


def start(plan: Plan, nodes: Mapping[str, Process], label: str) -> None:
    """Start the engines of these nodes that do not run, and wait until they answer. Raises PibrambleError."""
    found = programs()
    if plan.containers is None or found is None:
        return
    silent = {name: init for name, init in nodes.items() if not _answers(init)}
    for name, init in silent.items():
        inside = ground.inside_node(init, rootless=False)
        proc.run([*inside, "sh", "-euc", _DISK, "sh", FOLDER, str(plan.lab.disk_mb)])
        proc.start(
            [*inside, "unshare", "--mount", "sh", "-euc", _START],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **_environment(plan, found), LABEL: label, "GROUP": f"/{_group(label)}/{name}"},
        )
    deadline = time.monotonic() + _START_TIMEOUT_S
    for name, init in silent.items():
        while not _answers(init):
            if time.monotonic() > deadline or not init.alive():
                raise PibrambleError(
                    f"the container engine of {name} does not start", hint=ground.last_words(init, _LOG)
                )
            time.sleep(0.05)


def clear_groups(label: str) -> None:
    """Remove the control groups that the engines of a lab made; their processes are gone."""
    for top in (*_GROUPS.glob(_group(label)), *_GROUPS.glob(f"*/{_group(label)}")):
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):  # the kernel is still busy with the last process: the folder is empty, and harmless
                Path(folder).rmdir()


def _environment(plan: Plan, found: Programs) -> dict[str, str]:
    unified = (_GROUPS / "cgroup.controllers").exists()
    controllers = [] if unified else _controllers()
    path = proc.system_path(f"{found.dockerd.parent}:{os.environ.get('PATH', os.defpath)}")
    return {
        **environment(plan),
        "PATH": path,
        "LOG": _LOG,
        "VERSION": "2" if unified else "1",
        "CONTROLLERS": " ".join(controllers),
    }


def _controllers() -> list[str]:
    """Return the controllers of this machine's older kind of control groups (proc(5), /proc/cgroups)."""
    lines = Path("/proc/cgroups").read_text(encoding="ascii").splitlines()[1:]
    fields = [line.split() for line in lines]
    mounted = {name for entry in _GROUPS.iterdir() for name in entry.name.split(",")} if _GROUPS.is_dir() else set()
    return [field[0] for field in fields if field[1] != "0" and field[3] == "1" and field[0] in mounted]


def _group(label: str) -> str:
    return f"pibramble-{hashlib.sha256(label.encode()).hexdigest()[:12]}"


def _answers(init: Process) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(f"/proc/{init.pid}/root/{_SOCKET}")
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in probe.recv(64)
        except OSError:
            return False
