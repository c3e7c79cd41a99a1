"""Judges a cluster: everything that is wrong with it, at once. Pure: it looks at nothing but the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.spec.findings import Finding
from pibramble.spec.model import Cluster, PartsSection
from pibramble.spec.rules import addresses, containers, images, links, names
from pibramble.spec.rules.view import View

LEAST_DISK_MB = 16
LEAST_CLOCK_LIMIT_MS = 10
TARBALLS = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")

SMALLEST = '[[workers]]\nname = "zero1"'


def there_are_workers(view: View) -> Iterator[Finding]:
    """Check that there is something to do. Everything but a worker has a default."""
    if not view.cluster.workers:
        cure = f"the smallest cluster there is, a Zero on the USB port of a Pi 1 B:\n{SMALLEST}"
        yield Finding("no-workers", (), "there are no workers", cure, rests_on=(("workers",),))


def lab_disk(view: View) -> Iterator[Finding]:
    """Check that a lab's node can write its log and a program at least."""
    disk_mb = view.cluster.lab.disk_mb
    if disk_mb < LEAST_DISK_MB:
        message = f"{disk_mb} MB are too small a disk: {LEAST_DISK_MB} are the least"
        yield Finding("lab-disk", ("lab", "disk_mb"), message, "512 is the default; it takes memory only when written")


def said_receiver(view: View) -> Iterator[Finding]:
    """Check the GPS receiver, where a file has one."""
    if view.cluster.gps is not None:
        from pibramble.spec.rules import gps

        yield from gps.receiver(view)


def clock_limit(view: View) -> Iterator[Finding]:
    """Check that the limit is none that every command would hit: what is measured over ssh is that coarse."""
    limit_ms = view.cluster.cluster.clock_limit_ms
    if limit_ms < LEAST_CLOCK_LIMIT_MS:
        message = f"{limit_ms} ms are too small a limit for clocks: {LEAST_CLOCK_LIMIT_MS} are the least"
        cure = "they are compared over ssh; `chronyc tracking` on a node knows it better"
        yield Finding("clock-limit", ("cluster", "clock_limit_ms"), message, cure)


def said_consoles(view: View) -> Iterator[Finding]:
    """Check the serial lines of the console, where a file has some."""
    if view.cluster.consoles:
        from pibramble.spec.rules import consoles

        yield from consoles.names(view)
        yield from consoles.ports(view)
        yield from consoles.profiles(view)
        yield from consoles.tcp_ports(view)


def said_parts(view: View) -> Iterator[Finding]:
    """Check hubs, supplies, bridges and parts, where a file has them: most have none, and the rules cost an import."""
    cluster = view.cluster
    if cluster.hubs or cluster.supplies or cluster.bridges or cluster.parts != PartsSection():
        from pibramble.spec.rules import power

        shared = power.Parts(view)
        for rule in power.RULES:
            yield from rule(shared)


def said_pins(view: View) -> Iterator[Finding]:
    """Check what is wired to the head's header, where bridges or flow control take pins beside the UARTs' own."""
    cluster = view.cluster
    if cluster.bridges or any(group.flow_control for group in cluster.workers):
        from pibramble.spec.rules import pins

        yield from pins.pins(view)


def mpi_source(view: View) -> Iterator[Finding]:
    """Check that a tar archive is named; whether it is there is for those to say who open it."""
    source = view.cluster.mpi.source
    if source and not source.endswith(TARBALLS):
        message = f'"{source}" is no name of a tar archive'
        cure = 'as MPICH is published: source = "mpich-4.2.3.tar.gz"'
        yield Finding("mpi-source", ("mpi", "source"), message, cure)


RULES = (
    there_are_workers,
    lab_disk,
    mpi_source,
    names.cluster_names,
    names.user_name,
    names.node_names,
    names.duplicate_names,
    names.board_names,
    names.overridden_names,
    names.interface_names,
    names.time_servers,
    names.authorized_keys,
    addresses.networks,
    addresses.room,
    addresses.overlaps,
    addresses.uplink,
    addresses.node_addresses,
    addresses.macs,
    links.possible_links,
    links.head_end,
    links.ports_given,
    links.ethernet_ports,
    links.serial_ports,
    links.speeds,
    links.lengths,
    links.without_effect,
    said_receiver,
    clock_limit,
    said_parts,
    said_pins,
    said_consoles,
    images.names,
    images.without_effect,
    images.no_mpich_of_their_own,
    containers.addresses,
    containers.registry,
    containers.memory,
    containers.on_images,
)


def judge(cluster: Cluster) -> list[Finding]:
    """Return all that is wrong with a cluster or doubtful about it; an empty list for a sound one."""
    view = View(cluster)
    return [finding for rule in RULES for finding in rule(view)]
