"""Rules on what is said of hubs, supplies and bridges: names that there are, and everything in one place only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property

from pibramble.catalog.sections import Catalogue
from pibramble.spec.devices import Device, Line, usb_devices
from pibramble.spec.expand import RangeError, expand_names
from pibramble.spec.findings import Finding, did_you_mean, listed
from pibramble.spec.hubs import HEAD, hub_name
from pibramble.spec.locate import Path
from pibramble.spec.model import Link
from pibramble.spec.rules.names import label_wrong
from pibramble.spec.rules.view import View

DEEPEST_HUBS = 5  # in a row: USB 2.0 section 4.1.1


class Parts:
    """What these rules share; made only for a file that has such sections."""

    def __init__(self, view: View) -> None:
        """Look at a cluster."""
        self.view = view
        self.cluster = view.cluster
        self.catalogue = Catalogue(view.cluster.catalog)
        self.hub_names = [hub_name(number, section) for number, section in enumerate(view.cluster.hubs)]

    @cached_property
    def workers(self) -> Mapping[str, Link | None]:
        """Return the workers with their wires."""
        return {worker.name: worker.of.link for worker in self.view.workers}

    @cached_property
    def devices(self) -> Mapping[str, Device]:
        """Return what else is in a USB port of the head."""
        lines = (Line(worker.of.link, worker.head_port, worker.value_path("head_port")) for worker in self.view.workers)
        return usb_devices(self.cluster, self.view.head_board, lines)


def models(found: Parts) -> Iterator[Finding]:
    """Check that every part is in the catalogue."""
    cluster, catalogue = found.cluster, found.catalogue
    given: list[tuple[Path, str, str]] = [
        *((("hubs", number, "model"), "hubs", section.model) for number, section in enumerate(cluster.hubs)),
        *(
            (("supplies", number, "model"), "supplies", section.model)
            for number, section in enumerate(cluster.supplies)
        ),
        *((("bridges", number, "model"), "bridges", section.model) for number, section in enumerate(cluster.bridges)),
        (("parts", "card"), "cards", cluster.parts.card),
        (("parts", "cord"), "cords", cluster.parts.cord),
        (("parts", "hub"), "hubs", cluster.parts.hub),
        (("parts", "switch"), "switches", cluster.parts.switch),
    ]
    for path, section, name in given:
        known = catalogue.section(section) if name else {name: None}
        if name not in known:
            cure = did_you_mean(name, known, f"the catalogue has {listed(known)}")
            message = f'the catalogue has no "{name}" among its {section.replace("_", " ")}'
            yield Finding("unknown-part", path, message, cure, rests_on=(("catalog",),))


def hubs_named(found: Parts) -> Iterator[Finding]:
    """Check that a hub's name is one, and that it means this hub only."""
    seen: set[str] = {HEAD, found.cluster.head.name, *found.workers}
    for number, name in enumerate(found.hub_names):
        path: Path = ("hubs", number, "name")
        if wrong := label_wrong(name):
            yield Finding("hub-name", path, f'the name "{name}" {wrong}', 'as "hub1"')
        elif name in seen:
            yield Finding("duplicate-name", path, f'the name "{name}" is given twice', "give it a name of its own")
        seen.add(name)


def hubs_plugged(found: Parts) -> Iterator[Finding]:
    """Check that each hub leads to the head, through five hubs at most."""
    above = {name: section.port for name, section in zip(found.hub_names, found.cluster.hubs, strict=True)}
    for number, (name, section) in enumerate(zip(found.hub_names, found.cluster.hubs, strict=True)):
        path: Path = ("hubs", number, "port")
        if section.port != HEAD and section.port not in above:
            known = [HEAD, *(other for other in above if other != name)]
            cure = did_you_mean(section.port, known, f"there are {listed(known)}")
            yield Finding("hub-port", path, f'there is no hub "{section.port}"', cure)
            continue
        way = list(itertools.islice(_upwards(name, above), len(above) + 1))
        if len(way) > len(above):
            yield Finding("hub-port", path, f"{name} leads to itself, never to the head", f'port = "{HEAD}"')
        elif len(way) > DEEPEST_HUBS:
            message = f"{len(way)} hubs in a row: USB allows {DEEPEST_HUBS}"
            yield Finding("hub-port", path, message, f'port = "{HEAD}", or a hub nearer to it')


def _upwards(name: str, above: Mapping[str, str]) -> Iterator[str]:
    while name in above:
        yield name
        name = above[name]


def hub_workers(found: Parts) -> Iterator[Finding]:
    """Check that what hangs on a hub are USB workers, each on one hub."""

    def wrong(name: str, path: Path) -> Finding | None:
        if name not in found.workers:
            return _unknown(name, path, found.workers, "worker")
        if found.workers[name] in {Link.USB, None}:
            return None
        message = f"{name}'s link is {found.workers[name]}: its data do not come through a hub"
        return Finding("hub-workers", path, message, "take it out here; [[supplies]] says what feeds it")

    return _on_one_hub(found, "workers", wrong, "it has one USB cable")


def hub_devices(found: Parts) -> Iterator[Finding]:
    """Check that the other devices on a hub are the head's, and each on one hub."""

    def wrong(name: str, path: Path) -> Finding | None:
        if name in found.devices:
            return None
        cure = did_you_mean(name, found.devices, f"there are {listed(list(found.devices)[:8])}")
        return Finding("hub-devices", path, f'the head has no adapter or receiver "{name}" in a USB port', cure)

    return _on_one_hub(found, "devices", wrong, "it has one plug")


def _on_one_hub(found: Parts, key: str, wrong: Callable[[str, Path], Finding | None], why: str) -> Iterator[Finding]:
    """Check each name that hubs have under a key, and that no second hub has it."""
    seen: dict[str, str] = {}
    for number, section in enumerate(found.cluster.hubs):
        path: Path = ("hubs", number, key)
        names, unreadable = _range(getattr(section, key), path)
        yield from unreadable
        for name in names:
            other = seen.setdefault(name, found.hub_names[number])
            if finding := wrong(name, path):
                yield finding
            elif other != found.hub_names[number]:
                yield Finding(f"hub-{key}", path, f"{name} is on {other} too", f"{why}: take one out")


def cut_cables(found: Parts) -> Iterator[Finding]:
    """Check that the cables that are cut are USB workers'."""
    path: Path = ("parts", "cut_5v")
    names, wrong = _range(found.cluster.parts.cut_5v, path)
    yield from wrong
    for name in names:
        if name not in found.workers:
            yield _unknown(name, path, found.workers, "worker")
        elif found.workers[name] not in {Link.USB, None}:
            yield Finding(
                "cut-cable", path, f"{name} has no USB cable: its link is {found.workers[name]}", "take it out"
            )


def feeds(found: Parts) -> Iterator[Finding]:
    """Check that a supply feeds something that there is, and nothing is fed by two."""
    fed: set[str] = set()
    known = [found.cluster.head.name, *found.workers, *found.hub_names]
    for number, section in enumerate(found.cluster.supplies):
        path: Path = ("supplies", number, "feeds")
        if not section.feeds:
            yield Finding("feeds", path, "this supply feeds nothing", f'feeds = "{found.cluster.head.name}"')
        names, wrong = _range(section.feeds, path)
        yield from wrong
        for name in names:
            if name not in known:
                yield _unknown(name, path, known, "node or hub")
            elif name in fed:
                message = f"{name} hangs on two supplies: the stronger pushes current into the weaker"
                yield Finding("two-supplies", path, message, "take one out")
            fed.add(name)


def bridge_ports(found: Parts) -> Iterator[Finding]:
    """Check that a bridge has as many ports as are asked of it, and no two the same."""
    seen: set[str] = set()
    for number, section in enumerate(found.cluster.bridges):
        path: Path = ("bridges", number, "ports")
        names, wrong = _range(section.ports, path)
        yield from wrong
        bridge = found.catalogue.bridges.get(section.model)
        if bridge and len(names) > bridge.ports:
            message = f"{len(names)} ports, and a {section.model} has {bridge.ports}"
            yield Finding("bridge-ports", path, message, "the rest on another: [[bridges]]")
        for name in names:
            if name in seen:
                yield Finding("bridge-ports", path, f"{name} is another bridge's", "each has devices of its own")
            seen.add(name)


def _range(text: str, path: Path) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    try:
        return (expand_names(text) if text else ()), ()
    except RangeError as error:
        message = f'"{text}" is no range of names: {error}'
        return (), (Finding("bad-range", path, message, 'as in "zero[1-4]" or "head,aplus"'),)


def _unknown(name: str, path: Path, known: Collection[str], what: str) -> Finding:
    cure = did_you_mean(name, known, f"there are {listed(list(known)[:8])}")
    return Finding("unknown-node", path, f'there is no {what} "{name}"', cure, rests_on=(("workers",),))


RULES = (models, hubs_named, hubs_plugged, hub_workers, hub_devices, cut_cables, feeds, bridge_ports)
