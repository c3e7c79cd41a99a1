"""What every target offers, and how the operator gets from it to the nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

import attrs

from pibramble.files.model import Keyring
from pibramble.plan.model import Plan
from pibramble.progress import Progress


class Connections(Protocol):
    """Opened SSH connections, one a node, each an OpenSSH control socket that later commands share."""

    def socket(self, node: str) -> Path:
        """Return the path of the node's control socket; nothing need listen there yet."""
        ...

    def open(self, nodes: Iterable[str], *, timeout_s: float = 30) -> Mapping[str, str]:
        """Open the connections that are not open; return node -> reason for those that would not open."""
        ...

    def interactive(self, node: str) -> list[str]:
        """Return the command that gives a person a shell on the node (`ssh ...`); more words may follow it."""
        ...


@attrs.frozen
class NodeState:
    """What a target knows about a node without asking the node."""

    node: str
    running: bool
    detail: str = ""  # why not, in a few words
    hint: str = ""  # what to do about it
    for_good: bool = True  # false: it may come back by itself, so a job that uses it is not lost yet


@attrs.frozen
class TargetState:
    """What is up."""

    target: str  # lab | emulator | hardware
    up: bool
    nodes: tuple[NodeState, ...] = ()
    not_modelled: tuple[str, ...] = ()  # what this target does not show of the real thing, one sentence each
    one_machine: bool = False  # all nodes share one machine's cores and memory
    about_times: str = ""  # what must stand beside every time that is measured there


@attrs.frozen
class NodeReport:
    """What `up` found and did at one node, where a person should know."""

    node: str
    ok: bool  # its connection is open, or would be if it had been asked for
    said: str  # "" or what was repaired, or what is wrong and its likely cause
    hint: str = ""  # the cure, where it is a person's


@attrs.frozen
class UpReport:
    """How `up` ended. A target that brings up all or nothing has nothing to say of single nodes."""

    nodes: tuple[NodeReport, ...] = ()
    remarks: tuple[str, ...] = ()  # about the cluster as a whole
    plan: str = ""  # the digest of the plan that was meant, where that may be another machine's

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the nodes that are not there."""
        return tuple(node.node for node in self.nodes if not node.ok)


class Target(Protocol):
    """A place where a plan becomes real."""

    name: str

    def up(self, plan: Plan, keys: Callable[[], Keyring], progress: Progress, *, connect: bool = True) -> UpReport:
        """Bring every node up and open its connection, or leave nothing behind. What is up already stays.

        Boards cannot be made to appear: there the report says which are missing. `keys` returns the cluster's keys and
        makes those that are missing: to be called only where nodes are made.
        """
        ...

    def down(self, progress: Progress) -> bool:
        """End everything, also what a crash left; return whether there was anything."""
        ...

    def state(self) -> TargetState:
        """Say what is up."""
        ...

    def connections(self, plan: Plan) -> Connections:
        """Return the way to the nodes. Raises NotUpError."""
        ...

    def consoles(self, plan: Plan) -> Mapping[str, str]:
        """Return the device of each node's serial console, for `console.model.Port`; there while the node runs."""
        ...
