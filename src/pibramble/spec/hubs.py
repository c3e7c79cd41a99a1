"""Which hub hangs where, and which workers hang on it: names and defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from pibramble.catalog.parts import Hub
from pibramble.spec.expand import expand_names
from pibramble.spec.model import Cluster, HubSection

HEAD = "head"  # what a hub's `port` says when it is plugged into the head, whatever the head's name


@attrs.frozen
class PlacedHub:
    """One hub with all that hangs on it."""

    name: str
    index: int  # which [[hubs]] it is, from 0
    model: str
    hub: Hub
    port: str  # HEAD, or another hub's name
    workers: tuple[str, ...]
    hubs: tuple[str, ...]  # plugged into this one
    backfeeds: bool | None
    devices: tuple[str, ...] = ()  # adapters and receivers

    @property
    def taken(self) -> tuple[str, ...]:
        """Return everything in its ports."""
        return self.workers + self.hubs + self.devices

    @property
    def plugs(self) -> int:
        """Return how many of its ports are taken."""
        return len(self.taken)


def hub_name(number: int, section: HubSection) -> str:
    """Return what a hub is called; `number` counts from 0."""
    return section.name or f"hub{number + 1}"


def place_hubs(cluster: Cluster, usb_workers: Sequence[str], known: Mapping[str, Hub]) -> tuple[PlacedHub, ...]:
    """Return every hub with what hangs on it. The names in the file must be sound, the models `known`."""
    names = [hub_name(number, section) for number, section in enumerate(cluster.hubs)]
    above = [section.port for section in cluster.hubs]
    given = [expand_names(section.workers) if section.workers else () for section in cluster.hubs]
    taken = {worker for workers in given for worker in workers}
    free = [worker for worker in usb_workers if worker not in taken]
    placed = []
    for number, section in enumerate(cluster.hubs):
        hub = known[section.model]
        hubs = tuple(name for name, port in zip(names, above, strict=True) if port == names[number])
        devices = expand_names(section.devices) if section.devices else ()
        workers = given[number]
        if not section.workers:
            room = max(0, hub.ports - len(hubs) - len(devices))
            workers, free = tuple(free[:room]), free[room:]
        backfeeds = hub.backfeeds if section.backfeeds is None else section.backfeeds
        where = (names[number], number, section.model, hub, section.port)
        placed.append(PlacedHub(*where, tuple(workers), hubs, backfeeds, devices))
    return tuple(placed)
