"""MAC addresses are derived, local, and never shared."""

from __future__ import annotations

import re
from itertools import product

from pibramble.plan.macs import End, derive, is_local


def test_an_address_is_the_same_today_as_it_was_when_the_cards_were_written() -> None:
    # A change here gives every existing cluster new addresses, which the cards in its boards do not know.
    assert derive("xmas", "zero1", End.WORKER) == "76:c7:a8:4b:4f:45"


def test_every_address_is_unicast_and_locally_administered() -> None:
    for number in range(1000):
        mac = derive("xmas", f"n{number}", End.HEAD)
        assert re.fullmatch(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", mac)
        assert int(mac[:2], 16) & 0b11 == 0b10
        assert is_local(mac)


def test_clusters_nodes_and_ends_share_no_address() -> None:
    names = [f"n{number}" for number in range(300)]
    macs = {derive(*words) for words in product(("a", "b"), names, End)}
    assert len(macs) == 2 * 300 * len(End)


def test_the_parts_of_a_name_do_not_run_together() -> None:
    assert derive("ab", "c", End.HEAD) != derive("a", "bc", End.HEAD)


def test_burned_in_addresses_are_told_apart() -> None:
    assert not is_local("b8:27:eb:00:00:01")
    assert is_local("02:00:00:00:00:01")
