"""A lab's head as the place to work from, and a PC that reaches it over its uplink only.

The lab has no systemd, so what a board's own would do for links stands still there; everything else is the card's.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import attrs

from pibramble.cards import itself
from pibramble.files.model import NodeFile
from pibramble.plan.resolve import resolve
from pibramble.spec import load
from pibramble.targets.lab import ground
from pibramble.targets.lab.links import WORLD_INTERFACE
from pibramble.targets.lab.state import LabState
from tests.lab.conftest import LabCluster

# In the place of the card's command: the libraries that a card has from apt are this environment's here.
_COMMAND = f"""\
#!/bin/sh
PYTHONPATH={itself.PACKAGE_FOLDER.rpartition("/")[0]} exec {{python}} -m pibramble "$@"
"""


def install(cluster: LabCluster) -> None:
    """Put pibramble onto the head as its card has it."""
    file = load.load(cluster.file)
    python = "/opt/mpich/bin/python" if (Path(sys.prefix) / "bin/mpiexec.hydra").exists() else sys.executable
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for entry in itself.entries(resolve(file.cluster, file.text)):
            if isinstance(entry, NodeFile):
                is_command = entry.path == itself.COMMAND
                data = (_COMMAND.format(python=python) if is_command else entry.content).encode()
                info = tarfile.TarInfo(entry.path[1:])
                info.size, info.mode = len(data), entry.mode
                tar.addfile(info, io.BytesIO(data))
    argv = cluster.argv("exec", "-w", "head", "--", "sudo tar -C / -x")
    subprocess.run(argv, input=archive.getvalue(), env=cluster.environment, check=True, timeout=60)


def on_head(cluster: LabCluster, *words: str, script: str = "") -> subprocess.CompletedProcess[str]:
    """Run pibramble on the head as the cluster's user, after a shell script if one is given."""
    command = f"{script}\n{shlex.join(['pibramble', *words])}"
    return subprocess.run(
        [*cluster.connections.interactive("head"), command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@attrs.frozen
class Pc:
    """A machine in the lab's world, with the cluster file and the keys of the machine that made the cards."""

    cluster: LabCluster
    state: Path

    @classmethod
    def of(cls, cluster: LabCluster, state: Path) -> Pc:
        shutil.copytree(cluster.folder / "keys", state / cluster.folder.name / "keys")
        return cls(cluster, state)

    @property
    def head(self) -> str:
        """Return where the head is reached."""
        return str(self.cluster.plan.lab.world[2])

    def pibramble(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**self.cluster.environment, "PIBRAMBLE_STATE": str(self.state)}
        return self.run(*self.cluster.argv(*args), env=environment, stdin=stdin)

    def run(
        self, *argv: str, env: dict[str, str] | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run any command there."""
        state = LabState.load(self.cluster.folder / "lab.json")
        assert state is not None
        return subprocess.run(
            [*ground.inside(state.keeper, rootless=state.rootless), *argv],
            env=env or dict(os.environ),
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def route_to_workers(self) -> None:
        """Try to reach the workers as somebody on the head's network would: by way of the head."""
        route = ["ip", "route", "replace", str(self.cluster.plan.subnet), "via", self.head, "dev", WORLD_INTERFACE]
        assert self.run(*route).returncode == 0
