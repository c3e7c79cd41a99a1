"""Rules on containers: addresses that nobody else has, and memory for the engine."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from pibramble.spec.findings import Finding, Severity
from pibramble.spec.locate import Path
from pibramble.spec.model import Cluster, Engine
from pibramble.spec.rules.view import View

ADDRESSES: Path = ("containers", "addresses")
LONGEST_PREFIX = 20  # sixteen networks of 256 addresses; Docker makes one of these for each network of a stack
_LEAST_MEMORY_MB = 512  # dockerd and containerd take some 100 MB when idle (docs/swarm.md)


def taken(cluster: Cluster) -> tuple[tuple[str, Path, IPv4Network], ...]:
    """Return the networks that the cluster file has given away: name, path, network."""
    given: list[tuple[str, Path, IPv4Network]] = [
        ("the cluster's subnet", ("cluster", "subnet"), cluster.cluster.subnet),
        ("the lab's world", ("lab", "world"), cluster.lab.world),
    ]
    if cluster.head.uplink_address:
        given.append(("the uplink's network", ("head", "uplink_address"), cluster.head.uplink_address.network))
    return tuple(given)


def free_network(cluster: Cluster) -> IPv4Network:
    """Return a network of 65,536 addresses that overlaps none of the file's."""
    others = [network for _, _, network in taken(cluster)]
    # 10.201 first: far from the 10.0 and 10.1 that home routers and cloud networks like. A subnet may be all of 10/8.
    candidates = [IPv4Network((f"10.{second}.0.0", 16)) for second in (*range(201, 255), *range(200, 0, -1))]
    candidates += [IPv4Network((f"172.{second}.0.0", 16)) for second in range(31, 15, -1)]
    return next(network for network in candidates if not any(network.overlaps(other) for other in others))


def addresses(view: View) -> Iterator[Finding]:
    """Check that the containers' network is large enough, private, and nobody else's."""
    network = view.cluster.containers.addresses
    if network is None:
        return
    if view.cluster.containers.engine is Engine.NONE:
        message = "addresses for containers, and no engine that runs any"
        yield Finding("without-effect", ADDRESSES, message, 'engine = "docker-swarm"', Severity.WARNING)
        return
    example = f'as "{free_network(view.cluster)}", or leave it out'
    if not network.is_private or network.is_loopback or network.is_link_local:
        yield Finding("container-network", ADDRESSES, f"{network} is no private network", example)
    elif network.prefixlen > LONGEST_PREFIX:
        yield Finding(
            "container-network", ADDRESSES, f"{network} is too small: a /{LONGEST_PREFIX} is the least", example
        )
    for name, path, other in taken(view.cluster):
        if network.overlaps(other):
            message = f"the containers' network {network} overlaps {name} {other}"
            yield Finding("overlapping-networks", ADDRESSES, message, example, rests_on=(path,))


def registry(view: View) -> Iterator[Finding]:
    """Warn of a registry whose images nobody runs."""
    section = view.cluster.containers
    if section.registry and section.engine is Engine.NONE:
        message = "a registry for images, and no engine that runs any"
        cure = 'engine = "docker-swarm"'
        yield Finding("without-effect", ("containers", "registry"), message, cure, Severity.WARNING)


def memory(view: View) -> Iterator[Finding]:
    """Warn of boards on which the engine leaves little for containers."""
    if view.cluster.containers.engine is Engine.NONE:
        return
    for group in view.groups:
        if group.board and group.board.memory_mb < _LEAST_MEMORY_MB:
            message = f"a {group.board.title} has {group.board.memory_mb} MB: the engine alone takes a third of it"
            cure = "a board of 512 MB, or no stack that places tasks there"
            yield Finding("container-memory", group.path("board"), message, cure, Severity.WARNING)


def on_images(view: View) -> Iterator[Finding]:
    """Warn of cards that get no engine: those made from an image are completed with what MPI needs alone."""
    cluster = view.cluster
    images: list[Path] = [("cards", "image")] if cluster.cards.image else []
    images += [("head", "image")] if cluster.head.image else []
    images += [group.path("image") for group in view.groups if group.group.image]
    if cluster.containers.engine is Engine.NONE:
        return
    needed = "docker.io, and docker-registry on the head" if cluster.containers.registry else "docker.io"
    for path in images:
        message = "a card that is made from an image gets the engine's settings, but no engine"
        cure = f"install it there: pibramble exec -w NODES -- sudo apt-get install -y {needed}"
        yield Finding("container-engine", path, message, cure, Severity.WARNING)
