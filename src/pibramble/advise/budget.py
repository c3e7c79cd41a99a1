"""The best cluster for the money, among all with like workers: an MPI program waits for its slowest rank.

Every head, every kind of worker and every number of them is tried and priced whole, so nothing is missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

import attrs

from pibramble.advise.build import Build, Kind, Shop
from pibramble.spec.model import Link
from pibramble.spec.rules.links import USB_ADDRESSES

MOST_NODES = USB_ADDRESSES  # of a USB bus; a serial or Ethernet head has no more in practice


class Goal(StrEnum):
    """What is to be as large as the money allows."""

    CORES = "cores"
    GFLOPS = "gflops"
    NODES = "nodes"


@attrs.frozen
class Found:
    """One cluster, what it costs and what it is worth."""

    build: Build
    cents: int
    worth: float


def best(
    shop: Shop, cents: int, goal: Goal, *, heads: Sequence[str] = (), links: Sequence[Link] = tuple(Link)
) -> Found | None:
    """Return the best cluster for at most `cents`; None when there is none. Of equals the cheapest, then the smallest.

    `heads` narrows the choice of heads, `links` that of wires. Raises PibrambleError where prices cannot be compared.
    """
    shop.currency  # noqa: B018 (raises)
    affordable = (found for found in candidates(shop, goal, heads, links, cents) if found.cents <= cents)
    return min(affordable, key=rank, default=None)


def smallest(shop: Shop, *, heads: Sequence[str] = (), links: Sequence[Link] = tuple(Link)) -> Found | None:
    """Return the cheapest cluster that there is, whatever it is worth."""
    ones = (found for found in candidates(shop, Goal.NODES, heads, links, None) if found.build.nodes == 1)
    return min(ones, key=lambda found: (found.cents, rank(found)), default=None)


def candidates(
    shop: Shop, goal: Goal, heads: Sequence[str], links: Sequence[Link], cents: int | None
) -> Iterator[Found]:
    """Yield every cluster that `cents` could buy, and some that it could not; without a limit, those of one worker."""
    for head in heads or possible_heads(shop):
        own = shop.cents(shop.of_the_head(head))
        if own is None:
            continue
        for kind, each, counted in _kinds(shop, goal, links):
            for number in range(1, _most(shop, own, each, cents) + 1):
                build = Build(head, {kind: number})
                parts = shop.parts_of(build)
                if parts is not None and shop.cents(parts) is not None:
                    yield Found(build, shop.bill_of(parts).cents, counted * number)


def _most(shop: Shop, own: int, each: int, cents: int | None) -> int:
    """Return how many workers at most money buys when nothing has to join them and all that one has is of use."""
    if cents is None:
        return 1
    left = cents + shop.owned_cents - own
    return min(MOST_NODES, max(0, left) // each if each else MOST_NODES)


def possible_heads(shop: Shop) -> list[str]:
    """Return the boards that can be a head: an Ethernet port for the uplink, and a price, or the person has one."""
    to_be_had = {*shop.prices, *shop.owned}
    return [name for name, board in shop.catalogue.boards.items() if board.ethernet_mbit and name in to_be_had]


def worth(shop: Shop, board: str, goal: Goal) -> float | None:
    """Return what one board counts towards a goal; None where nobody knows."""
    match goal:
        case Goal.NODES:
            return 1
        case Goal.CORES:
            return shop.catalogue.boards[board].cores
        case Goal.GFLOPS:
            return shop.catalogue.speeds[board].gflops if board in shop.catalogue.speeds else None


def rank(found: Found) -> tuple[float, int, int, str, tuple[tuple[str, str, int], ...]]:
    """Return by what clusters are put in order, the best first; no two have the same rank."""
    workers = tuple(sorted((kind.board, kind.link.value, count) for kind, count in found.build.workers.items()))
    return -round(found.worth, 9), found.cents, found.build.nodes, found.build.head, workers


def _kinds(shop: Shop, goal: Goal, links: Sequence[Link]) -> list[tuple[Kind, int, float]]:
    """Return every kind of worker that can be bought, with its own price in hundredths and what it is worth."""
    found = []
    for board in shop.catalogue.boards:
        counted = worth(shop, board, goal)
        for link in links:
            kind = Kind(board, link)
            if counted is None or board not in shop.prices or not shop.possible(kind):
                continue
            price = shop.cents(shop.of_each(kind))
            if price is not None:
                found.append((kind, price, counted))
    return found
