"""How the swarm is: what the engines say, what the manager knows, and what does not fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from pibramble.errors import PibrambleError
from pibramble.operate.swarm import engine, health, registry
from pibramble.operate.swarm.engine import Engine
from pibramble.operate.swarm.health import Complaint
from pibramble.operate.swarm.manager import Manager, Service, Task
from pibramble.operate.swarm.membership import Member
from pibramble.operate.swarm.registry import RegistryLook
from pibramble.plan.model import Plan
from pibramble.targets.base import Connections


@attrs.frozen
class NodeLook:
    """One node, seen from itself and from the manager."""

    engine: Engine
    place: str  # in the swarm: manager, ready, down, drained, not in it
    labels: Mapping[str, str]


@attrs.frozen
class SwarmStatus:
    """How the swarm is."""

    cluster: str
    up: bool
    nodes: tuple[NodeLook, ...]
    services: tuple[Service, ...] = ()
    tasks: tuple[Task, ...] = ()  # of services that have not as many as they should
    complaints: tuple[Complaint, ...] = ()
    registry: RegistryLook | None = None  # None: the plan has none, or the head does not answer

    @property
    def healthy(self) -> bool:
        """Say whether all is as it should be."""
        return self.up and not self.complaints and all(service.settled for service in self.services)


def look(plan: Plan, connections: Connections, nodes: Sequence[str]) -> SwarmStatus:
    """Ask the nodes and the manager; what cannot be reached is part of the answer."""
    head = plan.head.name
    engines = engine.ask(connections, tuple(dict.fromkeys((head, *nodes))))
    manager = Manager(connections, head)
    up = engines[head].swarm.manager
    known: tuple[Member, ...] = ()
    services: tuple[Service, ...] = ()
    tasks: tuple[Task, ...] = ()
    complaints = [one for one in health.judge(engines, head) if one.node in nodes]
    if up:
        try:
            known = manager.members()
            services = manager.services()
            tasks = manager.tasks([service.name for service in services if not service.settled])
        except PibrambleError as error:
            complaints.append(Complaint(head, error.message, error.hint, stops=True))
    kept = None
    if plan.containers and plan.containers.registry and engines[head].reachable:
        kept = registry.look(plan, connections)
        complaints += registry.judge(plan, kept)
    by_id = {member.id: member for member in known}
    looks = tuple(_node(engines[name], by_id) for name in nodes)
    complaints += _strangers(plan, engines, known)
    return SwarmStatus(plan.name, up, looks, services, tasks, tuple(complaints), kept)


def _node(engine: Engine, by_id: Mapping[str, Member]) -> NodeLook:
    member = by_id.get(engine.swarm.node_id)
    if member is None:
        state = engine.swarm.state
        return NodeLook(engine, "not in it" if state == "inactive" else f"{state}, unknown to the manager", {})
    place = "manager" if member.manager else "ready" if member.ready else "down"
    return NodeLook(engine, place if member.available else f"{place}, takes no tasks", member.labels)


def _strangers(plan: Plan, engines: Mapping[str, Engine], known: Sequence[Member]) -> list[Complaint]:
    """Return the manager's nodes that no node of ours is any more."""
    ids = {one.swarm.node_id for one in engines.values()}
    ours = {node.name for node in plan.nodes}
    cure = "`pibramble swarm up` lets its newer self take its place"
    return [
        Complaint(member.name, "the manager still has an older self of it", cure, stops=False)
        for member in known
        if member.id not in ids and member.name in engines and member.name in ours and engines[member.name].reachable
    ]
