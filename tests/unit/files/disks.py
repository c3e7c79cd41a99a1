"""A cluster with every kind of wire, rendered with real keys and written below a folder a node."""

from __future__ import annotations

from pathlib import Path

import attrs

from pibramble import keys
from pibramble.files.model import Keyring, NodeFiles
from pibramble.files.render import render_all
from pibramble.files.write import write
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.progress import SilentProgress
from pibramble.spec.model import Cluster, ClusterSection, HeadSection, Link, WorkerGroup

CLUSTER = Cluster(
    cluster=ClusterSection(name="mixed", authorized_keys=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO a-person",)),
    head=HeadSection(board="pi-1b"),
    workers=(
        WorkerGroup(name="zero[1-2]"),
        WorkerGroup(name="aplus", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyAMA0", baud=921_600),
        WorkerGroup(
            name="w-1",
            board="pi-zero-w",
            link=Link.SERIAL,
            head_port="/dev/ttyUSB0",
            baud=3_000_000,
            flow_control=True,
        ),
        WorkerGroup(name="four", board="pi-4b", link=Link.ETHERNET),
    ),
)


@attrs.frozen
class Disks:
    """What each node's disk holds, as data and as files below `folder/NODE`."""

    plan: Plan
    keyring: Keyring
    nodes: dict[str, NodeFiles]
    folder: Path

    def __getitem__(self, node: str) -> Path:
        """Return the root of one node's disk."""
        return self.folder / node


def make(folder: Path, cluster: Cluster = CLUSTER) -> Disks:
    """Plan, make keys, render and write."""
    plan = resolve(cluster)
    keyring = keys.ensure(plan, folder / "state", SilentProgress())
    nodes = render_all(plan, keyring)
    for name, node in nodes.items():
        write(node, folder / name, secrets=True)
    return Disks(plan, keyring, nodes, folder)
