"""Real boards, seen from a PC: the head is asked to look after its links, and every connection leads through it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from pibramble import locks, paths
from pibramble.errors import NotUpError, UnreachableError, UsageError
from pibramble.files.model import Keyring
from pibramble.operate.execute import execute
from pibramble.plan.digest import digest
from pibramble.plan.model import Plan
from pibramble.progress import Progress
from pibramble.serialise import plain
from pibramble.targets import sockets
from pibramble.targets.base import NodeReport, TargetState, UpReport
from pibramble.targets.through_head import Credentials, ThroughHead, Way

_WAIT_FOR_OTHERS_S = 60
_HEAD_S = 300  # for the head's own `up`: Python starts in seconds there, links settle for some, 16 handshakes
_NO_SUCH_COMMAND = 127  # sh(1)
_ASK_HEAD = "pibramble --quiet up --target hardware --json"


class FromPc:
    """The boards of a cluster whose head is reached over the network; the state folder remembers where."""

    name = "hardware"

    def __init__(self, folder: Path) -> None:
        """Name the cluster's state folder."""
        self._folder = folder
        self._file = folder / "hardware.json"
        self._way = self._remembered()

    def use(self, way: Way | None, patience_s: float | None) -> None:
        """Take the head to be somewhere else than remembered, or slower. Raises UsageError without a head at all."""
        if way is None and self._way is None:
            raise UsageError("where is the head?", hint="pibramble up --head HOST")
        way = way or self._way
        self._way = attrs.evolve(way, patience_s=patience_s) if way and patience_s else way

    def up(
        self,
        plan: Plan,
        keys: Callable[[], Keyring],  # noqa: ARG002 (the boards have theirs on their cards)
        progress: Progress,
        *,
        connect: bool = True,
    ) -> UpReport:
        """Have the head check and repair its links, then open the connections through it.

        Raises UsageError when nobody said where the head is, and UnreachableError when it cannot be reached.
        """
        if self._way is None:
            raise UsageError(
                f"where is the head of {plan.name}?", hint="pibramble up --head HOST: its address on your network"
            )
        with locks.held(self._folder / "hardware.lock", "up", patience_s=_WAIT_FOR_OTHERS_S):
            if (before := self._remembered()) and (before.host, before.port) != (self._way.host, self._way.port):
                self._close()  # what is open leads to where the head was
            connections = self._through(plan, self._way)
            head = plan.head.name
            with progress.step("Connecting to the head"):
                if refused := connections.open([head]):
                    connections.close()  # every worker's leads through the head
                    raise UnreachableError(
                        f"{head} at {refused[head]}", hint="on? at this address? `ping` it; a serial console shows more"
                    )
            paths.write_private(self._file, json.dumps(plain(self._way), indent=1))
            with progress.step("The head checks its links", len(plan.workers), "links"):
                report = _ask_head(plan, connections)
            return self._connect(plan, connections, report, progress) if connect else report

    def down(self, progress: Progress) -> bool:
        """Close the connections and forget the head; the boards stay on."""
        with (
            locks.held(self._folder / "hardware.lock", "down", patience_s=_WAIT_FOR_OTHERS_S, interrupt="up"),
            progress.step("Closing connections"),
        ):
            closed = self._close()
            self._file.unlink(missing_ok=True)
            return closed

    def state(self) -> TargetState:
        """Say whether a head is remembered; what its links are only the head knows."""
        return TargetState(self.name, up=self._remembered() is not None)

    def connections(self, plan: Plan) -> ThroughHead:
        """Return the way to the nodes. Raises NotUpError."""
        if self._way is None:
            raise NotUpError(f"the boards of {plan.name} are not connected", hint="pibramble up --head HOST")
        return self._through(plan, self._way)

    def consoles(self, plan: Plan) -> Mapping[str, str]:  # noqa: ARG002 (the lines end at the head)
        """Return none: the lines end at the head."""
        return {}

    def _through(self, plan: Plan, way: Way) -> ThroughHead:
        return ThroughHead(plan, Credentials.of(self._folder), way, self._folder_of_sockets())

    def _connect(self, plan: Plan, connections: ThroughHead, report: UpReport, progress: Progress) -> UpReport:
        well = [node.name for node in plan.nodes if node.name not in report.missing]
        with progress.step("Opening connections", len(well), "nodes"):
            refused = connections.open(well)
        return attrs.evolve(report, nodes=tuple(_with_refusal(node, refused) for node in report.nodes))

    def _folder_of_sockets(self) -> Path:
        return sockets.folder(f"{self._folder}/hardware", self._folder.name)

    def _close(self) -> bool:
        return sockets.end_all(self._folder_of_sockets())

    def _remembered(self) -> Way | None:
        try:
            return Way(**json.loads(self._file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def _ask_head(plan: Plan, connections: ThroughHead) -> UpReport:
    """Run `pibramble up` on the head and return what it says; a head that cannot be asked is a remark."""
    head = plan.head.name
    outcome = execute(connections, [head], _ASK_HEAD, timeout_s=_HEAD_S)[head]
    report = _read(outcome.stdout)
    if report is None:
        words = outcome.stderr.decode(errors="replace").strip().splitlines()
        said = outcome.problem or (words[0] if words else f"exit code {outcome.exit_code}")
        if outcome.exit_code == _NO_SUCH_COMMAND:
            said = "there is no pibramble on it"
        refused = connections.open_from_head([worker.name for worker in plan.workers])
        nodes = (NodeReport(node.name, node.name not in refused, refused.get(node.name, "")) for node in plan.nodes)
        return UpReport(tuple(nodes), (f"{head} could not check its links: {said}",))
    if report.plan != digest(plan):
        remark = (
            f"{head} works by another cluster file, or another pibramble, than this machine: `pibramble card inspect`"
        )
        return attrs.evolve(report, remarks=(remark, *report.remarks))
    return report


def _read(said: bytes) -> UpReport | None:
    """Read a report; None where it is none, as of another version of pibramble."""
    try:
        data: dict[str, Any] = json.loads(said)
        nodes = tuple(NodeReport(**node) for node in data["nodes"])
        return UpReport(nodes, tuple(data["remarks"]), data["plan"])
    except (ValueError, TypeError, KeyError):
        return None


def _with_refusal(node: NodeReport, refused: Mapping[str, str]) -> NodeReport:
    reason = refused.get(node.node)
    return NodeReport(node.node, ok=False, said=reason) if reason else node
