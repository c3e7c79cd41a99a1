"""The cheapest set of hubs or switches, held against every set that there is."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pibramble.advise.fit import Box, Chosen, cheapest

BOXES = st.lists(
    st.builds(Box, st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 50)),
    max_size=3,
    unique_by=lambda box: box.part,
)


def by_hand(boxes: list[Box], plugs: int, roots: int, joint: int) -> tuple[int, int] | None:
    """Return price and number of the best set of at most `plugs` boxes, by trying all."""
    if plugs <= 0:
        return 0, 0
    usable = [box for box in boxes if box.places > 0]
    able = (
        (sum(box.cents for box in chosen), number)
        for number in range(1, plugs + 1)
        for chosen in itertools.combinations_with_replacement(usable, number)
        if roots > 0 and sum(box.places for box in chosen) >= plugs + joint * max(0, number - roots)
    )
    return min(able, default=None)


@given(BOXES, st.integers(0, 7), st.integers(0, 3), st.integers(1, 2))
def test_it_is_the_cheapest_of_all(boxes: list[Box], plugs: int, roots: int, joint: int) -> None:
    found = cheapest(boxes, plugs, roots=roots, joint=joint)
    assert (found and (found.cents, len(found.parts))) == by_hand(boxes, plugs, roots, joint)


@given(BOXES, st.integers(1, 12), st.integers(1, 3), st.integers(1, 2))
def test_more_plugs_never_cost_less(boxes: list[Box], plugs: int, roots: int, joint: int) -> None:
    fewer, more = (cheapest(boxes, number, roots=roots, joint=joint) for number in (plugs - 1, plugs))
    assert more is None or (fewer is not None and fewer.cents <= more.cents)


def test_a_further_hub_takes_a_place_of_another() -> None:
    four = [Box("four", 4, 10)]
    assert cheapest(four, 8, roots=2, joint=1) == Chosen(("four", "four"), 20)
    assert cheapest(four, 8, roots=1, joint=1) == Chosen(("four", "four", "four"), 30)


def test_without_anything_to_choose_from_there_is_no_set() -> None:
    assert cheapest([], 1, roots=1, joint=1) is None
    assert cheapest([Box("joint only", 1, 10)], 2, roots=1, joint=1) is None
