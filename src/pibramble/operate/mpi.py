"""MPICH's side of a job: what `mpichversion` says, who gets which ranks, and the command line of `mpiexec`.

Pure: nothing here touches a node.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Self

import attrs

from pibramble.errors import UsageError
from pibramble.plan.model import BRIDGE, WORKER_INTERFACE, NodePlan, Role


@attrs.frozen
class Mpich:
    """An MPICH as it is installed on a node."""

    version: str  # 4.2.1
    device: str  # ch3:nemesis, ch4:ucx, "ch4:ucx ofi"

    @classmethod
    def read(cls, said: str) -> Self | None:
        """Read what `mpichversion` prints; None if that is not MPICH's."""
        version = re.search(r"^MPICH Version:\s*(\S+)", said, re.MULTILINE)
        device = re.search(r"^MPICH Device:\s*(\S.*?)\s*$", said, re.MULTILINE)
        return cls(version[1], device[1] if device else "") if version else None

    @property
    def transports(self) -> frozenset[str]:
        """Return which of ch4's ways over the network were built in: ucx, ofi."""
        return frozenset(re.findall(r"ucx|ofi", self.device))

    def transport_variables(self) -> dict[str, str]:
        """Return the environment of all ranks: which way over the network MPICH takes.

        Where there is a choice it is ofi's plain TCP: UCX polls without a pause, and where ranks share cores it is
        slower by a factor of 5 to 10 (allreduce of 8 ranks on 2 cores, MPICH 5.0.2: 0.05 against 0.6 s).
        """
        if "ofi" not in self.transports:
            return {}  # ch3 takes the names from the host file, ucx alone needs only the interface
        choice = {"MPIR_CVAR_CH4_NETMOD": "ofi"} if "ucx" in self.transports else {}
        return {**choice, "FI_PROVIDER": "tcp"}

    def interface_variables(self, role: Role) -> dict[str, str]:
        """Return what a node's ranks need besides, so that they meet on the cluster's network.

        The head has two networks, and its end of the cluster is a bridge: libfabric would take whichever interface is
        faster, UCX leaves bridges out unless told not to and then offers the loopback.
        """
        interface = BRIDGE if role is Role.HEAD else WORKER_INTERFACE
        if "ofi" in self.transports:
            return {"FI_TCP_IFACE": interface}
        if "ucx" in self.transports:
            bridge = {"UCX_TCP_BRIDGE_ENABLE": "y"} if role is Role.HEAD else {}
            return {"UCX_NET_DEVICES": interface, **bridge}
        return {}


@attrs.frozen
class Share:
    """A node's share of a job: so many ranks, in one block."""

    node: NodePlan
    first_rank: int
    ranks: int

    @property
    def rank_names(self) -> str:
        """Return its ranks for people: `rank 3`, `ranks 4-7`."""
        last = self.first_rank + self.ranks - 1
        return f"rank {last}" if self.ranks == 1 else f"ranks {self.first_rank}-{last}"


def share_out(nodes: Sequence[NodePlan], ranks: int | None, per_node: int | None) -> tuple[Share, ...]:
    """Deal the ranks out in blocks, node by node, as hydra does; nodes that get none are left out.

    A node takes as many ranks as it has cores, or `per_node`. `ranks` None: as many as there is room for. More ranks
    than that: every node gets more, in the same proportion, the first ones the odd ones.
    """
    room = [per_node or node.board.cores for node in nodes]
    wanted = sum(room) if ranks is None else ranks
    if wanted < 1:
        raise UsageError("a job needs at least one rank")
    counts = _in_proportion(room, wanted) if wanted > sum(room) else _first_come(room, wanted)
    shares, first = [], 0
    for node, count in zip(nodes, counts, strict=True):
        if count:
            shares.append(Share(node, first, count))
        first += count
    return tuple(shares)


def _first_come(room: Sequence[int], wanted: int) -> list[int]:
    counts = []
    for places in room:
        counts.append(min(places, wanted))
        wanted -= counts[-1]
    return counts


def _in_proportion(room: Sequence[int], wanted: int) -> list[int]:
    counts = [places * wanted // sum(room) for places in room]
    for index in range(wanted - sum(counts)):  # fewer than there are nodes: each lost less than one to the rounding
        counts[index] += 1
    return counts


@attrs.frozen
class Launch:
    """Everything that goes into `mpiexec`'s command line."""

    shares: tuple[Share, ...]
    programs: Mapping[str, str]  # node -> shell word for the executable there, `"$HOME"/...` already quoted
    arguments: tuple[str, ...]
    mpich: Mpich
    environment: Mapping[str, str]  # what the person asked for

    def host_file(self) -> str:
        """Return hydra's host file."""
        return "".join(f"{share.node.name}:{share.ranks}\n" for share in self.shares)

    def command(self, stdin: str | None = None) -> str:
        """Return the command for the head's shell; it reads the host file from a here-document, so none is left over.

        `stdin` is the file that rank 0 reads as its standard input, as a word for the node's shell; the others have
        nothing to read. hydra's own way is of no use: it gives up with "process reading stdin too slowly" as soon as a
        pipe is full, and ranks on other nodes that read get neither data nor an end.

        The manual launcher prints, for every node, what has to be started there: we do that over our open
        connections. hydra's own ssh launcher starts an ssh a node for it, 100 ms each on a 700 MHz head.
        """
        everywhere = {**self.mpich.transport_variables(), **self.environment}
        words = ["exec mpiexec -launcher manual -f /proc/self/fd/3"]
        words += [f"-genv {shlex.quote(name)} {shlex.quote(value)}" for name, value in everywhere.items()]
        return f"{' '.join(words)} {self._segments(stdin)} 3<<'END'\n{self.host_file()}END\n"

    def _segments(self, stdin: str | None) -> str:
        """Return hydra's MPMD notation: neighbours that are started alike share a segment."""
        segments: list[tuple[str, int]] = []
        for share in self.shares:
            start = self._start_on(share.node)
            ranks = share.ranks
            if stdin and not segments:
                segments.append((self._start_on(share.node, stdin), 1))
                ranks -= 1
            if segments and segments[-1][0] == start:
                segments[-1] = (start, segments[-1][1] + ranks)
            elif ranks:
                segments.append((start, ranks))
        return " : ".join(f"-n {ranks} {start}" for start, ranks in segments)

    def _start_on(self, node: NodePlan, stdin: str = "/dev/null") -> str:
        """Return the variables, the program and its arguments for ranks on this node."""
        variables = [
            f"-env {name} {shlex.quote(value)}"
            for name, value in self.mpich.interface_variables(node.role).items()
            if name not in self.environment  # the person knows better
        ]
        reader = ["sh -c", shlex.quote(f'exec "$0" "$@" <{stdin}')]
        return " ".join([*variables, *reader, self.programs[node.name], *map(shlex.quote, self.arguments)])


_LAUNCH = b"HYDRA_LAUNCH: "
_LAUNCH_END = b"HYDRA_LAUNCH_END"


class ManualLauncher:
    """Takes what hydra's manual launcher says out of the standard output of `mpiexec`.

    It comes before anything that a program could print, since no program runs until we have acted on it.
    """

    def __init__(self) -> None:
        """Expect the launcher's lines."""
        self._held = b""  # the beginning of a line that may be the launcher's
        self._commands: list[str] = []
        self.complete = False

    @property
    def commands(self) -> tuple[str, ...]:
        """Return the commands to start, one a node, in the order of the host file."""
        return tuple(self._commands)

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece of output; return what of it is not the launcher's."""
        if self.complete:
            return chunk
        others: list[bytes] = []
        lines = (self._held + chunk).split(b"\n")
        self._held = b""
        for index, line in enumerate(lines[:-1]):
            if line.startswith(_LAUNCH):
                self._commands.append(shlex.join(line[len(_LAUNCH) :].decode().split()))
            elif line == _LAUNCH_END:
                self.complete = True
                return b"".join(others) + b"\n".join(lines[index + 1 :])
            else:
                others.append(line + b"\n")
        start = lines[-1][: len(_LAUNCH)]
        if _LAUNCH.startswith(start) or _LAUNCH_END.startswith(start):
            self._held = lines[-1]
        else:
            others.append(lines[-1])
        return b"".join(others)

    def rest(self) -> bytes:
        """Return what is held back when the output is at its end."""
        held, self._held = self._held, b""
        return held
