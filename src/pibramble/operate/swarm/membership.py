"""Who has to do what so that the swarm is the plan's: decided from what the engines and the manager say. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from pibramble.errors import PibrambleError
from pibramble.operate.swarm.engine import Engine
from pibramble.plan.model import Plan

PORT = 2377  # the manager's, of Docker's own choice


@attrs.frozen
class Member:
    """A node as the manager knows it."""

    id: str
    name: str  # its host name
    ready: bool
    available: bool  # takes tasks: neither drained nor paused
    manager: bool
    labels: Mapping[str, str]


@attrs.frozen
class Steps:
    """What has to be done, in this order."""

    join: tuple[str, ...]  # nodes that are in no swarm
    leave_first: tuple[str, ...]  # of those: they still think that they are in one that is gone


@attrs.frozen
class Cleaning:
    """What is done at the manager once all have joined."""

    remove: tuple[Member, ...]  # ids that no node has any more: a board that got a new card
    label: Mapping[str, Mapping[str, str]]  # id -> the labels that are missing or wrong


def members(said: str) -> tuple[Member, ...]:
    """Read `docker node inspect --format '{{json .}}'`, a line a node."""
    return tuple(_member(json.loads(line)) for line in said.splitlines() if line.startswith("{"))


def check_head(plan: Plan, head: Engine) -> bool:
    """Say whether the head is this swarm's manager already. Raises PibrambleError where it is in somebody else's."""
    swarm = head.swarm
    if swarm.state == "inactive":
        return False
    if swarm.manager:
        return True
    others = ", ".join(swarm.managers) or "somebody else"
    raise PibrambleError(
        f"{head.node} is in another swarm already, whose manager is {others}"
        if swarm.state != "locked"
        else f"{head.node}'s swarm is locked: only its key opens it",
        hint=f"if that one is to go: pibramble exec -w {plan.head.name} -- sudo docker swarm leave --force",
    )


def steps(plan: Plan, engines: Mapping[str, Engine], known: Sequence[Member]) -> Steps:
    """Return what the workers in `engines` must do. Raises PibrambleError for one that serves another manager."""
    _check_one_manager(plan, known)
    ids = {member.id for member in known}
    ours = f"{plan.head.address}:{PORT}"
    join, leave = [], []
    for engine in engines.values():
        swarm = engine.swarm
        if engine.node == plan.head.name or (swarm.state == "active" and swarm.node_id in ids):
            continue
        join.append(engine.node)
        if swarm.state == "inactive":
            continue
        # Ours by its address, but the head does not know it: the head got a new card, and its old swarm is gone.
        if swarm.manager or (swarm.managers and ours not in swarm.managers):
            others = "itself" if swarm.manager else ", ".join(swarm.managers)
            raise PibrambleError(
                f"{engine.node} is in another swarm already, whose manager is {others}; nothing was changed",
                hint=f"if that one is to go: pibramble exec -w {engine.node} -- sudo docker swarm leave --force",
            )
        leave.append(engine.node)
    return Steps(tuple(join), tuple(leave))


def cleaning(plan: Plan, engines: Mapping[str, Engine], known: Iterable[Member]) -> Cleaning:
    """Return what is left to do when all have joined: a node's newest id counts, its older ones go."""
    ids = {engine.swarm.node_id for engine in engines.values() if engine.swarm.state == "active"}
    asked = set(engines)
    remove, label = [], {}
    for member in known:
        if member.id in ids:
            wanted = plan.containers.labels.get(member.name, {}) if plan.containers else {}
            if missing := {key: value for key, value in wanted.items() if member.labels.get(key) != value}:
                label[member.id] = missing
        elif member.name in asked and not member.manager:
            remove.append(member)
    return Cleaning(tuple(remove), label)


def _check_one_manager(plan: Plan, known: Iterable[Member]) -> None:
    if others := [member.name for member in known if member.manager and member.name != plan.head.name]:
        raise PibrambleError(
            f"this swarm has another manager beside {plan.head.name}: {', '.join(others)}",
            hint=f"one head is enough: pibramble exec -w {plan.head.name} -- sudo docker node demote {others[0]}",
        )


def _member(said: Mapping[str, Any]) -> Member:
    spec = said["Spec"]
    return Member(
        id=said["ID"],
        name=said["Description"].get("Hostname", ""),
        ready=said["Status"]["State"] == "ready",
        available=spec.get("Availability") == "active",
        manager=spec.get("Role") == "manager",
        labels=spec.get("Labels") or {},
    )
