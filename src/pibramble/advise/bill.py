"""A bill of materials: its lines, its sums, and what in them nobody vouches for. Money is counted in hundredths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property

import attrs

from pibramble.catalog.parts import Price
from pibramble.errors import Exit, PibrambleError


class Share(StrEnum):
    """What a part is for."""

    BOARDS = "boards"
    CARDS = "memory cards"
    POWER = "supplies"
    JOINING = "what joins them"  # cables, hubs, adapters, switches, bridges
    BESIDE = "receivers and consoles"


@attrs.frozen
class Line:
    """So many of one part."""

    part: str  # catalogue name
    count: int
    share: Share
    price: Price | None  # None: nobody knows
    owned: int = 0  # of which the person has so many

    @property
    def cents(self) -> int:
        """Return what the line costs; nothing where no price is known."""
        return (self.count - self.owned) * price_cents(self.price) if self.price else 0


def price_cents(price: Price) -> int:
    """Return a price in hundredths of its currency."""
    return round(price.amount * 100)


@attrs.frozen(slots=False)  # cached_property needs a __dict__
class Bill:
    """Everything to buy."""

    lines: tuple[Line, ...]

    @cached_property
    def cents(self) -> int:
        """Return the sum."""
        return sum(line.cents for line in self.lines)

    @property
    def new_cents(self) -> int:
        """Return the sum as if all had to be bought."""
        return sum(line.count * price_cents(line.price) for line in self.lines if line.price)

    def of(self, share: Share) -> int:
        """Return what one share of it costs, in hundredths."""
        return sum(line.cents for line in self.lines if line.share is share)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Return the parts that are to be bought and whose price nobody knows."""
        return tuple(line.part for line in self.lines if line.price is None and line.count > line.owned)

    @property
    def assumed(self) -> tuple[str, ...]:
        """Return the parts whose price is an assumption."""
        return tuple(line.part for line in self.lines if line.price and not line.price.verified)

    @property
    def currency(self) -> str:
        """Return the currency of the sum. Raises PibrambleError when there are two."""
        return currency_of(line.price for line in self.lines if line.price and line.price.amount)


def currency_of(prices: Iterable[Price]) -> str:
    """Return the one currency of several prices. Raises PibrambleError when there are two."""
    found = sorted({price.currency for price in prices})
    if len(found) > 1:
        message = f"prices in {' and '.join(found)} cannot be added up"
        hint = f'give all of them in one, as in\n[catalog.prices.pi-zero]\namount = 10.00\ncurrency = "{found[0]}"'
        raise PibrambleError(message, hint=hint, exit_code=Exit.WRONG)
    return found[0] if found else "USD"


@attrs.define
class Basket:
    """A bill in the making."""

    prices: Mapping[str, Price]
    owned: Mapping[str, int]
    counts: dict[tuple[Share, str], int] = attrs.field(factory=dict)

    def put(self, share: Share, part: str, count: int = 1) -> None:
        """Add parts."""
        if count:
            self.counts[share, part] = self.counts.get((share, part), 0) + count

    def bill(self) -> Bill:
        """Return the bill, by shares in their order, then as the parts were put in."""
        order = list(Share)
        lines, left = [], dict(self.owned)
        for (share, part), count in sorted(self.counts.items(), key=lambda entry: order.index(entry[0][0])):
            had = min(count, left.get(part, 0))
            left[part] = left.get(part, 0) - had
            lines.append(Line(part, count, share, self.prices.get(part), had))
        return Bill(tuple(lines))


def money(cents: float, currency: str) -> str:
    """Return an amount as people write it."""
    return f"{cents / 100:,.2f} {currency}"
