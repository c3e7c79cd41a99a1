"""What a cluster costs: its bill as the cluster file has it, and what the same number of nodes would cost otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from pibramble.advise.beside import beside, on_usb
from pibramble.advise.bill import Bill, Share
from pibramble.advise.build import Build, Kind, Shop
from pibramble.advise.power import Feeding
from pibramble.spec.findings import listed
from pibramble.spec.model import Link

_WAYS: Mapping[Link, tuple[str, str]] = {  # what people call it, and why a board cannot have it
    Link.USB: ("USB gadget", "cannot be a USB device"),
    Link.SERIAL: ("serial, PPP", "has no UART to wire"),
    Link.ETHERNET: ("USB Ethernet adapter and switch", "has no Ethernet port, nor a USB port for an adapter"),
}
_BIGGER = "one bigger board"


@attrs.frozen
class Way:
    """One way to have so many nodes, and what it costs."""

    name: str
    nodes: int
    bill: Bill | None  # None: it is no way, and `note` says why
    node_cents: float  # a worker, its wire and its share of what joins all; the head left out
    joining_cents: float  # of which for what joins them and feeds them, boards and cards left out
    gflops: float | None  # of all workers; None: not known of every board
    estimated: bool  # the speed of some board is another's with the same chip
    note: str = ""
    speedless: tuple[str, ...] = ()  # the boards whose speed nobody knows


def bill_of(feeding: Feeding, shop: Shop) -> Bill:
    """Return the bill of a cluster: what its file names, and for the rest what it cannot do without."""
    cluster = feeding.cluster
    build = build_of(feeding, shop)
    found = _without_supply(shop.head_of(build), given=feeding.head in feeding.on_a_supply)
    for name in feeding.workers:
        each = shop.of_each(_kind(feeding, shop, name))
        found.update(_without_supply(each, given=name in feeding.on_a_supply))
    found.update((Share.POWER, source.model) for source in feeding.sources)
    found.update((Share.JOINING, hub.model) for hub in feeding.hubs.values())
    found.update((Share.JOINING, section.model) for section in cluster.bridges)
    shared = shop.shared(build) or Counter()
    if feeding.hubs:  # the file names them
        shared = Counter({key: count for key, count in shared.items() if key[1] not in shop.catalogue.hubs})
    return shop.bill_of(found + shared)


def _without_supply(parts: Counter[tuple[Share, str]], *, given: bool) -> Counter[tuple[Share, str]]:
    """Leave out the supply of a node that the file puts on another."""
    return Counter({key: count for key, count in parts.items() if not given or key[0] is not Share.POWER})


def build_of(feeding: Feeding, shop: Shop) -> Build:
    """Return a cluster's workers by kind, and what hangs on its head."""
    cluster = feeding.cluster
    head = shop.catalogue.boards[cluster.head.board]
    kinds = Counter(_kind(feeding, shop, name) for name in feeding.workers)
    ports = [w.head_port for w in feeding.workers.values() if w.link is Link.SERIAL and w.head_port]
    return Build(
        head.name,
        dict(kinds),
        beside(cluster, head),
        uplink_by_air=not cluster.head.uplink.startswith(("eth", "en")),
        serial_adapters=sum(on_usb(head, port) for port in ports),
    )


def _kind(feeding: Feeding, shop: Shop, name: str) -> Kind:
    worker = feeding.workers[name]
    board = worker.board.name
    own = worker.link is Link.USB and (not feeding.fed_by_its_cable(name) or shop.too_hungry(board))
    return Kind(board, worker.link, own_supply=own)


def gflops(shop: Shop, boards: Mapping[str, int]) -> tuple[float | None, bool]:
    """Return how fast boards are together, and whether some figure is another board's; None when one is not known."""
    speeds = shop.catalogue.speeds
    if _speedless(shop, boards):
        return None, False
    total = sum(speeds[board].gflops * count for board, count in boards.items())
    return total, not all(speeds[board].verified for board in boards)


def as_planned(feeding: Feeding, shop: Shop) -> Way:
    """Return the cluster itself as one of the ways."""
    return _way(shop, "as in the file", build_of(feeding, shop), bill_of(feeding, shop))


def alternatives(feeding: Feeding, shop: Shop) -> tuple[Way, ...]:
    """Return the other ways to the same number of workers with the same boards, and the one bigger board.

    What is no way is among them, and says why.
    """
    now = build_of(feeding, shop)
    return (*(_by(shop, now, link) for link in _WAYS), one_board(shop, now))


def _by(shop: Shop, now: Build, link: Link) -> Way:
    """Return the same workers on another wire, as far as they can have it."""
    name, why_not = _WAYS[link]
    kinds: Counter[Kind] = Counter()
    kept: Counter[str] = Counter()
    for kind, count in now.workers.items():
        other = Kind(kind.board, link, own_supply=link is Link.USB and shop.too_hungry(kind.board))
        if shop.possible(other):
            kinds[other] += count
        else:
            kinds[kind] += count
            kept[kind.board] += count
    if kept.total() == now.nodes:
        return _no_way(name, f"no way: a {listed(kept, 'or')} {why_not}")
    build = attrs.evolve(now, workers=dict(kinds), serial_adapters=None)
    if (bill := shop.bill(build)) is None:
        return _no_way(name, f"no way: nothing in the catalogue joins {now.nodes} of them to a {now.head}")
    return _way(shop, name, build, bill, f"{kept.total()} cannot, and stay as they are" if kept else "")


def one_board(shop: Shop, build: Build) -> Way:
    """Return the cheapest single board that is as fast as all workers together, or why none can be named."""
    boards = _boards(build)
    needed, _ = gflops(shop, boards)
    if needed is None:
        return _no_way(_BIGGER, "not to be named while a speed is missing", _speedless(shop, boards))
    able = []
    for board, speed in shop.catalogue.speeds.items():
        cents = shop.cents(shop.of_the_head(board)) if board in shop.catalogue.boards else None
        if cents is not None and speed.gflops >= needed:
            able.append((cents, board))
    if not able:
        return _no_way(_BIGGER, f"none in the catalogue does {needed:.3g} GFLOPS")
    cents, board = min(able)
    bill = shop.bill_of(shop.of_the_head(board))
    joining = bill.of(Share.POWER)
    speed = shop.catalogue.speeds[board]
    note = "one node: nothing to learn about clusters"
    return Way(f"one {board}", 1, bill, cents, joining, speed.gflops, not speed.verified, note)


def _way(shop: Shop, name: str, build: Build, bill: Bill, note: str = "") -> Way:
    head = shop.known_cents(shop.head_of(build))
    boards = _boards(build)
    bare = sum(shop.known_cents(shop.with_card(board)) * count for board, count in boards.items())
    speed, estimated = gflops(shop, boards)
    rest = bill.new_cents - head  # what a node costs does not depend on what is in a drawer
    each = (rest / build.nodes, (rest - bare) / build.nodes)
    return Way(name, build.nodes, bill, *each, speed, estimated, note, _speedless(shop, boards))


def _no_way(name: str, why: str, speedless: tuple[str, ...] = ()) -> Way:
    return Way(name, 0, None, 0, 0, None, estimated=False, note=why, speedless=speedless)


def _speedless(shop: Shop, boards: Iterable[str]) -> tuple[str, ...]:
    return tuple(board for board in boards if board not in shop.catalogue.speeds)


def _boards(build: Build) -> Counter[str]:
    found: Counter[str] = Counter()
    for kind, count in build.workers.items():
        found[kind.board] += count
    return found
