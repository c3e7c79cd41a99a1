"""The cheapest set of hubs or switches that has room for so many plugs. Exact: every number of devices is tried."""

from __future__ import annotations

from collections.abc import Sequence
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


NOTHING = Chosen((), 0)


def cheapest(boxes: Sequence[Box], plugs: int, *, roots: int, joint: int) -> Chosen | None:
    """Return the cheapest set with room for `plugs`; None when there is none.

    `roots` boxes have a way up of their own (a port of the head); each further one hangs on another and takes `joint`
    places from the set: one for a hub (its plug), two for a switch (a port at either end of the cable).
    """
    if plugs <= 0:
        return NOTHING
    usable = [box for box in boxes if box.places > 0]
    if not usable or roots <= 0:
        return None
    best: Chosen | None = None
    # reached[places]: the cheapest set of exactly `number` boxes with at least so many places
    reached: dict[int, Chosen] = {0: NOTHING}
    for number in range(1, plugs + 1):
        wanted = plugs + joint * max(0, number - roots)
        reached = _one_more(reached, usable, most=plugs + joint * plugs)
        fitting = [chosen for places, chosen in reached.items() if places >= wanted]
        best = min([*fitting, *([best] if best else [])], key=_rank, default=None)
        if best and number * min(box.cents for box in usable) > best.cents:
            break  # more boxes can only cost more
    return best


def _one_more(reached: dict[int, Chosen], boxes: Sequence[Box], most: int) -> dict[int, Chosen]:
    grown: dict[int, Chosen] = {}
    for places, chosen in reached.items():
        for box in boxes:
            now = min(most, places + box.places)
            more = Chosen(tuple(sorted((*chosen.parts, box.part))), chosen.cents + box.cents)
            if now not in grown or _rank(more) < _rank(grown[now]):
                grown[now] = more
    return grown


def _rank(chosen: Chosen) -> tuple[int, int, tuple[str, ...]]:
    return chosen.cents, len(chosen.parts), chosen.parts
