"""The best cluster for the money, held against a search by hand that prices every cluster on its own."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pibramble.advise.budget import Goal, best, possible_heads, smallest
from pibramble.advise.build import Shop
from pibramble.catalog.model import Additions
from pibramble.catalog.sections import Catalogue
from pibramble.spec.model import Link, PartsSection

HEADS = ("pi-1b", "pi-1b-plus", "pi-4b")
CHANGED = ("pi-1b", "pi-1b-plus", "pi-4b", "pi-zero", "pi-zero-2w", "pi-1a-plus", "hub-4-powered", "hub-7-powered")
MOST = 9  # workers; no budget here buys more

PRICES = st.fixed_dictionaries({part: st.integers(1200, 6000) for part in CHANGED})


def shop(prices: dict[str, int], owned: dict[str, int] | None = None) -> Shop:
    said = {part: {"amount": cents / 100} for part, cents in prices.items()}
    return Shop(Catalogue(Additions({"prices": said})), PartsSection(), owned)


def by_hand(catalogue: Catalogue, cents: int, goal: Goal, owned: dict[str, int]) -> tuple[float, int] | None:
    """Return what the best cluster on USB is worth and costs. Hubs are chosen by trying all sets of three at most."""

    def price(parts: list[str]) -> int:
        left, total = dict(owned), 0
        for part in parts:
            if left.get(part, 0):
                left[part] -= 1
            else:
                total += round(catalogue.prices[part].amount * 100)
        return total

    def hub_sets(head: str, board: str, number: int) -> list[tuple[str, ...]]:
        power = catalogue.power[board]
        worst = (power.max_ma or power.stress_ma or 0) if power.feeds_from_usb else 0
        above, ports = catalogue.power[head], catalogue.boards[head].usb_host_ports
        if number <= ports and worst <= (above.usb_port_ma or 0) and worst * number <= (above.usb_total_ma or 0):
            return [()]
        places = {
            name: min(hub.ports, hub.supply_ma // worst if worst else hub.ports)
            for name, hub in catalogue.hubs.items()
            if hub.supply_ma and worst <= hub.port_ma
        }
        return [
            chosen
            for many in range(1, 4)
            for chosen in itertools.combinations_with_replacement(places, many)
            if sum(places[name] for name in chosen) >= number + max(0, many - ports)
        ]

    found = []
    for head, board, number in itertools.product(HEADS, catalogue.boards, range(1, MOST + 1)):
        power = catalogue.power[board]
        if not catalogue.boards[board].usb_gadget:
            continue
        if goal is Goal.GFLOPS and board not in catalogue.speeds:
            continue
        each = {Goal.NODES: 1.0, Goal.CORES: catalogue.boards[board].cores}.get(goal)
        each = catalogue.speeds[board].gflops if each is None else each
        one = [board, "microsd-8", power.gadget_cord] + ([] if power.feeds_from_usb else [power.supply])
        parts = [head, "microsd-8", catalogue.power[head].supply, *one * number]
        # The cheapest hubs new: what one owns of hubs is not what decides here.
        hubs = min(
            hub_sets(head, board, number), key=lambda h: sum(catalogue.prices[x].amount for x in h), default=None
        )
        if hubs is not None and (total := price([*parts, *hubs])) <= cents:
            found.append((-each * number, total))
    worth, total = min(found, default=(0.0, 0))
    return (-worth, total) if found else None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    PRICES,
    st.integers(3000, 22_000),
    st.sampled_from(Goal),
    st.sampled_from([{}, {"pi-1b": 1}, {"pi-zero": 2, "microsd-8": 3}]),
)
def test_no_cluster_is_better(prices: dict[str, int], cents: int, goal: Goal, owned: dict[str, int]) -> None:
    found = best(shop(prices, owned), cents, goal, heads=HEADS, links=(Link.USB,))
    expected = by_hand(shop(prices).catalogue, cents, goal, owned)
    if found is None or expected is None:
        assert found is None
        assert expected is None
    else:
        assert (round(found.worth, 6), found.cents) == (round(expected[0], 6), expected[1])
        assert found.build.nodes < MOST


@pytest.mark.parametrize("goal", Goal)
def test_more_money_never_buys_less(goal: Goal) -> None:
    worths = [found.worth if (found := best(shop({}), cents, goal)) else 0 for cents in range(0, 40_000, 2500)]
    assert worths == sorted(worths)
    assert worths[0] == 0
    assert worths[-1] > 0


def test_what_it_costs_is_what_its_bill_says() -> None:
    store = shop({})
    found = best(store, 20_000, Goal.CORES)
    assert found
    bill = store.bill(found.build)
    assert bill
    assert bill.cents == found.cents <= 20_000


def test_the_smallest_cluster_is_a_cent_out_of_reach() -> None:
    store = shop({})
    least = smallest(store)
    assert least
    assert best(store, least.cents - 1, Goal.NODES) is None
    assert best(store, least.cents, Goal.NODES) is not None


def test_a_head_has_an_uplink_and_a_price() -> None:
    assert possible_heads(shop({})) == ["pi-1b", "pi-1b-plus", "pi-2b", "pi-3b", "pi-3b-plus", "pi-4b", "pi-5"]


def test_a_pc_that_one_has_is_a_head_and_costs_nothing() -> None:
    found = best(shop({}, {"pc": 1}), 6000, Goal.NODES)
    assert found
    assert (found.build.head, found.build.nodes, found.cents) == ("pc", 2, 4200)
    assert best(shop({}), 6000, Goal.NODES) is None
    assert smallest(shop({}), heads=("pc",)) is None  # without a price there is no saying what it would cost


def test_the_one_pc_is_not_a_worker_as_well() -> None:
    found = best(shop({}, {"pc": 1}), 10_000, Goal.CORES, links=(Link.ETHERNET,))
    assert found
    assert {kind.board for kind in found.build.workers} != {"pc"}


def test_links_can_be_narrowed() -> None:
    found = best(shop({}), 100_000, Goal.GFLOPS, links=(Link.SERIAL,))
    assert found
    assert {kind.link for kind in found.build.workers} == {Link.SERIAL}
