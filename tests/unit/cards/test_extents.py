"""Sums with runs of bytes, against sets of numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pibramble.cards.extents import aligned, complement, difference, pieces, union
from pibramble.cards.image import Extent

SIZE = 60
anywhere = st.lists(st.builds(Extent, st.integers(0, 40), st.integers(1, 15)), max_size=8)


def numbers(extents: list[Extent]) -> set[int]:
    return {number for extent in extents for number in range(extent.offset, extent.end)}


def is_tidy(extents: list[Extent]) -> bool:
    return all(one.end <= other.offset for one, other in pairwise(extents)) and all(
        extent.length > 0 for extent in extents
    )


@given(anywhere)
def test_union_covers_the_same_bytes(extents: list[Extent]) -> None:
    joined = list(union(extents))
    assert is_tidy(joined)
    assert numbers(joined) == numbers(extents)


@given(anywhere, st.integers(0, 5))
def test_union_fills_small_gaps_and_no_others(extents: list[Extent], gap: int) -> None:
    joined = list(union(extents, gap=gap))
    assert all(other.offset - one.end > gap for one, other in pairwise(joined))
    assert numbers(joined) >= numbers(extents)
    assert all(run.length <= gap for run in difference(joined, union(extents)))


@given(anywhere, anywhere)
def test_difference_is_what_is_in_one_and_not_in_the_other(these: list[Extent], those: list[Extent]) -> None:
    left = list(difference(union(these), union(those)))
    assert is_tidy(left)
    assert numbers(left) == numbers(these) - numbers(those)


@given(anywhere)
def test_complement_is_the_rest_of_the_disk(extents: list[Extent]) -> None:
    assert numbers(list(complement(union(extents), SIZE))) == set(range(SIZE)) - numbers(extents)


@given(anywhere)
def test_aligned_grows_to_grains_and_stays_on_the_disk(extents: list[Extent]) -> None:
    grown = list(aligned(extents, 8, 50))
    assert is_tidy(grown)
    assert numbers(grown) == {n for n in range(50) if numbers(extents) & set(range(n // 8 * 8, n // 8 * 8 + 8))}


@given(anywhere)
def test_pieces_cover_the_same_bytes_and_never_cross_a_multiple(extents: list[Extent]) -> None:
    cut = list(pieces(union(extents), 7))
    assert numbers(cut) == numbers(extents)
    assert all(piece.offset // 7 == (piece.end - 1) // 7 for piece in cut)
