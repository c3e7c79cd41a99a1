"""What each node's container engine says about itself: one question to each node, and what the answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from pibramble.operate.execute import execute
from pibramble.targets.base import Connections

# What a node is asked of its engine, besides whatever else it is asked at that moment. An engine that hangs is one that
# does not answer; the node does.
ASK_ENGINE = r"""
if command -v docker >/dev/null; then
    said=$(sudo -n timeout 10 docker info --format '{{json .}}' 2>&1)
    case $? in
        0) state=engine ;;
        124) state=silent said="it said nothing for 10 s" ;;
        # From 28 on the client also prints all that it does not know, in JSON.
        *) state=silent said=$(printf '%s\n' "$said" | grep -v '^{') ;;
    esac
    printf '%s %s\n' $state "$said"
    folder=$(printf '%s\n' "$said" | sed -n 's/.*"DockerRootDir":"\([^"]*\)".*/\1/p')
    echo "disk $(df -Pk -- "${folder:-/}" | awk 'NR == 2 {print $4}')"
else
    echo "engine none"
fi
"""
# The node's clock first: what follows takes time.
_SCRIPT = f'echo "clock $(date +%s)"\n{ASK_ENGINE}'
_TIMEOUT_S = 30.0  # a board that just started its engine answers late


@attrs.frozen
class Membership:
    """Where an engine stands in a swarm."""

    state: str = "inactive"  # inactive | pending | active | error | locked
    node_id: str = ""
    manager: bool = False
    managers: tuple[str, ...] = ()  # ADDRESS:PORT
    error: str = ""


@attrs.frozen
class Engine:
    """What is known of one node's engine."""

    node: str
    reachable: bool
    problem: str = ""  # why it is not, or why its engine does not answer
    hint: str = ""
    installed: bool = False
    version: str = ""  # empty: it does not answer
    machine: str = ""  # as uname -m: armv6l, aarch64, x86_64
    system: str = ""  # linux
    memory_limit: bool = True  # the kernel counts containers' memory
    disk_free_mb: int | None = None
    containers_running: int = 0
    clock_s: int | None = None  # seconds since 1970, by its own clock
    swarm: Membership = Membership()


def ask(connections: Connections, nodes: Sequence[str]) -> dict[str, Engine]:
    """Ask the nodes' engines, all at once; what cannot be reached is part of the answer."""
    outcomes = execute(connections, nodes, _SCRIPT, timeout_s=_TIMEOUT_S)
    return {
        node: read(node, outcome.stdout.decode(errors="replace"))
        if outcome.exit_code is not None
        else Engine(node, reachable=False, problem=outcome.problem, hint=outcome.hint)
        for node, outcome in outcomes.items()
    }


def read(node: str, said: str) -> Engine:
    """Read one node's answer."""
    words = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    clock = words.get("clock", "").replace(",", ".").partition(".")[0]  # a fraction may follow
    disk = words.get("disk", "")
    known = Engine(
        node,
        reachable=True,
        clock_s=int(clock) if clock.isdecimal() else None,
        disk_free_mb=int(disk) // 1024 if disk.isdecimal() else None,
    )
    if "silent" in words:
        return attrs.evolve(known, installed=True, problem=_first_sentence(words["silent"]))
    if words.get("engine", "none") == "none":
        return known
    try:
        info = json.loads(words["engine"])
    except ValueError:
        return attrs.evolve(known, installed=True, problem=_first_sentence(words["engine"]))
    if not info.get("ServerVersion"):  # the client answers for an engine that does not
        reasons = info.get("ServerErrors") or ["its engine does not run"]
        return attrs.evolve(known, installed=True, problem=_first_sentence(reasons[0]))
    return attrs.evolve(
        known,
        installed=True,
        version=info["ServerVersion"],
        machine=info.get("Architecture", ""),
        system=info.get("OSType", ""),
        memory_limit=bool(info.get("MemoryLimit", True)),
        containers_running=int(info.get("ContainersRunning", 0)),
        swarm=_membership(info.get("Swarm") or {}),
    )


def _membership(swarm: Mapping[str, Any]) -> Membership:
    return Membership(
        state=swarm.get("LocalNodeState") or "inactive",
        node_id=swarm.get("NodeID", ""),
        manager=bool(swarm.get("ControlAvailable")),
        managers=tuple(manager["Addr"] for manager in swarm.get("RemoteManagers") or ()),
        error=swarm.get("Error", ""),
    )


def _first_sentence(text: str) -> str:
    return text.strip().splitlines()[0].partition(". ")[0].rstrip(".") if text.strip() else "no answer"
