"""Real boards, seen from their head: its links are checked and repaired, its own connections opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pibramble import locks, proc
from pibramble.errors import PibrambleError
from pibramble.files.model import Keyring
from pibramble.plan.digest import digest
from pibramble.plan.model import BRIDGE, Plan
from pibramble.progress import Progress
from pibramble.spec.model import Link
from pibramble.targets.base import NodeReport, NodeState, TargetState, UpReport
from pibramble.targets.hardware import links
from pibramble.targets.hardware.connect import HeadConnections
from pibramble.targets.hardware.diagnose import Diagnosis, brief, diagnose
from pibramble.targets.hardware.links import Trouble
from pibramble.targets.hardware.look import Seen, System, as_root

_SETTLE_S = 10  # how long a repaired link, or a pppd that has just started, gets
_POLL_S = 0.25
_WAIT_FOR_OTHERS_S = 60


class OnHead:
    """The boards of the cluster whose head this machine is. They are always up: what is off is the boards' business."""

    name = "hardware"

    def __init__(self, folder: Path, plan: Plan, system: System = System()) -> None:  # noqa: B008 (frozen)
        """Name the cluster's state folder, its plan, and the machine to look at."""
        self._folder = folder
        self._plan = plan
        self._system = system

    def up(
        self,
        plan: Plan,
        keys: Callable[[], Keyring],  # noqa: ARG002 (the card holds all that the head may have)
        progress: Progress,
        *,
        connect: bool = True,
    ) -> UpReport:
        """Check and repair the links, open the connections; the report says which boards are missing, and why."""
        with locks.held(self._folder / "hardware.lock", "up", patience_s=_WAIT_FOR_OTHERS_S):
            with progress.step("Checking links", len(plan.workers), "links"):
                remarks = tuple(self._mend_head())
                repaired, broken = self._mend_links()
            refused: Mapping[str, str] = {}
            if connect:
                well = [node.name for node in plan.nodes if node.name not in broken]
                with progress.step("Opening connections", len(well), "nodes"):
                    refused = self.connections(plan).open(well)
        return UpReport(tuple(self._reports(repaired, broken, refused)), remarks, digest(plan))

    def down(self, progress: Progress) -> bool:
        """Close the connections; the boards stay on."""
        with (
            locks.held(self._folder / "hardware.lock", "down", patience_s=_WAIT_FOR_OTHERS_S, interrupt="up"),
            progress.step("Closing connections"),
        ):
            return self.connections(self._plan).close()

    def state(self) -> TargetState:
        """Say which links are there: read from the kernel, without a word to the boards."""
        found = self._troubles()
        states = [NodeState(self._plan.head.name, running=True)]
        for worker in self._plan.workers:
            trouble = found.get(worker.name)
            if trouble is None:
                states.append(NodeState(worker.name, running=True))
            else:
                what = brief(worker, trouble)
                # A serial link that was cut for a moment comes back; whether a job survives that its connections tell.
                states.append(NodeState(worker.name, running=False, detail=what.said, hint=what.hint, for_good=False))
        return TargetState(self.name, up=True, nodes=tuple(states))

    def connections(self, plan: Plan) -> HeadConnections:
        """Return the way to the nodes."""
        return HeadConnections(plan)

    def consoles(self, plan: Plan) -> Mapping[str, str]:
        """Return the consoles on USB workers' own cables; those with a wire of their own stand under [[consoles]]."""
        return plan.node_consoles

    def _mend_head(self) -> Iterator[str]:
        """Repair what all links need; yield what was done, or could not be."""
        if BRIDGE not in self._system.interfaces():
            restart = ("systemctl", "restart", "systemd-networkd.service")
            yield _mended(f"there was no bridge {BRIDGE}", "networkd restarted", restart)
        if not self._system.forwards():
            load = ("sysctl", "--quiet", "--ignore", "--load", "/etc/sysctl.d/60-pibramble.conf")
            yield _mended("the head did not pass packets on", "switched on", load)
        problem = _as_root("nft", "list", "table", "inet", "pibramble")
        if "No such file" in problem:  # nft's word for a table that is not loaded
            yield _mended("the firewall was not loaded", "loaded", ("nft", "-f", "/etc/nftables.conf"))
        elif problem:
            yield f"the firewall could not be looked at: {problem}"

    def _mend_links(self) -> tuple[dict[str, str], dict[str, Diagnosis]]:
        """Repair links; return worker -> what was done, and worker -> what is wrong for those that stay broken."""
        found = self._troubles()
        if not found:
            return {}, {}
        seen = self._look_closely(found)
        repaired: dict[str, str] = {}
        for node, trouble in found.items():
            if repair := links.repair(self._plan.node(node), trouble, seen):
                problem = next((said for said in (_as_root(*words) for words in repair.commands) if said), "")
                repaired[node] = f"{repair.said}, but: {problem}" if problem else repair.said
        waiting = {node for node in found if node in repaired or links.takes_time(self._plan.node(node), seen)}
        deadline = time.monotonic() + _SETTLE_S
        while waiting & set(found) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            found = self._troubles()
        if not found:
            return repaired, {}
        seen = self._look_closely(found)
        broken = {
            node: diagnose(self._plan, self._plan.node(node), trouble, seen)
            for node, trouble in links.troubles(self._plan, seen.interfaces).items()
        }
        return repaired, broken

    def _troubles(self) -> dict[str, Trouble]:
        return links.troubles(self._plan, self._system.interfaces())

    def _look_closely(self, found: Mapping[str, Trouble]) -> Seen:
        serial = {
            worker.name: worker.link.head_port or ""
            for worker in self._plan.workers
            if worker.name in found and worker.link and worker.link.kind is Link.SERIAL
        }
        return self._system.all([*serial.values()], [links.unit_of(node) for node in serial])

    def _reports(
        self, repaired: Mapping[str, str], broken: Mapping[str, Diagnosis], refused: Mapping[str, str]
    ) -> Iterator[NodeReport]:
        for node in self._plan.nodes:
            done = repaired.get(node.name, "")
            if node.name in broken:
                what = broken[node.name]
                yield NodeReport(node.name, ok=False, said="; ".join(filter(None, (what.said, done))), hint=what.hint)
            elif node.name in refused:
                hint = "its link is there: is the board still starting? `pibramble up` again in a minute"
                yield NodeReport(node.name, ok=False, said=refused[node.name], hint="" if node.link is None else hint)
            else:
                yield NodeReport(node.name, ok=True, said=done)


def _mended(wrong: str, done: str, command: Sequence[str]) -> str:
    """Run the command as root, and return what to tell of it."""
    problem = _as_root(*command)
    return f"{wrong}, and that could not be mended: {problem}" if problem else f"{wrong}: {done}"


def _as_root(*words: str) -> str:
    """Run a command as root; return "" or why it failed, in one line."""
    try:
        done = proc.run(as_root(*words), check=False)
    except PibrambleError as error:
        return error.message
    if done.returncode == 0:
        return ""
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return said[0] if said else f"exit code {done.returncode}"  # nft, for one, goes on with a drawing
