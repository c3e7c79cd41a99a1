"""What a cluster costs: its bill as the cluster file has it, and what the same number of nodes would cost otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from pibramble.advise.bill import Bill, Share
from pibramble.advise.build import SERIAL_ADAPTER, Build, Kind, Shop
from pibramble.advise.power import Feeding
from pibramble.spec.model import Link


@attrs.frozen
class Way:
    """One way to have so many nodes, and what it costs."""

    name: str
    nodes: int
    bill: Bill
    node_cents: float  # a worker, its wire and its share of what joins all; the head left out
    joining_cents: float  # of which for what joins them and feeds them, boards and cards left out
    gflops: float | None  # of all workers; None: not known of every board
    estimated: bool  # the speed of some board is another's with the same chip
    note: str = ""


def bill_of(feeding: Feeding, shop: Shop) -> Bill:
    """Return the bill of a cluster: what its file names, and for the rest what it cannot do without."""
    cluster = feeding.cluster
    found = _without_supply(shop.of_the_head(cluster.head.board), given=feeding.head in feeding.on_a_supply)
    for worker in feeding.workers.values():
        each = shop.of_each(Kind(worker.board.name, worker.link))
        found.update(_without_supply(each, given=worker.name in feeding.on_a_supply))
    found.update((Share.POWER, source.model) for source in feeding.sources)
    found.update((Share.JOINING, hub.model) for hub in feeding.hubs.values())
    found.update((Share.JOINING, section.model) for section in cluster.bridges)
    shared = shop.shared(build_of(feeding)) or Counter()
    if feeding.hubs:  # the file names them
        shared = Counter({key: count for key, count in shared.items() if key[1] not in shop.catalogue.hubs})
    shared[Share.JOINING, SERIAL_ADAPTER] = sum(1 for port in feeding.adapters if port.startswith("/dev/"))
    return shop.bill_of(found + shared)


def _without_supply(parts: Counter[tuple[Share, str]], *, given: bool) -> Counter[tuple[Share, str]]:
    """Leave out the supply of a node that the file puts on another."""
    return Counter({key: count for key, count in parts.items() if not given or key[0] is not Share.POWER})


def build_of(feeding: Feeding) -> Build:
    """Return a cluster's workers by kind."""
    kinds = Counter(Kind(worker.board.name, worker.link) for worker in feeding.workers.values())
    return Build(feeding.cluster.head.board, dict(kinds))


def gflops(shop: Shop, boards: Mapping[str, int]) -> tuple[float | None, bool]:
    """Return how fast boards are together, and whether some figure is another board's; None when one is not known."""
    speeds = shop.catalogue.speeds
    if not all(board in speeds for board in boards):
        return None, False
    total = sum(speeds[board].gflops * count for board, count in boards.items())
    return total, not all(speeds[board].verified for board in boards)


def as_planned(feeding: Feeding, shop: Shop) -> Way:
    """Return the cluster itself as one of the ways."""
    build = build_of(feeding)
    return _way(shop, "as in the file", build, bill_of(feeding, shop))


def alternatives(feeding: Feeding, shop: Shop) -> tuple[Way, ...]:
    """Return the other ways to the same number of workers with the same boards, and the one bigger board."""
    now = build_of(feeding)
    found = []
    for link, name in (
        (Link.USB, "USB gadget"),
        (Link.SERIAL, "serial, PPP"),
        (Link.ETHERNET, "USB Ethernet adapter and switch"),
    ):
        kinds: Counter[Kind] = Counter()
        kept = 0
        for kind, count in now.workers.items():
            other = Kind(kind.board, link)
            possible = shop.possible(other)
            kinds[other if possible else kind] += count
            kept += 0 if possible else count
        build = Build(now.head, dict(kinds))
        if (bill := shop.bill(build)) and kept < now.nodes:
            found.append(_way(shop, name, build, bill, f"{kept} cannot, and stay as they are" if kept else ""))
    if bigger := one_board(shop, now):
        found.append(bigger)
    return tuple(found)


def one_board(shop: Shop, build: Build) -> Way | None:
    """Return the cheapest single board that is as fast as all workers together; None when none is, or nobody knows."""
    needed, _ = gflops(shop, _boards(build))
    if needed is None:
        return None
    able = []
    for board, speed in shop.catalogue.speeds.items():
        cents = shop.cents(shop.of_the_head(board)) if board in shop.catalogue.boards else None
        if cents is not None and speed.gflops >= needed:
            able.append((cents, board))
    if not able:
        return None
    cents, board = min(able)
    bill = shop.bill_of(shop.of_the_head(board))
    joining = bill.of(Share.POWER)
    speed = shop.catalogue.speeds[board]
    note = "one node: nothing to learn about clusters"
    return Way(f"one {board}", 1, bill, cents, joining, speed.gflops, not speed.verified, note)


def _way(shop: Shop, name: str, build: Build, bill: Bill, note: str = "") -> Way:
    head = shop.cents(shop.of_the_head(build.head)) or 0
    boards = _boards(build)
    owned = sum(_cents(shop, [board, shop.parts.card]) * count for board, count in boards.items())
    speed, estimated = gflops(shop, boards)
    rest = bill.new_cents - head  # what a node costs does not depend on what is in a drawer
    return Way(name, build.nodes, bill, rest / build.nodes, (rest - owned) / build.nodes, speed, estimated, note)


def _boards(build: Build) -> Counter[str]:
    found: Counter[str] = Counter()
    for kind, count in build.workers.items():
        found[kind.board] += count
    return found


def _cents(shop: Shop, parts: Iterable[str]) -> int:
    return shop.cents(Counter((Share.BOARDS, part) for part in parts if part in shop.prices)) or 0
