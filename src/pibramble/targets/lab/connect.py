"""The way from this machine into a lab: the control sockets of connections that start in the head.

They are the very sockets that the head's own ssh (and with it hydra) uses, seen through a shared folder, so a
connection is opened once for everybody. Their paths are short: a unix socket's may have 107 bytes.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pibramble import proc
from pibramble.errors import PibrambleError
from pibramble.operate import mux
from pibramble.operate.execute import execute
from pibramble.plan.model import Plan
from pibramble.targets import opening
from pibramble.targets.lab import ground
from pibramble.targets.lab.state import LabState


class LabConnections:
    """Opens and finds the connections of a lab (targets.base.Connections)."""

    def __init__(self, plan: Plan, state: LabState) -> None:
        """Start from what is up."""
        self._plan = plan
        self._state = state
        self._addresses = {node.name: str(node.address) for node in plan.nodes}

    def socket(self, node: str) -> Path:
        """Return the path of the node's control socket."""
        return Path(self._state.sockets) / self._addresses[node]

    def open(self, nodes: Iterable[str], *, timeout_s: float = 30) -> Mapping[str, str]:
        """Open what is not open; return node -> reason for those that would not."""
        closed = [node for node in nodes if not mux.alive(self.socket(node))]
        problems = {node: "is not running" for node in closed if not self._running(node)}
        closed = [node for node in closed if node not in problems]
        if not closed:
            return problems
        if not self._running(self._plan.head.name):
            return {**problems, **dict.fromkeys(closed, "the head is not running, and every way leads through it")}
        try:
            said = self._open_from_head(closed, timeout_s)
        except PibrambleError as error:
            return {**problems, **dict.fromkeys(closed, str(error))}
        return {**problems, **opening.reasons(said)}

    def interactive(self, node: str) -> list[str]:
        """Return the ssh command that shares the node's connection."""
        name = self._plan.user + "@" + node
        # No configuration of this machine applies (-F none): all that matters was settled when the master connected.
        return ["ssh", "-F", "none", "-o", "ControlMaster=no", "-S", str(self.socket(node)), name]

    def _running(self, node: str) -> bool:
        init = self._state.nodes.get(node)
        return init is not None and init.alive()

    def _open_from_head(self, nodes: Sequence[str], timeout_s: float) -> str:
        """Open connections from the head as the cluster's user; return what the script printed."""
        words = ["sh", "-c", opening.script(unless_open=False), "sh", *nodes]
        head = self._plan.head.name
        if self._state.rootless or os.getuid() == 0:
            uid = str(self._state.user_uid)
            user = () if self._state.rootless else ("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups")
            inside = ground.inside_node(self._state.nodes[head], rootless=self._state.rootless)
            return proc.run([*inside, *user, *words], timeout_s=timeout_s).stdout
        if head in nodes:  # only root can enter the head otherwise than through its sshd
            raise PibrambleError(
                "the connection to the head is gone, and opening it takes root",
                hint="`sudo pibramble up` opens what is missing and leaves the rest alone",
            )
        outcome = execute(self, [head], shlex.join(words), timeout_s=timeout_s)[head]
        if outcome.problem:
            return "".join(f"{node}\t{outcome.problem}\n" for node in nodes)
        return outcome.stdout.decode(errors="replace")
