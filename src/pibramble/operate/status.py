"""How the nodes are: one question to each, all at once, and what the answers mean."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from pibramble.operate.clocks import READ_CLOCK, READ_TRACKING, Astray, Clock, Reading, astray
from pibramble.operate.execute import Stream, execute
from pibramble.operate.mpi import Mpich
from pibramble.operate.outcome import Outcome
from pibramble.plan.model import NodePlan, Plan
from pibramble.targets.base import Connections, TargetState

if TYPE_CHECKING:
    from pibramble.operate.swarm.engine import Engine
    from pibramble.operate.swarm.health import Complaint

# Everything in one round trip. A board has one thermal zone, in thousandths of a degree; a PC may have none.
_SCRIPT = r"""
read -r load rest </proc/loadavg && echo "load $load"
read -r uptime rest </proc/uptime && echo "uptime $uptime"
while read -r name value unit; do
    case $name in MemTotal:|MemAvailable:) echo "$name $value" ;; esac
done </proc/meminfo
for zone in /sys/class/thermal/thermal_zone*/temp; do
    { read -r value <"$zone" && echo "temperature $value"; } 2>/dev/null
    break
done
mpichversion 2>/dev/null
"""
_TIMEOUT_S = 20.0  # a board that swaps takes seconds, and an engine that hangs ten; one that takes longer is not well


@attrs.frozen
class Machine:
    """What a machine says about itself. None: it does not say."""

    load: float | None = None  # the mean of the last minute
    memory_used_mb: int | None = None
    memory_total_mb: int | None = None
    temperature_c: float | None = None
    uptime_s: float | None = None


@attrs.frozen
class NodeStatus:
    """How one node is."""

    node: str
    role: str
    board: str
    reachable: bool
    problem: str = ""  # why it is not
    hint: str = ""
    machine: Machine | None = None  # None: the node has no machine of its own (the lab), or is not reachable
    mpich: str | None = None  # None: not installed, or not reachable
    reading: Reading | None = None  # its clock, held against the one of the machine that asks
    clock: Clock | None = None  # what its chronyd says; None: nobody asked it
    link: str | None = None  # None: the head
    to_worker_mbit: float | None = None  # planned
    to_head_mbit: float | None = None
    rate_verified: bool = False
    engine: Engine | None = None  # of containers; None: the plan has none, or the node is not reachable


@attrs.frozen
class ClusterStatus:
    """How the cluster is."""

    cluster: str
    target: str
    up: bool
    nodes: tuple[NodeStatus, ...] = ()
    host: Machine | None = None  # the machine that all nodes share, where they do
    clock_limit_ms: int = 0
    astray: tuple[Astray, ...] = ()  # whose clocks are farther off than that
    not_modelled: tuple[str, ...] = ()
    engines: tuple[Complaint, ...] = ()  # what is wrong with engines, and the cure

    @property
    def healthy(self) -> bool:
        """Say whether all is as it should be."""
        return self.up and all(node.reachable for node in self.nodes)


def ask(plan: Plan, names: Sequence[str], connections: Connections, state: TargetState) -> ClusterStatus:
    """Ask the nodes of these names; what cannot be reached is part of the answer."""
    dead = {node.node: node for node in state.nodes if not node.running}
    heard_s: dict[str, float] = {}

    def heard(node: str, _stream: Stream, _chunk: bytes) -> None:
        heard_s.setdefault(node, time.time())

    shared = state.one_machine  # load, memory and clock are those of this machine
    # Nodes that share a clock have a chronyd each for a receiver's sake alone.
    tracking = "" if shared and plan.gps is None else READ_TRACKING
    script = f"{READ_CLOCK}{_SCRIPT}{tracking}{_about_engines(plan)}exit 0\n"
    living = [name for name in names if name not in dead]
    outcomes = execute(connections, living, script, timeout_s=_TIMEOUT_S, on_output=heard)
    nodes, host = [], None
    for name in names:
        node = plan.node(name)
        if name in dead:
            cure = dead[name].hint or "`pibramble up` starts it again"
            nodes.append(_node(node, reachable=False, problem=dead[name].detail, hint=cure))
            continue
        outcome = outcomes[name]
        if outcome.exit_code is None:
            nodes.append(_node(node, reachable=False, problem=outcome.problem, hint=_cure(outcome)))
            continue
        said = outcome.stdout.decode(errors="replace")
        machine = read_machine(said)
        host = machine if shared else None
        mpich = Mpich.read(said)
        found = _node(node, reachable=True, machine=None if shared else machine, mpich=mpich.version if mpich else None)
        nodes.append(
            attrs.evolve(
                found,
                reading=Reading.read(said, heard_s.get(name, 0.0), outcome.seconds),
                clock=Clock.read(said, plan),
                engine=_engine(plan, name, said),
            )
        )
    readings = {node.node: node.reading for node in nodes}
    clocks = {node.node: node.clock for node in nodes}
    far = astray(readings, plan.head.name, plan.clock_limit_ms / 1000, clocks)
    return ClusterStatus(
        *(plan.name, state.target, state.up, tuple(nodes), host, plan.clock_limit_ms, far, state.not_modelled),
        engines=_complaints(plan, nodes),
    )


def read_machine(said: str) -> Machine:
    """Read the answer to the question."""
    values: Mapping[str, float] = {
        found[1]: float(found[2])
        for found in re.finditer(r"^(load|uptime|MemTotal:|MemAvailable:|temperature) (-?[\d.]+)$", said, re.MULTILINE)
    }
    total, free = values.get("MemTotal:"), values.get("MemAvailable:")
    temperature = values.get("temperature")
    return Machine(
        load=values.get("load"),
        memory_used_mb=None if total is None or free is None else round((total - free) / 1024),
        memory_total_mb=None if total is None else round(total / 1024),
        temperature_c=None if temperature is None else temperature / 1000,
        uptime_s=values.get("uptime"),
    )


# Most clusters have no containers, and import none of what knows them.


def _about_engines(plan: Plan) -> str:
    if plan.containers is None:
        return ""
    from pibramble.operate.swarm.engine import ASK_ENGINE

    return ASK_ENGINE


def _engine(plan: Plan, node: str, said: str) -> Engine | None:
    if plan.containers is None:
        return None
    from pibramble.operate.swarm.engine import read

    return read(node, said)


def _complaints(plan: Plan, nodes: Sequence[NodeStatus]) -> tuple[Complaint, ...]:
    engines = {node.node: node.engine for node in nodes if node.engine}
    if not engines:
        return ()
    from pibramble.operate.swarm.health import judge

    return judge(engines, plan.head.name)


def _node(  # noqa: PLR0913 (what there is to say of a node)
    node: NodePlan,
    *,
    reachable: bool,
    problem: str = "",
    hint: str = "",
    machine: Machine | None = None,
    mpich: str | None = None,
) -> NodeStatus:
    link = node.link
    return NodeStatus(
        node=node.name,
        role=node.role.value,
        board=node.board.name,
        reachable=reachable,
        problem=problem,
        hint=hint,
        machine=machine,
        mpich=mpich,
        link=link.kind.value if link else None,
        to_worker_mbit=link.to_worker_bps / 1e6 if link else None,
        to_head_mbit=link.to_head_bps / 1e6 if link else None,
        rate_verified=link.rate_verified if link else False,
    )


def _cure(outcome: Outcome) -> str:
    return outcome.hint or "`pibramble up` opens its connection again"
