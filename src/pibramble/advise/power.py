"""Who feeds whom with how much: the cluster's 5 V, from the supplies through ports and hubs to the boards.

A current is given three times: idle, with all cores at work, and at worst (peaks, as the makers reckon them). Where one
of the three is not known, the nearest one that is known stands in for it; where none is, the board is named as unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property

import attrs

from pibramble.advise.beside import USB_RECEIVER
from pibramble.advise.build import ETHERNET_ADAPTER, SERIAL_ADAPTER
from pibramble.catalog.parts import Power, Supply
from pibramble.catalog.sections import Catalogue
from pibramble.spec.devices import Device, DeviceKind, Line, usb_devices
from pibramble.spec.expand import WorkerSpec, expand, expand_names
from pibramble.spec.hubs import HEAD, PlacedHub, place_hubs
from pibramble.spec.model import Cluster, Link

BUS_POWERED_MA = 500  # what a hub without a supply may draw from the port above it, itself included (USB 2.0, 7.2.1)

_RECKONED_AS = {
    DeviceKind.ETHERNET: ("ethernet_adapters", ETHERNET_ADAPTER),
    DeviceKind.SERIAL: ("serial_adapters", SERIAL_ADAPTER),
    DeviceKind.RECEIVER: ("receivers", USB_RECEIVER),
}


class Case(StrEnum):
    """How hard the boards work."""

    IDLE = "idle"
    STRESS = "under stress"
    WORST = "at worst"


@attrs.frozen
class Load:
    """A current in the three cases, in mA, and whose share of it nobody knows."""

    idle_ma: int = 0
    stress_ma: int = 0
    worst_ma: int = 0
    unknown: tuple[str, ...] = ()

    def __add__(self, other: Load) -> Load:
        """Return both together."""
        return Load(
            self.idle_ma + other.idle_ma,
            self.stress_ma + other.stress_ma,
            self.worst_ma + other.worst_ma,
            self.unknown + other.unknown,
        )

    def ma(self, case: Case) -> int:
        """Return the current in one case."""
        return {Case.IDLE: self.idle_ma, Case.STRESS: self.stress_ma, Case.WORST: self.worst_ma}[case]

    def first_over(self, limit_ma: int) -> Case | None:
        """Return the mildest case in which this is more than a limit; None when it never is."""
        return next((case for case in Case if self.ma(case) > limit_ma), None)


@attrs.frozen
class Point:
    """A place where current is taken, and what it may give."""

    name: str  # "each port of head"
    load: Load
    limit_ma: int | None
    takers: tuple[str, ...]


@attrs.frozen
class Source:
    """A supply, and what hangs on it."""

    supply: Supply
    model: str
    index: int  # which [[supplies]], from 0
    feeds: tuple[str, ...]


@attrs.frozen
class Reckoned:
    """A device in a USB port, and the part of the catalogue that it is taken for: the file does not name its make."""

    device: Device
    section: str
    part: str
    draw_ma: int


class Feeding:
    """The whole tree of one cluster, worked out once."""

    def __init__(self, cluster: Cluster, catalogue: Catalogue, workers: Mapping[str, WorkerSpec] | None = None) -> None:
        """Look at a judged cluster, whose workers somebody may have expanded already."""
        self.cluster = cluster
        self.catalogue = catalogue
        self.workers = {worker.name: worker for worker in expand(cluster)} if workers is None else workers
        usb = [worker.name for worker in self.workers.values() if worker.link is Link.USB]
        self.hubs: Mapping[str, PlacedHub] = {
            hub.name: hub for hub in place_hubs(cluster, usb, catalogue.hubs if cluster.hubs else {})
        }
        on_hubs = {worker for hub in self.hubs.values() for worker in hub.workers}
        self.in_the_head: tuple[str, ...] = tuple(name for name in usb if name not in on_hubs)

    @cached_property
    def cut(self) -> frozenset[str]:
        """Return the workers whose USB cable carries no power."""
        return frozenset(expand_names(self.cluster.parts.cut_5v)) if self.cluster.parts.cut_5v else frozenset()

    @property
    def head(self) -> str:
        """Return the head's name."""
        return self.cluster.head.name

    def board(self, node: str) -> str:
        """Return the catalogue name of a node's board."""
        return self.cluster.head.board if node == self.head else self.workers[node].board.name

    def power(self, node: str) -> Power:
        """Return what is known about a node's power; of a board of one's own perhaps nothing."""
        return self.catalogue.power.get(self.board(node), Power())

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """Return the supplies that the file names."""
        return tuple(
            Source(self.catalogue.supplies[section.model], section.model, number, expand_names(section.feeds))
            for number, section in enumerate(self.cluster.supplies)
            if section.feeds
        )

    @cached_property
    def on_a_supply(self) -> frozenset[str]:
        """Return the nodes and hubs that the file puts on a supply."""
        return frozenset(name for source in self.sources for name in source.feeds)

    def fed_by_its_cable(self, worker: str) -> bool:
        """Tell whether a worker's only power is its USB cable."""
        spec = self.workers[worker]
        feeds = self.power(worker).feeds_from_usb and worker not in self.on_a_supply and worker not in self.cut
        return spec.link is Link.USB and feeds

    def own_load(self, node: str) -> Load:
        """Return what a board draws for itself."""
        power = self.power(node)
        idle, stress, most = power.idle_ma, power.stress_ma, power.max_ma
        known = [figure for figure in (idle, stress, most) if figure is not None]
        if not known:
            return Load(unknown=(node,))
        under_stress = next(figure for figure in (stress, most, idle) if figure is not None)
        return Load(known[0], under_stress, known[-1])

    def cable_load(self, worker: str) -> Load:
        """Return what a worker takes out of the port that its cable is in."""
        return self.own_load(worker) if self.fed_by_its_cable(worker) else Load()

    def below(self, hub: PlacedHub) -> Load:
        """Return what a hub's ports give in all."""
        return self._sum(hub.taken)

    def upwards(self, name: str) -> Load:
        """Return what a hub takes out of the port above it: nothing when it has a supply."""
        hub = self.hubs[name]
        if self.powered(hub):
            return Load()
        own = hub.hub.own_ma
        return Load(own, own, own) + self.below(hub)

    def powered(self, hub: PlacedHub) -> bool:
        """Tell whether a hub has a supply, its own or one of [[supplies]]."""
        return hub.hub.supply_ma is not None or hub.name in self.on_a_supply

    @cached_property
    def root_hubs(self) -> tuple[str, ...]:
        """Return the hubs that are plugged into the head."""
        return tuple(name for name, hub in self.hubs.items() if hub.port == HEAD)

    @cached_property
    def devices(self) -> Mapping[str, Reckoned]:
        """Return the adapters and receivers in USB ports, by name."""
        workers = self.workers.values()
        lines = (Line(worker.link, worker.head_port, ("workers", worker.group, "head_port")) for worker in workers)
        found: dict[str, Reckoned] = {}
        for device in usb_devices(self.cluster, self.catalogue.boards.get(self.board(self.head)), lines).values():
            section, part = _RECKONED_AS[device.kind]
            found[device.name] = Reckoned(device, section, part, self.catalogue.section(section)[part].draw_ma)
        return found

    @cached_property
    def devices_in_the_head(self) -> tuple[str, ...]:
        """Return those of them that are on no hub."""
        on_hubs = {device for hub in self.hubs.values() for device in hub.devices}
        return tuple(name for name in self.devices if name not in on_hubs)

    @property
    def adapters(self) -> tuple[str, ...]:
        """Return the adapters that workers' wires end in, by their devices."""
        ends = {worker.head_port for worker in self.workers.values()}
        return tuple(name for name in self.devices if name in ends)

    @cached_property
    def head_plugs(self) -> tuple[str, ...]:
        """Return everything in the head's own USB ports."""
        return self.in_the_head + self.root_hubs + self.devices_in_the_head

    @cached_property
    def head_ports(self) -> Load:
        """Return what the head's USB ports give in all."""
        return self._sum(self.head_plugs)

    def plug_load(self, name: str) -> Load:
        """Return what a worker, a hub or a device takes out of the port that it is plugged into."""
        if name in self.hubs:
            return self.upwards(name)
        if name in self.devices:
            draw = self.devices[name].draw_ma  # nobody says when it takes less
            return Load(draw, draw, draw)
        return self.cable_load(name)

    def drawn_from(self, source: Source) -> Load:
        """Return what a supply gives."""
        load = Load()
        for name in source.feeds:
            load += self.below(self.hubs[name]) if name in self.hubs else self.own_load(name)
            load += self.head_ports if name == self.head else Load()
        return load

    def points(self) -> tuple[Point, ...]:
        """Return every place where current is taken, from the head outwards."""
        head = self.power(self.head)
        found = [
            Point(f"{self.head}, all USB ports", self.head_ports, head.usb_total_ma, self.head_plugs),
        ]
        found += self._ports(self.head, head.usb_port_ma, self.head_plugs)
        for hub in self.hubs.values():
            limit = hub.hub.supply_ma if self.powered(hub) else BUS_POWERED_MA - hub.hub.own_ma
            if hub.name not in self.on_a_supply:
                found.append(Point(f"{hub.name}, all ports", self.below(hub), limit, hub.taken))
            found += self._ports(hub.name, hub.hub.port_ma, hub.taken)
        for source in self.sources:
            name = f"supply {source.index + 1} ({source.model})"
            found.append(Point(name, self.drawn_from(source), source.supply.max_ma, source.feeds))
        if self.head not in self.on_a_supply and head.supply_ma is not None:
            load = self.own_load(self.head) + self.head_ports
            found.append(Point(f"{self.head}'s own supply", load, head.supply_ma, (self.head,)))
        nodes = (self.head, *self.workers)
        everything = sum(map(self.own_load, nodes), Load())
        found.append(Point(f"all {len(nodes)} boards", everything, None, nodes))
        return tuple(point for point in found if point.takers)

    def _ports(self, owner: str, limit_ma: int | None, plugs: tuple[str, ...]) -> list[Point]:
        """Return the ports of a head or hub, like ones together."""
        by_load: dict[Load, list[str]] = {}
        for name in plugs:
            load = self.plug_load(name)
            by_load.setdefault(attrs.evolve(load, unknown=()) if load.worst_ma else load, []).append(name)
        return [Point(f"{owner}, each port", load, limit_ma, tuple(names)) for load, names in by_load.items()]

    def _sum(self, plugs: Iterable[str]) -> Load:
        return sum(map(self.plug_load, plugs), Load())
