"""Which parts help a cluster that lacks power or ports: each is put in its place, and the rules are asked again.

Only what was seen to help is advised; where nothing in the catalogue does, that is said.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import attrs

from pibramble.advise.power import Feeding
from pibramble.catalog.parts import Hub
from pibramble.spec.expand import expand_names, fold
from pibramble.spec.findings import Finding
from pibramble.spec.hubs import HEAD, hub_name
from pibramble.spec.locate import Path
from pibramble.spec.model import Cluster, HubSection, SupplySection
from pibramble.spec.rules.links import USB_ADDRESSES

Rule = Callable[[Feeding], Iterable[Finding]]
_Lacks = frozenset[tuple[str, Path]]  # rule and place of what is wrong

ROOT = hub_name(0, HubSection())  # what the file's first hub is called
MOST_SHOWN = 3  # of sections that differ in a name only

_SOLE_SOCKET = "usb-a-to-c"  # the cord of boards whose power input is the socket that the cord is in


class _Change(NamedTuple):
    """One way to change a cluster, in words and done."""

    words: str
    cluster: Cluster


class Search:
    """The ways to change one cluster, each tried once, and only when somebody asks for a cure."""

    def __init__(self, feeding: Feeding, rules: Sequence[Rule]) -> None:
        """Take a cluster, and the rules that a cure must satisfy."""
        self._feeding = feeding
        self._rules = rules
        self._lacks = self._judge(feeding)
        self._tried: list[tuple[str, _Lacks]] = []
        self._untried = _changes(feeding)

    def cure(self, finding: Finding) -> str:
        """Return what makes a finding go away and brings no other; where nothing does, that."""
        found = (finding.rule, finding.path)
        best, fewest = self._nothing(), len(self._lacks)
        for words, left in self._ways():
            if found not in left and left <= self._lacks and len(left) < fewest:
                best, fewest = words, len(left)
            if not fewest:
                break
        return best

    def _ways(self) -> Iterator[tuple[str, _Lacks]]:
        yield from tuple(self._tried)
        for words, cluster in self._untried:
            way = words, self._judge(changed(self._feeding, cluster))
            self._tried.append(way)
            yield way

    def _judge(self, feeding: Feeding) -> _Lacks:
        return frozenset((finding.rule, finding.path) for rule in self._rules for finding in rule(feeding))

    def _nothing(self) -> str:
        board = self._feeding.board(self._feeding.head)
        return (
            f"nothing in the catalogue helps a {board} with so much on it: fewer workers, or a second head\n"
            "a part that does: [catalog.hubs.NAME] or [catalog.supplies.NAME], then name it here"
        )


def changed(feeding: Feeding, cluster: Cluster) -> Feeding:
    """Return how another cluster with the same workers is fed."""
    return Feeding(cluster, feeding.catalogue, feeding.workers)


def _changes(feeding: Feeding) -> Iterator[_Change]:
    """Yield every way, the least trouble first."""
    if len(feeding.in_the_head) + len(feeding.hubs) > USB_ADDRESSES:
        return  # only a lab has so many
    yield from _devices_moved(feeding)
    yield from _hubs_replaced(feeding)
    yield from _supplies_replaced(feeding)
    yield from _new_hubs(feeding)
    yield from _a_supply_for_the_head(feeding)
    for words, cluster in _own_supplies(feeding):
        yield _Change(words, cluster)
        for more, both in _new_hubs(changed(feeding, cluster)):
            yield _Change(f"{words}\nand {more}", both)


def _devices_moved(feeding: Feeding) -> Iterator[_Change]:
    """Move adapters and receivers out of the head onto a hub that has room."""
    loose = feeding.devices_in_the_head
    for hub in feeding.hubs.values():
        room = hub.hub.ports - hub.plugs
        sets = [(name,) for name in loose] + [loose[:count] for count in range(2, len(loose) + 1)]
        for names in (names for names in sets if len(names) <= room):
            devices = ",".join((*hub.devices, *names))
            words = f'on {hub.name}, under its [[hubs]]:\ndevices = "{devices}"'
            yield _Change(
                words, _with_hub(feeding, hub.index, attrs.evolve(feeding.cluster.hubs[hub.index], devices=devices))
            )


def _hubs_replaced(feeding: Feeding) -> Iterator[_Change]:
    """Put another model in the place of one hub."""
    for hub, (model, _) in itertools.product(feeding.hubs.values(), _powered(feeding)):
        if model != hub.model:
            section = feeding.cluster.hubs[hub.index]
            words = f'another hub as {hub.name}:\nmodel = "{model}"'
            if section.backfeeds is not None:
                words += "\nand take its backfeeds out: that was measured on the old one"
            yield _Change(words, _with_hub(feeding, hub.index, attrs.evolve(section, model=model)))


def _with_hub(feeding: Feeding, index: int, section: HubSection) -> Cluster:
    hubs = list(feeding.cluster.hubs)
    hubs[index] = section
    return attrs.evolve(feeding.cluster, hubs=tuple(hubs))


def _new_hubs(feeding: Feeding) -> Iterator[_Change]:
    """Put everything on one hub in the head, or on several alike; adapters stay in the head if they can."""
    ports = feeding.catalogue.boards[feeding.board(feeding.head)].usb_host_ports
    most = max((hub.ports for _, hub in _powered(feeding)), default=0)
    loose = ",".join(feeding.devices)
    for count, (model, _), devices in itertools.product(
        range(1, max(ports, most) + 1), _powered(feeding), dict.fromkeys(("", loose))
    ):
        if not ports:
            return
        hubs = [HubSection(model=model, backfeeds=False)] * count
        if count > ports:  # then all hang on a further one
            root = next(name for name, hub in _powered(feeding) if hub.ports >= count)
            hubs = [HubSection(model=root, backfeeds=False), *(attrs.evolve(hub, port=ROOT) for hub in hubs)]
        hubs[-1] = attrs.evolve(hubs[-1], devices=devices)
        what = "a hub with a supply of its own" if len(hubs) == 1 else f"{len(hubs)} hubs with supplies of their own"
        where = f" in place of {fold(feeding.hubs)}" if feeding.hubs else ""
        without = tuple(_not_feeding(section, feeding.hubs) for section in feeding.cluster.supplies)
        cluster = attrs.evolve(feeding.cluster, hubs=tuple(hubs), supplies=without)
        yield _Change("\n".join((f"{what}{where}:", *map(_written, hubs))), cluster)


def _written(hub: HubSection) -> str:
    """Return a hub as the cluster file says it."""
    port = f'port = "{hub.port}"\n' if hub.port != HEAD else ""
    devices = f'\ndevices = "{hub.devices}"' if hub.devices else ""
    return f'[[hubs]]\n{port}model = "{hub.model}"{devices}'


def _powered(feeding: Feeding) -> Iterator[tuple[str, Hub]]:
    return ((name, hub) for name, hub in feeding.catalogue.hubs.items() if hub.supply_ma is not None)


def _not_feeding(section: SupplySection, names: Mapping[str, object]) -> SupplySection:
    kept = [name for name in expand_names(section.feeds) if name not in names] if section.feeds else []
    return attrs.evolve(section, feeds=",".join(kept))


def _supplies_replaced(feeding: Feeding) -> Iterator[_Change]:
    """Put another supply in the place of one that is named."""
    for source, model in itertools.product(feeding.sources, feeding.catalogue.supplies):
        if model != source.model:
            supplies = list(feeding.cluster.supplies)
            supplies[source.index] = attrs.evolve(supplies[source.index], model=model)
            words = f'another supply:\nmodel = "{model}"'
            yield _Change(words, attrs.evolve(feeding.cluster, supplies=tuple(supplies)))


def _a_supply_for_the_head(feeding: Feeding) -> Iterator[_Change]:
    """Name a supply for the head that has none."""
    for model in feeding.catalogue.supplies if feeding.head not in feeding.on_a_supply else ():
        named = SupplySection(model=model, feeds=feeding.head)
        words = f'a stronger supply for the head:\n[[supplies]]\nmodel = "{model}"\nfeeds = "{feeding.head}"'
        yield _Change(words, attrs.evolve(feeding.cluster, supplies=(*feeding.cluster.supplies, named)))


def _own_supplies(feeding: Feeding) -> Iterator[_Change]:
    """Feed workers by supplies of their own, and cut their cables' 5 V: first those that no hub's port can feed."""
    most = max((hub.port_ma for _, hub in _powered(feeding)), default=0)
    fed = [name for name in feeding.workers if feeding.fed_by_its_cable(name) and feeding.power(name).supply]
    hungry = [name for name in fed if feeding.own_load(name).worst_ma > most]
    for names in dict.fromkeys((tuple(hungry), tuple(fed))):
        if not names:
            continue
        lines = [f"no hub in the catalogue gives a port more than {most} mA"] if names == tuple(hungry) else []
        each = "each of " * (len(names) > 1)
        lines.append(f"a supply of its own for {each}{fold(names)}, and its USB cable's 5 V wire cut:")
        known = {feeding.board(name): feeding.power(name) for name in names}
        sections = [f'[[supplies]]\nmodel = "{feeding.power(name).supply}"\nfeeds = "{name}"' for name in names]
        lines += sections if len(sections) <= MOST_SHOWN else [sections[0], "and so on, one for each"]
        cut = fold((*sorted(feeding.cut), *names))
        lines.append(f'[parts]\ncut_5v = "{cut}"')
        lines += [
            f"a {board}'s USB-C socket is taken by that cable: the supply goes to its header, 5 V on pin 4, ground on 6"
            for board, power in known.items()
            if power.gadget_cord == _SOLE_SOCKET
        ]
        supplies = tuple(SupplySection(model=feeding.power(name).supply, feeds=name) for name in names)
        parts = attrs.evolve(feeding.cluster.parts, cut_5v=cut)
        cluster = attrs.evolve(feeding.cluster, supplies=(*feeding.cluster.supplies, *supplies), parts=parts)
        yield _Change("\n".join(lines), cluster)
