"""The platform file for SimGrid: which host has which wire to the head, and how fast all of it is.

One zone a kind of wire, each a star around the head (`Cluster` in SimGrid's words), so the file grows by four lines a
worker and has no route for every pair of them: 1,000 workers are 4,000 lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import quoteattr

import attrs

from pibramble.advise.predict.wires import WireModel, Wires
from pibramble.errors import PibrambleError
from pibramble.plan.model import NodePlan, Plan
from pibramble.spec.model import Link

_FREE_BYTES_PER_S = 1e15  # a wire that costs nothing, for what a program would do without one


@attrs.frozen
class Place:
    """One worker of the platform, of the plan or one more of the same kind."""

    name: str
    link: Link
    cores: int
    wire: WireModel
    speed: float  # of one core, in the unit in which the host's own speed is given


@attrs.frozen
class Platform:
    """Everything that SimGrid is told about a cluster."""

    places: tuple[Place, ...]
    bus_bytes_per_s: float | None

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
        return Platform(tuple(attrs.evolve(place, wire=free) for place in self.places), None)


def platform(plan: Plan, wires: Wires, speeds: Mapping[str, float], ranks: int) -> Platform:
    """Return a platform with room for so many ranks: the plan's workers in order, and beyond them more of the same.

    `speeds`: of one core, by board. More of the same means: the plan's workers once more, again and again. Raises
    PibrambleError for a platform that SimGrid would refuse.
    """
    places: list[Place] = []
    room = round_number = 0
    while room < ranks:
        for worker in plan.workers:
            if room >= ranks:
                break
            places.append(_place(worker, wires, speeds, round_number))
            room += worker.board.cores
        round_number += 1
        if not plan.workers:
            raise PibrambleError("a cluster without workers runs no program", hint="[[workers]] in the cluster file")
    return Platform(tuple(places), wires.bus_bytes_per_s)


def _place(worker: NodePlan, wires: Wires, speeds: Mapping[str, float], round_number: int) -> Place:
    assert worker.link is not None  # noqa: S101 (for mypy: workers have links)
    model, speed = wires.models[worker.name], speeds[worker.board.name]
    figures = (speed, model.to_head_bytes_per_s, model.to_worker_bytes_per_s)
    if not all(math.isfinite(figure) and figure > 0 for figure in figures) or not 0 <= model.latency_s < math.inf:
        raise PibrambleError(f"there is no predicting with {worker.name}: a speed of {min(figures):g} makes no sense")
    # A dot stands in no host name label, so what is added cannot meet a worker of the plan.
    name = f"{worker.name}.{round_number + 1}" if round_number else worker.name
    return Place(name, worker.link.kind, worker.board.cores, model, speed)


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
    yield ' <zone id="cluster" routing="Full">'
    for kind in platform.kinds:
        yield f'  <zone id="{kind}" routing="Cluster">'
        for place in platform.places:
            if place.link is kind:
                yield from _star(place)
        yield f'   <router id="{kind}-head"/>'
        if kind is Link.USB and platform.bus_bytes_per_s is not None:
            yield f'   <backbone id="usb-bus" bandwidth="{platform.bus_bytes_per_s:.0f}Bps" latency="0s"/>'
        yield "  </zone>"
    yield '  <link id="in-the-head" bandwidth="1e15Bps" latency="0s" sharing_policy="FATPIPE"/>'
    for number, kind in enumerate(platform.kinds):
        for other in platform.kinds[number + 1 :]:
            yield f'  <zoneRoute src="{kind}" dst="{other}" gw_src="{kind}-head" gw_dst="{other}-head">'
            yield '   <link_ctn id="in-the-head"/>'
            yield "  </zoneRoute>"
    yield " </zone>"
    yield "</platform>"


def _star(place: Place) -> Iterator[str]:
    """Yield a worker and its wire. The two ways may differ in rate, so they are two links, not one SPLITDUPLEX."""
    name, wire = place.name, place.wire
    up, down = quoteattr(f"{name}-up"), quoteattr(f"{name}-down")
    ways = ((up, wire.to_head_bytes_per_s), (down, wire.to_worker_bytes_per_s))
    yield f'   <host id={quoteattr(name)} speed="{place.speed:.0f}f" core="{place.cores}"/>'
    for way, rate in ways:
        yield f'   <link id={way} bandwidth="{rate:.0f}Bps" latency="{wire.latency_s:.9f}s" sharing_policy="SHARED"/>'
    yield f"   <host_link id={quoteattr(name)} up={up} down={down}/>"
