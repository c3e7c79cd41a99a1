"""The platform file for SimGrid: which host has which wire, what its way to the head is shared with, how fast all is.

A tree with the head as its root, written as a graph with one-way streets (`DijkstraCache` in SimGrid's words): what
enters a hub on its way up leaves it towards the head only, and takes the hub's plug again on its way down. So the file
grows by five lines a worker and as many a hub, and has no route for every pair of them: 1,000 workers are 5,000 lines.
A link that is in a route twice counts twice; in SimGrid's stars it would count once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import quoteattr

import attrs

from pibramble.advise.predict.shared import Kind, Tree, Trunk
from pibramble.advise.predict.wires import WireModel, Wires
from pibramble.errors import PibrambleError
from pibramble.plan.model import NodePlan, Plan
from pibramble.spec.model import Link

_FREE_BYTES_PER_S = 1e15  # a wire that costs nothing, for what a program would do without one
_HEAD = ":head"  # a colon stands in no name of a node, hub or port


@attrs.frozen
class Place:
    """One worker of the platform, of the plan or one more of the same kind."""

    name: str
    link: Link
    cores: int
    wire: WireModel
    speed: float  # of one core, in the unit in which the host's own speed is given
    end: str | None = None  # the trunk that its wire ends in; None: the head


@attrs.frozen
class Platform:
    """Everything that SimGrid is told about a cluster."""

    places: tuple[Place, ...]
    trunks: tuple[Trunk, ...] = ()

    @property
    def ranks(self) -> int:
        """Return how many ranks have a core of their own."""
        return sum(place.cores for place in self.places)

    @property
    def kinds(self) -> tuple[Link, ...]:
        """Return the kinds of wire in use."""
        return tuple(dict.fromkeys(place.link for place in self.places))

    def without_wires(self) -> Platform:
        """Return the same computers, joined by wires that cost nothing."""
        free = WireModel(0.0, _FREE_BYTES_PER_S, _FREE_BYTES_PER_S)
        return Platform(tuple(attrs.evolve(place, wire=free, end=None) for place in self.places))


def platform(plan: Plan, wires: Wires, tree: Tree, speeds: Mapping[str, float], ranks: int) -> Platform:
    """Return a platform with room for so many ranks: the plan's workers in order, and beyond them more of the same.

    `speeds`: of one core, by board. More of the same means: the plan's workers once more, again and again, with hubs of
    their own; the head's buses and Ethernet ports stay as many as they are. Raises PibrambleError for a platform that
    SimGrid would refuse.
    """
    places: list[Place] = []
    trunks: dict[str, Trunk] = {}
    room = round_number = 0
    while room < ranks:
        for worker in plan.workers:
            if room >= ranks:
                break
            way = [_once_more(trunk, tree, round_number) for trunk in tree.way(worker.name)]
            trunks.update((trunk.name, trunk) for trunk in way)
            places.append(_place(worker, wires, speeds, round_number, way))
            room += worker.board.cores
        round_number += 1
        if not plan.workers:
            raise PibrambleError("a cluster without workers runs no program", hint="[[workers]] in the cluster file")
    return Platform(tuple(places), tuple(trunks.values()))


def _once_more(trunk: Trunk, tree: Tree, round_number: int) -> Trunk:
    """Return a hub of a later round, as of the plan's one; of the head there is only one."""
    if trunk.kind is not Kind.HUB or trunk.above is None:
        return trunk
    above = _once_more(tree.trunks[trunk.above], tree, round_number)
    return attrs.evolve(trunk, name=_numbered(trunk.name, round_number), above=above.name)


def _numbered(name: str, round_number: int) -> str:
    # A dot stands in no label, so what is added cannot meet a worker or hub of the plan.
    return f"{name}.{round_number + 1}" if round_number else name


def _place(
    worker: NodePlan, wires: Wires, speeds: Mapping[str, float], round_number: int, way: Sequence[Trunk]
) -> Place:
    assert worker.link is not None  # noqa: S101 (for mypy: workers have links)
    model, speed = wires.models[worker.name], speeds[worker.board.name]
    figures = (speed, model.to_head_bytes_per_s, model.to_worker_bytes_per_s)
    if not all(math.isfinite(figure) and figure > 0 for figure in figures) or not 0 <= model.latency_s < math.inf:
        raise PibrambleError(f"there is no predicting with {worker.name}: a speed of {min(figures):g} makes no sense")
    end = way[0].name if way else None
    return Place(_numbered(worker.name, round_number), worker.link.kind, worker.board.cores, model, speed, end)


def host_file(places: Sequence[Place], ranks: int) -> str:
    """Return SMPI's host file: a line a rank, dealt out in blocks as `pibramble run` does."""
    lines = [place.name for place in places for _ in range(place.cores)]
    return "".join(f"{line}\n" for line in lines[:ranks])


def to_xml(platform: Platform) -> str:
    """Return the platform in SimGrid's format, which 3.32 and 4.0 read alike.

    Every link says how it is shared: what a link that says nothing does differs from the documentation.
    """
    return "\n".join(_lines(platform)) + "\n"


def _lines(platform: Platform) -> Iterator[str]:
    yield "<?xml version='1.0'?>"
    yield '<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">'
    yield '<platform version="4.1">'
    yield ' <zone id="cluster" routing="DijkstraCache">'
    yield f"  <router id={quoteattr(_HEAD)}/>"
    kinds = {trunk.name: trunk.kind for trunk in platform.trunks}
    routes: list[str] = []  # the format wants them last
    for trunk in platform.trunks:
        into, out = _doors(trunk.name, kinds)
        yield from (f"  <router id={quoteattr(door)}/>" for door in dict.fromkeys((into, out)))
        names = ("up", "down") if trunk.kind is Kind.PORT else ("both", "both")
        up, down = (f"{trunk.name}:{name}" for name in names)
        yield from (_link(name, trunk.bytes_per_s) for name in dict.fromkeys((up, down)))
        routes += _ways(into, out, up, down, _doors(trunk.above, kinds))
    for place in platform.places:
        name, wire = place.name, place.wire
        # The two ways may differ in rate, so they are two links, not one SPLITDUPLEX.
        up, down = f"{name}-up", f"{name}-down"
        yield f'  <host id={quoteattr(name)} speed="{place.speed:.0f}f" core="{place.cores}"/>'
        yield _link(up, wire.to_head_bytes_per_s, wire.latency_s)
        yield _link(down, wire.to_worker_bytes_per_s, wire.latency_s)
        routes += _ways(name, name, up, down, _doors(place.end, kinds))
    yield from routes
    yield " </zone>"
    yield "</platform>"


def _doors(name: str | None, kinds: Mapping[str, Kind]) -> tuple[str, str]:
    """Return where messages enter on their way up, and leave on their way down.

    They are two, so that nothing turns round below the head; a switch behind an Ethernet port does that.
    """
    if name is None:
        return _HEAD, _HEAD
    return (f"{name}:", f"{name}:") if kinds[name] is Kind.PORT else (f"{name}:in", f"{name}:out")


def _ways(into: str, out: str, up: str, down: str, above: tuple[str, str]) -> list[str]:
    """Return the two ways between a place and what is above it."""
    return [
        f'  <route src={quoteattr(source)} dst={quoteattr(target)} symmetrical="NO">'
        f"<link_ctn id={quoteattr(link)}/></route>"
        for source, target, link in ((into, above[0], up), (above[1], out, down))
    ]


def _link(name: str, bytes_per_s: float, latency_s: float = 0.0) -> str:
    figures = f'bandwidth="{bytes_per_s:.0f}Bps" latency="{latency_s:.9f}s"'
    return f'  <link id={quoteattr(name)} {figures} sharing_policy="SHARED"/>'
