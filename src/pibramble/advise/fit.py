"""The cheapest set of hubs or switches that has room for so many plugs. Exact: every number of devices is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import attrs


class Box(NamedTuple):
    """A hub or a switch to choose from."""

    part: str
    places: int  # plugs that it can take, as far as its supply goes
    cents: int


@attrs.frozen
class Chosen:
    """A set of boxes."""

    parts: tuple[str, ...]
    cents: int


class _Set(NamedTuple):
    """A set in the making; compared as it stands, so the best is the cheapest, then the smallest, then by its boxes."""

    cents: int
    number: int
    lacking: tuple[int, ...]  # minus the number of each box: of equals, more of the first


def cheapest(boxes: Sequence[Box], plugs: int, *, roots: int, joint: int) -> Chosen | None:
    """Return the cheapest set with room for `plugs`; None when there is none.

    `roots` boxes have a way up of their own (a port of the head); each further one hangs on another and takes `joint`
    places from the set: one for a hub (its plug), two for a switch (a port at either end of the cable).
    """
    usable = sorted(box for box in boxes if box.places > 0)
    if plugs <= 0:
        return Chosen((), 0)
    if not usable or roots <= 0:
        return None
    least = min(box.cents for box in usable)
    best: _Set | None = None
    # reached[places]: the cheapest set of exactly `number` boxes with so many places
    reached = {0: _Set(0, 0, (0,) * len(usable))}
    for number in range(1, plugs + 1):
        if best and number * least > best.cents:
            break  # more boxes can only cost more
        wanted = plugs + joint * max(0, number - roots)
        reached = _one_more(reached, usable, most=plugs * (1 + joint))
        best = min(
            [chosen for places, chosen in reached.items() if places >= wanted] + ([best] if best else []), default=None
        )
    if best is None:
        return None
    parts = [box.part for box, lacking in zip(usable, best.lacking, strict=True) for _ in range(-lacking)]
    return Chosen(tuple(parts), best.cents)


def _one_more(reached: Mapping[int, _Set], boxes: Sequence[Box], most: int) -> dict[int, _Set]:
    grown: dict[int, _Set] = {}
    for places, (cents, number, lacking) in reached.items():
        for at, box in enumerate(boxes):
            now = min(most, places + box.places)
            more = _Set(cents + box.cents, number + 1, (*lacking[:at], lacking[at] - 1, *lacking[at + 1 :]))
            if now not in grown or more < grown[now]:
                grown[now] = more
    return grown
