"""What the container engine is told: addresses that collide with no other, and labels that stacks may ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

from pibramble.catalog.model import Board
from pibramble.plan.model import ContainersPlan, Role
from pibramble.spec.expand import WorkerSpec
from pibramble.spec.model import Cluster, Engine, Link

REGISTRY_PORT = 5000  # the registry's own choice


def resolve(
    cluster: Cluster, workers: Sequence[WorkerSpec], head: Board, head_address: IPv4Address
) -> ContainersPlan | None:
    """Return the plan for the container engine; None where the cluster file wants none."""
    section = cluster.containers
    if section.engine is Engine.NONE:
        return None
    from pibramble.spec.rules.containers import free_network  # most clusters have no containers

    bridges, overlays = (section.addresses or free_network(cluster)).subnets()
    hubs = _hubs(cluster, workers)
    labels = {cluster.head.name: {"role": Role.HEAD.value, **_of_board(head)}}
    for worker in workers:
        hub = {"hub": hubs[worker.name]} if worker.name in hubs else {}
        labels[worker.name] = {"role": Role.WORKER.value, "link": worker.link.value, **hub, **_of_board(worker.board)}
    registry = f"{head_address}:{REGISTRY_PORT}" if section.registry else ""
    return ContainersPlan(section.engine, bridges, overlays, labels, registry)


def _of_board(board: Board) -> Mapping[str, str]:
    return {
        "board": board.name,
        "architecture": board.architecture.value,
        "cores": str(board.cores),
        "memory_mb": str(board.memory_mb),
    }


def _hubs(cluster: Cluster, workers: Sequence[WorkerSpec]) -> Mapping[str, str]:
    """Return worker -> hub, for the workers that hang on one."""
    if not cluster.hubs:
        return {}
    from pibramble.catalog.sections import Catalogue
    from pibramble.spec.hubs import place_hubs

    usb = [worker.name for worker in workers if worker.link is Link.USB]
    placed = place_hubs(cluster, usb, Catalogue(cluster.catalog).hubs)
    return {worker: hub.name for hub in placed for worker in hub.workers}
