"""The head's own way to the nodes: the connections that its ssh keeps for everybody, hydra too."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping
from pathlib import Path

from pibramble import proc
from pibramble.errors import MissingError, TimedOutError
from pibramble.files.ssh import CONTROL_FOLDER
from pibramble.operate import mux
from pibramble.plan.model import Plan
from pibramble.targets import opening, reasons

_PATIENCE_S = 120  # a handshake of two ARMv6 boards takes 1 to 2 s, and the head has one core for all of them


class HeadConnections:
    """Opens and finds the connections of the head that this machine is (targets.base.Connections)."""

    def __init__(self, plan: Plan) -> None:
        """Name the plan."""
        self._plan = plan

    def socket(self, node: str) -> Path:
        """Return the path of the node's control socket, as ssh_config has it (files/ssh.py)."""
        return Path(CONTROL_FOLDER) / str(self._plan.node(node).address)

    def open(self, nodes: Iterable[str], *, timeout_s: float | None = None) -> Mapping[str, str]:
        """Open what is not open; return node -> reason for those that would not. Raises MissingError."""
        closed = [node for node in nodes if not mux.alive(self.socket(node))]
        if not closed:
            return {}
        words = [*self._as_user(), "sh", "-c", opening.script(unless_open=False), "sh", *closed]
        try:
            done = proc.run(words, timeout_s=timeout_s or _PATIENCE_S, check=False)
        except TimedOutError:
            return {node: reasons.explain("timed out") for node in closed if not mux.alive(self.socket(node))}
        if done.returncode:
            reason = f"{CONTROL_FOLDER} cannot be used (`sudo systemd-tmpfiles --create` makes it)"
            return dict.fromkeys(closed, reason)
        return {node: reasons.explain(said) for node, said in opening.reasons(done.stdout).items()}

    def interactive(self, node: str) -> list[str]:
        """Return the ssh command that shares the node's connection."""
        socket = str(self.socket(node))
        return ["ssh", "-F", "none", "-o", "ControlMaster=no", "-S", socket, f"{self._plan.user}@{node}"]

    def close(self) -> bool:
        """End all connections, those of other programs on the head too; return whether there were any."""
        open_ones = [node.name for node in self._plan.nodes if mux.alive(self.socket(node.name))]
        for node in open_ones:
            proc.run(["ssh", "-F", "none", "-S", str(self.socket(node)), "-O", "exit", node], check=False)
        return bool(open_ones)

    def _as_user(self) -> tuple[str, ...]:
        """Return the words that make a command the cluster user's: the key and the sockets are that account's."""
        user = self._plan.user
        try:
            uid = pwd.getpwnam(user).pw_uid
        except KeyError:
            raise MissingError(f"this head has no user {user}", hint="its card, or its files, say another") from None
        if os.getuid() == uid:
            return ()
        if os.getuid() != 0:
            raise MissingError(f"only {user} may use this cluster's key", hint=f"log in as {user}: su - {user}")
        return ("setpriv", "--reuid", user, "--regid", user, "--init-groups", "--reset-env")
