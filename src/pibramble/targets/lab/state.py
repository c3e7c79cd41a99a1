"""What is known of a lab that is up: the file lab.json in the cluster's state folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import attrs

from pibramble import paths
from pibramble.serialise import plain
from pibramble.targets.processes import Process


@attrs.frozen
class LabState:
    """A lab: its keeper, in whose pid namespace everything else lives, and the inits of its nodes."""

    keeper: Process
    rootless: bool
    plan_digest: str
    sockets: str  # the folder of the control sockets, outside
    user_uid: int  # of the cluster's user, as seen outside
    nodes: Mapping[str, Process] = attrs.field(factory=dict)

    def save(self, file: Path) -> None:
        """Write the state, whole or not at all."""
        paths.write_private(file, json.dumps(plain(self), indent=1))

    @classmethod
    def load(cls, file: Path) -> LabState | None:
        """Read the state; None where there is none, or none that makes sense (a lab of another version, say)."""
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            keeper = Process(**data.pop("keeper"))
            nodes = {name: Process(**process) for name, process in data.pop("nodes").items()}
            return cls(keeper=keeper, nodes=nodes, **data)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None
