"""What has to be bought for a head and so many workers, when nobody has said which hubs, supplies and cables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

import attrs

from pibramble.advise.bill import Basket, Bill, Share, currency_of, price_cents
from pibramble.advise.fit import Box, Chosen, cheapest
from pibramble.catalog.model import Board
from pibramble.catalog.parts import Power, Price
from pibramble.catalog.sections import Catalogue
from pibramble.spec.model import Link, PartsSection
from pibramble.spec.rules.links import USB_ADDRESSES

JUMPERS, PATCH, OTG = "jumper-wires", "patch-cable", "otg-micro-b-to-a"
SERIAL_ADAPTER, ETHERNET_ADAPTER = "usb-uart-3v3", "usb-ethernet-100"
UNKNOWN_MA = 500  # a board that nobody has measured is given a whole port's current


@attrs.frozen(order=True)
class Kind:
    """A worker's board and its wire."""

    board: str
    link: Link


@attrs.frozen
class Build:
    """A head and its workers, by kind."""

    head: str
    workers: Mapping[Kind, int]

    @property
    def nodes(self) -> int:
        """Return how many workers there are."""
        return sum(self.workers.values())


class Shop:
    """The catalogue with its prices, seen by who buys; what is asked for often is worked out once."""

    def __init__(self, catalogue: Catalogue, parts: PartsSection, owned: Mapping[str, int] | None = None) -> None:
        """Open it, with the choice of parts that the cluster file makes, and what the person has already."""
        self.catalogue = catalogue
        self.parts = parts
        self.owned: Mapping[str, int] = owned or {}
        self._hubs: dict[tuple[int, int, int], Chosen | None] = {}
        self._switches: dict[int, Chosen | None] = {}

    @cached_property
    def currency(self) -> str:
        """Return the currency of all prices. Raises PibrambleError when there are two."""
        return currency_of(price for price in self.prices.values() if price.amount)

    @property
    def prices(self) -> Mapping[str, Price]:
        """Return all prices."""
        return self.catalogue.prices

    def power(self, board: str) -> Power:
        """Return what is known of a board's power."""
        return self.catalogue.power.get(board, Power())

    def possible(self, kind: Kind) -> bool:
        """Tell whether a board can have such a wire. Ethernet comes by an adapter where there is no port."""
        board = self.catalogue.boards[kind.board]
        match kind.link:
            case Link.USB:
                return board.usb_gadget
            case Link.SERIAL:
                return bool(board.uarts)
            case Link.ETHERNET:
                return board.ethernet_mbit is not None or board.usb_host_ports > 0

    def of_each(self, kind: Kind) -> Counter[tuple[Share, str]]:
        """Return what every such worker needs for itself."""
        board, power = self.catalogue.boards[kind.board], self.power(kind.board)
        found = Counter({(Share.BOARDS, kind.board): 1, (Share.CARDS, self.parts.card): 1})
        fed = kind.link is Link.USB and power.feeds_from_usb
        if not fed and power.supply:
            found[Share.POWER, power.supply] += 1
        match kind.link:
            case Link.USB:
                found[Share.JOINING, self.parts.cord or power.gadget_cord or "usb-a-to-micro-b"] += 1
            case Link.SERIAL:
                found[Share.JOINING, JUMPERS] += 1
            case Link.ETHERNET:
                found[Share.JOINING, PATCH] += 1
                if board.ethernet_mbit is None:
                    found[Share.JOINING, ETHERNET_ADAPTER] += 1
                    found[Share.JOINING, OTG] += power.gadget_cord == "usb-a-to-micro-b"  # a micro-B socket
        return found

    def of_the_head(self, head: str) -> Counter[tuple[Share, str]]:
        """Return what the head needs for itself."""
        found = Counter({(Share.BOARDS, head): 1, (Share.CARDS, self.parts.card): 1})
        if supply := self.power(head).supply:
            found[Share.POWER, supply] += 1
        return found

    def shared(self, build: Build) -> Counter[tuple[Share, str]] | None:
        """Return what joins the workers to the head; None when nothing to be had does."""
        by_link = Counter[Link]()
        for kind, count in build.workers.items():
            by_link[kind.link] += count
        head = self.catalogue.boards[build.head]
        found: Counter[tuple[Share, str]] = Counter()
        adapters = max(0, by_link[Link.SERIAL] - _header_uarts(head))
        found[Share.JOINING, SERIAL_ADAPTER] += adapters
        if by_link[Link.ETHERNET]:
            found[Share.JOINING, ETHERNET_ADAPTER] += 1  # the head's own port is its uplink
            adapters += 1
            if by_link[Link.ETHERNET] > 1:
                switches = self._switches_for(by_link[Link.ETHERNET] + 1)
                if switches is None:
                    return None
                found.update((Share.JOINING, part) for part in switches.parts)
                found[Share.JOINING, PATCH] += 1
        hubs = self._hubs_of(build, by_link[Link.USB], adapters)
        if hubs is None or by_link[Link.USB] + adapters + len(hubs.parts) > USB_ADDRESSES:
            return None
        found.update((Share.JOINING, part) for part in hubs.parts)
        return +found

    def parts_of(self, build: Build) -> Counter[tuple[Share, str]] | None:
        """Return everything that a cluster takes; None when it cannot be put together."""
        found = self.shared(build)
        if found is None:
            return None
        found.update(self.of_the_head(build.head))
        for kind, count in build.workers.items():
            found.update({part: each * count for part, each in self.of_each(kind).items()})
        return found

    def bill(self, build: Build) -> Bill | None:
        """Return the whole bill; None when the cluster cannot be put together."""
        parts = self.parts_of(build)
        return None if parts is None else self.bill_of(parts)

    def bill_of(self, parts: Mapping[tuple[Share, str], int]) -> Bill:
        """Return the bill of parts."""
        basket = Basket(self.prices, self.owned)
        for (share, part), count in parts.items():
            basket.put(share, part, count)
        return basket.bill()

    def cents(self, parts: Mapping[tuple[Share, str], int]) -> int | None:
        """Return what parts cost together, bought anew; None when a price is missing."""
        total = 0
        for (_, part), count in parts.items():
            if count and part not in self.prices:
                return None
            total += count * price_cents(self.prices[part]) if count else 0
        return total

    @cached_property
    def owned_cents(self) -> int:
        """Return what the parts that the person has would cost."""
        return sum(price_cents(self.prices[part]) * count for part, count in self.owned.items())

    def worst_ma(self, board: str) -> int:
        """Return the current that a port must have ready for a board."""
        power = self.power(board)
        known = (power.max_ma, power.stress_ma, power.idle_ma)
        return next((figure for figure in known if figure is not None), UNKNOWN_MA)

    def _hubs_of(self, build: Build, usb_workers: int, adapters: int) -> Chosen | None:
        """Return the hubs that a build needs: none where the head's own ports have the room and the current."""
        head, power = self.catalogue.boards[build.head], self.power(build.head)
        fed = [(kind, count) for kind, count in build.workers.items() if kind.link is Link.USB and count]
        drawn = [
            (self.worst_ma(kind.board) if self.power(kind.board).feeds_from_usb else 0, count) for kind, count in fed
        ]
        most = max((ma for ma, _ in drawn), default=0)
        in_all = sum(ma * count for ma, count in drawn)
        plugs = usb_workers + adapters
        enough = (
            plugs <= head.usb_host_ports
            and most <= (power.usb_port_ma or UNKNOWN_MA)
            and (power.usb_total_ma is None or in_all <= power.usb_total_ma)
        )
        return self._hubs_for(0 if enough else plugs, head.usb_host_ports, most)

    def _hubs_for(self, plugs: int, roots: int, worst_ma: int) -> Chosen | None:
        key = plugs, roots, worst_ma
        if key not in self._hubs:
            known = self.catalogue.hubs.items()
            boxes = [
                Box(name, min(hub.ports, hub.supply_ma // worst_ma if worst_ma else hub.ports), cents)
                for name, hub in known
                if self.parts.hub in {"", name} and hub.supply_ma and hub.port_ma >= worst_ma
                for cents in self._price(name)
            ]
            self._hubs[key] = cheapest(boxes, plugs, roots=roots, joint=1)
        return self._hubs[key]

    def _switches_for(self, plugs: int) -> Chosen | None:
        if plugs not in self._switches:
            boxes = [
                Box(name, switch.ports, cents)
                for name, switch in self.catalogue.switches.items()
                if self.parts.switch in {"", name}
                for cents in self._price(name)
            ]
            self._switches[plugs] = cheapest(boxes, plugs, roots=1, joint=2)
        return self._switches[plugs]

    def _price(self, part: str) -> Iterable[int]:
        return [price_cents(self.prices[part])] if part in self.prices else []


def _header_uarts(board: Board) -> int:
    """Return how many serial lines a board's header carries at once; ports with the same pins exclude each other."""
    return len({uart.pins for uart in board.uarts if uart.pins})
