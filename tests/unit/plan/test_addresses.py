"""Who gets which address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from pibramble.errors import Exit, PibrambleError
from pibramble.plan.addresses import assign

NET = IPv4Network("192.168.7.0/24")


def texts(subnet: IPv4Network, head: str | None, *workers: str | None) -> list[str]:
    given = [IPv4Address(worker) if worker else None for worker in workers]
    first, rest = assign(subnet, IPv4Address(head) if head else None, given)
    return [str(first), *map(str, rest)]


def test_the_head_has_the_first_host_and_workers_follow_in_order() -> None:
    assert texts(NET, None, None, None) == ["192.168.7.1", "192.168.7.2", "192.168.7.3"]


def test_given_addresses_are_kept_and_skipped_by_the_others() -> None:
    found = texts(NET, None, None, "192.168.7.3", None, "192.168.7.2")
    assert found == ["192.168.7.1", "192.168.7.4", "192.168.7.3", "192.168.7.5", "192.168.7.2"]


def test_moving_the_head_moves_no_worker() -> None:
    assert texts(NET, "192.168.7.254", None, None)[1:] == texts(NET, None, None, None)[1:]


def test_a_head_among_the_workers_addresses_is_skipped() -> None:
    assert texts(NET, "192.168.7.3", None, None, None) == ["192.168.7.3", "192.168.7.2", "192.168.7.4", "192.168.7.5"]


def test_a_huge_subnet_costs_nothing() -> None:
    assert texts(IPv4Network("10.0.0.0/8"), None, None) == ["10.0.0.1", "10.0.0.2"]


def test_a_full_subnet_is_said_in_words() -> None:
    with pytest.raises(PibrambleError, match="no address left") as caught:
        texts(IPv4Network("10.0.0.0/30"), None, None, None)
    assert caught.value.exit_code is Exit.WRONG
    assert "larger subnet" in caught.value.hint
