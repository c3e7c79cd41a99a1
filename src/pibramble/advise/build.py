"""What has to be bought for a head and so many workers, when nobody has said which hubs, supplies and cables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

import attrs

from pibramble.advise.beside import NOTHING_BESIDE, Beside
from pibramble.advise.bill import Basket, Bill, Share, currency_of, price_cents
from pibramble.advise.fit import Box, Chosen, cheapest
from pibramble.catalog.model import Board
from pibramble.catalog.parts import Hub, Power, Price
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
    own_supply: bool = False  # where a USB cable could feed it, it does not


@attrs.frozen
class Build:
    """A head and its workers, by kind, and what else hangs on the head."""

    head: str
    workers: Mapping[Kind, int]
    beside: Beside = NOTHING_BESIDE
    uplink_by_air: bool = False  # a head without an Ethernet port needs no adapter then
    serial_adapters: int | None = None  # None: as many as the head's header leaves over

    @property
    def nodes(self) -> int:
        """Return how many workers there are."""
        return sum(self.workers.values())

    def on(self, link: Link) -> int:
        """Return how many workers have such a wire."""
        return sum(count for kind, count in self.workers.items() if kind.link is link)


class Shop:
    """The catalogue with its prices, seen by who buys; what is asked for often is worked out once."""

    def __init__(
        self,
        catalogue: Catalogue,
        parts: PartsSection,
        owned: Mapping[str, int] | None = None,
        unpriced_head: str | None = None,
    ) -> None:
        """Open it, with the choice of parts that the cluster file makes, and what the person has already.

        `unpriced_head`: a board that the person wants as head though nobody knows its price; it is not counted.
        """
        self.unpriced_head = unpriced_head
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

    def with_card(self, board: str) -> Counter[tuple[Share, str]]:
        """Return a board and its card. A PC has a disk."""
        found = Counter({(Share.BOARDS, board): 1})
        if self.catalogue.boards[board].firmware:
            found[Share.CARDS, self.parts.card] += 1
        return found

    def of_each(self, kind: Kind) -> Counter[tuple[Share, str]]:
        """Return what every such worker needs for itself."""
        board, power = self.catalogue.boards[kind.board], self.power(kind.board)
        found = self.with_card(kind.board)
        if not self.fed(kind) and power.supply:
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
                    found[Share.JOINING, OTG] += self._needs_otg(kind.board)
        return found

    def fed(self, kind: Kind) -> bool:
        """Tell whether a worker's USB cable is all that feeds it."""
        return kind.link is Link.USB and not kind.own_supply and self.power(kind.board).feeds_from_usb

    def too_hungry(self, board: str) -> bool:
        """Tell whether a board needs more than a port of any hub with a supply gives."""
        ports = [hub.port_ma for _, hub in self._hubs_on_sale()]
        return self.power(board).feeds_from_usb and self.worst_ma(board) > max(ports, default=UNKNOWN_MA)

    def of_the_head(self, head: str) -> Counter[tuple[Share, str]]:
        """Return what a head needs to run at all."""
        found = self.with_card(head)
        if supply := self.power(head).supply:
            found[Share.POWER, supply] += 1
        return found

    def head_of(self, build: Build) -> Counter[tuple[Share, str]]:
        """Return what a build's head needs: for itself, for its uplink, and for what hangs on it besides workers."""
        found = self.of_the_head(build.head)
        found[Share.JOINING, ETHERNET_ADAPTER] += self._uplink_adapters(build)
        found[Share.JOINING, OTG] += self._needs_otg(build.head) and self._plugs(build) > 0
        found.update({(Share.BESIDE, part): count for part, count in build.beside.parts.items()})
        return +found

    def _uplink_adapters(self, build: Build) -> int:
        return self.catalogue.boards[build.head].ethernet_mbit is None and not build.uplink_by_air

    def _needs_otg(self, board: str) -> bool:
        """Tell whether a board's one USB port is a micro-B socket, into which no A plug goes."""
        return self.power(board).gadget_cord == "usb-a-to-micro-b"

    def _serial_adapters(self, build: Build) -> int:
        if build.serial_adapters is not None:
            return build.serial_adapters
        return max(0, build.on(Link.SERIAL) - _header_uarts(self.catalogue.boards[build.head]))

    def _adapters(self, build: Build) -> int:
        """Return how many adapters and receivers sit in the head's USB ports."""
        ethernet = build.on(Link.ETHERNET) > 0  # the head's own port is its uplink
        return self._serial_adapters(build) + ethernet + self._uplink_adapters(build) + build.beside.plugs

    def _plugs(self, build: Build) -> int:
        return build.on(Link.USB) + self._adapters(build)

    def shared(self, build: Build) -> Counter[tuple[Share, str]] | None:
        """Return what joins the workers to the head; None when nothing to be had does."""
        found: Counter[tuple[Share, str]] = Counter()
        found[Share.JOINING, SERIAL_ADAPTER] += self._serial_adapters(build)
        if ethernet := build.on(Link.ETHERNET):
            found[Share.JOINING, ETHERNET_ADAPTER] += 1
            if ethernet > 1:
                switches = self._switches_for(ethernet + 1)
                if switches is None:
                    return None
                found.update((Share.JOINING, part) for part in switches.parts)
                found[Share.JOINING, PATCH] += 1
        hubs = self._hubs_of(build)
        if hubs is None or self._plugs(build) + len(hubs.parts) > USB_ADDRESSES:
            return None
        found.update((Share.JOINING, part) for part in hubs.parts)
        return +found

    def parts_of(self, build: Build) -> Counter[tuple[Share, str]] | None:
        """Return everything that a cluster takes; None when it cannot be put together."""
        found = self.shared(build)
        if found is None:
            return None
        found.update(self.head_of(build))
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
        """Return what parts cost together, bought anew; None when a price is missing of what must be bought."""
        missing = (part for (_, part), count in parts.items() if count > self.owned.get(part, 0))
        if any(part not in self.prices and part != self.unpriced_head for part in missing):
            return None
        return self.known_cents(parts)

    def known_cents(self, parts: Mapping[tuple[Share, str], int]) -> int:
        """Return what parts cost together, bought anew, as far as prices are known."""
        return sum(count * price_cents(self.prices[part]) for (_, part), count in parts.items() if part in self.prices)

    @cached_property
    def owned_cents(self) -> int:
        """Return what the parts that the person has would cost."""
        return sum(price_cents(self.prices[part]) * count for part, count in self.owned.items() if part in self.prices)

    def worst_ma(self, board: str) -> int:
        """Return the current that a port must have ready for a board."""
        power = self.power(board)
        known = (power.max_ma, power.stress_ma, power.idle_ma)
        return next((figure for figure in known if figure is not None), UNKNOWN_MA)

    def _hubs_of(self, build: Build) -> Chosen | None:
        """Return the hubs that a build needs: none where the head's own ports have the room and the current."""
        head, power = self.catalogue.boards[build.head], self.power(build.head)
        drawn = [(self.worst_ma(kind.board), count) for kind, count in build.workers.items() if self.fed(kind)]
        most = max((ma for ma, _ in drawn), default=0)
        in_all = sum(ma * count for ma, count in drawn)
        plugs = self._plugs(build)
        enough = (
            plugs <= head.usb_host_ports
            and most <= (power.usb_port_ma or UNKNOWN_MA)
            and (power.usb_total_ma is None or in_all <= power.usb_total_ma)
        )
        return self._hubs_for(0 if enough else plugs, head.usb_host_ports, most)

    def _hubs_for(self, plugs: int, roots: int, worst_ma: int) -> Chosen | None:
        key = plugs, roots, worst_ma
        if key not in self._hubs:
            boxes = [
                Box(name, min(hub.ports, (hub.supply_ma or 0) // worst_ma if worst_ma else hub.ports), cents)
                for name, hub in self._hubs_on_sale()
                if hub.port_ma >= worst_ma
                for cents in self._price(name)
            ]
            self._hubs[key] = cheapest(boxes, plugs, roots=roots, joint=1)
        return self._hubs[key]

    def _hubs_on_sale(self) -> list[tuple[str, Hub]]:
        """Return the hubs with a supply, or the one that the cluster file wants."""
        hubs = self.catalogue.hubs.items()
        return [(name, hub) for name, hub in hubs if self.parts.hub in {"", name} and hub.supply_ma]

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
