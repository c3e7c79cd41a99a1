"""What a lab could leave behind on the machine that runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import attrs

from pibramble.targets import sockets
from pibramble.targets.processes import labelled
from tests.lab.conftest import LabCluster


@attrs.frozen
class Traces:
    """All that a lab touches outside its own namespaces."""

    processes: tuple[int, ...]
    interfaces: str
    mounts: int
    state: bool
    sockets: bool


def traces(cluster: LabCluster) -> Traces:
    """Take down what there is now."""
    links = subprocess.run(["ip", "-oneline", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    return Traces(
        processes=tuple(labelled(str(cluster.folder))),
        interfaces=" ".join(line.split()[0] for line in links.splitlines()),
        mounts=len(Path("/proc/self/mountinfo").read_text().splitlines()),
        state=(cluster.folder / "lab.json").exists(),
        sockets=sockets.folder(str(cluster.folder), cluster.folder.name).exists(),
    )
