"""`pibramble cost`: the bill, what the alternatives would cost, and the best cluster for the money."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, NamedTuple

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.tables import show_table
from pibramble.errors import Exit, PibrambleError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from pibramble.advise.bill import Bill
    from pibramble.advise.budget import Found
    from pibramble.advise.build import Shop
    from pibramble.advise.cost import Way
    from pibramble.advise.power import Feeding
    from pibramble.catalog.sections import Catalogue
    from pibramble.spec.model import Link

_GOALS = ("cores", "gflops", "nodes")
_LINKS = ("usb", "serial", "ethernet")


def _complete_parts(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from pibramble.catalog.sections import Catalogue

    catalogue = Catalogue()
    known = dict.fromkeys((*catalogue.boards, *catalogue.prices))
    return [CompletionItem(name) for name in known if name.startswith(incomplete)]


class _Wish(NamedTuple):
    """What is to be had for the money."""

    cents: int
    goal: str
    links: tuple[str, ...]
    head: str | None

    @property
    def heads(self) -> tuple[str, ...]:
        return (self.head,) if self.head else ()

    @property
    def wires(self) -> tuple[Link, ...]:
        from pibramble.spec.model import Link

        return tuple(map(Link, self.links)) or tuple(Link)


@click.command("cost")
@click.option("--budget", type=click.FloatRange(min=0), metavar="MONEY", help="Find the best cluster for so much.")
@click.option("--by", "goal", type=click.Choice(_GOALS), default="nodes", show_default=True, help="What best means.")
@click.option("--link", "links", multiple=True, type=click.Choice(_LINKS), help="With --budget: only this wire.")
@click.option("--head", "head", metavar="BOARD", help="With --budget: only this board as head.")
@click.option(
    "--own",
    "owned",
    multiple=True,
    metavar="PART",
    shell_complete=_complete_parts,
    help="A part that you have (PART=5: five).",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def command(  # noqa: PLR0913 (one parameter an option)
    context: Context,
    *,
    budget: float | None,
    goal: str,
    links: tuple[str, ...],
    head: str | None,
    owned: tuple[str, ...],
    as_json: bool,
) -> int:
    """Show what the cluster costs, part by part, beside the other ways to as many nodes.

    With --budget no cluster file is needed: every cluster of like workers is tried. Each price names its month; `*`
    marks one that is an assumption. Put your own into [catalog.prices.NAME].
    """
    if budget is not None:
        if not math.isfinite(budget):
            raise UsageError(f"{budget} is no amount of money", hint="as --budget 60")
        wish = _Wish(round(budget * 100), goal, links, head)
        return _for_the_money(_shop(context, owned, head=head), wish, as_json=as_json)
    if links or head:
        raise UsageError(f"{'--link' if links else '--head'} goes with --budget")
    from pibramble.advise.cost import alternatives, as_planned
    from pibramble.advise.power import Feeding

    shop = _shop(context, owned, needed=True)
    feeding = Feeding(context.cluster_file.cluster, shop.catalogue)
    planned, others = as_planned(feeding, shop), alternatives(feeding, shop)
    assert planned.bill is not None  # noqa: S101 (for mypy: what is in the file is a way)
    if as_json:
        print_json(
            {"currency": shop.currency, "bill": _plain_bill(planned.bill), "ways": [*map(_plain, (planned, *others))]}
        )
        return Exit.OK
    _show_bill(planned.bill, shop, feeding)
    _show_ways((planned, *others), shop)
    _footnotes([way.bill for way in (planned, *others) if way.bill])
    return Exit.OK


def _shop(context: Context, owned: tuple[str, ...], *, needed: bool = False, head: str | None = None) -> Shop:
    """Open the shop: the catalogue with a person's own prices, the cluster file's too where there is one."""
    from pibramble.advise.build import Shop
    from pibramble.catalog.sections import Catalogue
    from pibramble.paths import config_folder
    from pibramble.spec.load import own_catalogue
    from pibramble.spec.model import PartsSection

    try:
        cluster = context.cluster_file.cluster
        added, parts = cluster.catalog, cluster.parts
    except PibrambleError:
        if needed or context.file is not None or _has_a_file():
            raise
        added, parts = own_catalogue(config_folder() / "catalog"), PartsSection()
    catalogue = Catalogue(added)
    return Shop(catalogue, parts, _counted(owned, catalogue), unpriced_head=head)


def _counted(owned: tuple[str, ...], catalogue: Catalogue) -> dict[str, int]:
    """Return how many of each part a person has: PART, or PART=NUMBER. Raises UsageError."""
    found: dict[str, int] = {}
    for word in owned:
        part, _, number = word.partition("=")
        known = {**catalogue.prices, **catalogue.boards}
        if part not in known:
            from pibramble.spec.findings import did_you_mean

            cure = did_you_mean(part, known, "as pi-1b, or microsd-8=5 for five of them")
            raise UsageError(f'the catalogue has no price for "{part}"', hint=cure)
        if number and not (number.isascii() and number.isdigit()):
            raise UsageError(f'"{number}" is no number of {part}', hint=f"as --own {part}=5")
        found[part] = found.get(part, 0) + int(number or 1)
    return found


def _has_a_file() -> bool:
    from pibramble.spec.load import VARIABLE, find

    if os.environ.get(VARIABLE):
        return True  # whether it is there or not, it is meant
    try:
        find(None)
    except PibrambleError:
        return False
    return True


def _for_the_money(shop: Shop, wish: _Wish, *, as_json: bool) -> int:
    from pibramble.advise.bill import money
    from pibramble.advise.budget import Goal, best

    if wish.head is not None and wish.head not in shop.catalogue.boards:
        from pibramble.spec.findings import did_you_mean

        known = shop.catalogue.boards
        raise UsageError(f'unknown board "{wish.head}"', hint=did_you_mean(wish.head, known, ", ".join(known)))
    cents, goal = wish.cents, wish.goal
    found = best(shop, cents, Goal(goal), heads=wish.heads, links=wish.wires)
    bill = shop.bill(found.build) if found else None
    if found is None or bill is None:
        raise PibrambleError(f"{money(cents, shop.currency)} buys no cluster", hint=_what_would_do(shop, wish))
    if as_json:
        [(kind, count)] = found.build.workers.items()
        plain = {"head": found.build.head, "board": kind.board, "link": kind.link, "nodes": count, goal: found.worth}
        print_json({"currency": shop.currency, **plain, "bill": _plain_bill(bill)})
        return Exit.OK
    click.secho(f"The most {_GOAL_WORDS[goal]} for {money(cents, shop.currency)}: {_words(found)}", bold=True)
    if goal != "nodes":
        click.echo(f"{found.worth:.4g} {_GOAL_WORDS[goal]}")
    click.echo()
    _show_bill(bill, shop, None)
    _footnotes([bill])
    return Exit.OK


def _what_would_do(shop: Shop, wish: _Wish) -> str:
    """Return the cheapest cluster that there is, and what a head that the person has already would change."""
    from pibramble.advise.bill import money
    from pibramble.advise.budget import Goal, best, smallest
    from pibramble.advise.build import Shop

    lines = []
    if least := smallest(shop, heads=wish.heads, links=wish.wires):
        lines.append(f"the cheapest is {_words(least)}: {money(least.cents, shop.currency)}")
    head = wish.head or _PC
    if not shop.owned.get(head):
        having = Shop(shop.catalogue, shop.parts, {**shop.owned, head: 1})
        if least := smallest(having, heads=(head,), links=wish.wires):
            would = f"with a {head} that you have as head, {_workers(least)} costs {money(least.cents, shop.currency)}"
            more = best(having, wish.cents, Goal(wish.goal), heads=(head,), links=wish.wires)
            buys = f", and {money(wish.cents, shop.currency)} buys {_workers(more)}" if more else ""
            lines.append(f"{would}{buys}: --own {head}")
    return "\n".join([*lines, "`--own PART` takes away whatever else you have"])


_PC = "pc"
_GOAL_WORDS = {"cores": "cores", "gflops": "GFLOPS", "nodes": "nodes"}


def _words(found: Found) -> str:
    return f"{_workers(found)}, and a {found.build.head} as head"


def _workers(found: Found) -> str:
    return ", ".join(f"{count} {kind.board} by {kind.link}" for kind, count in found.build.workers.items())


def _show_bill(bill: Bill, shop: Shop, feeding: Feeding | None) -> None:
    from pibramble.advise.bill import Share, money
    from pibramble.plan.describe import NO_VALUE

    rows = []
    for line in bill.lines:
        price = line.price
        mark = "" if price is None or price.verified else "*"
        each = f"{price.amount:,.2f}{mark}" if price else "unknown"
        if line.owned:
            each = f"{each}, have {line.owned}" if price else f"have {line.owned}"
        when = (price.date or "yours") if price else NO_VALUE
        rows.append(
            (str(line.count), line.part, shop.catalogue.title(line.part), each, f"{line.cents / 100:,.2f}", when)
        )
    show_table(("COUNT", "PART", "WHAT", "EACH", shop.currency, "PRICE OF"), rows, right=(0, 3, 4))
    shares = ", ".join(f"{share} {bill.of(share) / 100:,.2f}" for share in Share if bill.of(share))
    click.secho(f"\n{money(bill.cents, shop.currency)} in all: {shares}", bold=True)
    if bill.unpriced:
        click.echo(f"No price known, so not counted: {', '.join(bill.unpriced)}")
    if feeding and len(feeding.workers):
        click.echo()


def _show_ways(ways: tuple[Way, ...], shop: Shop) -> None:
    from pibramble.plan.describe import NO_VALUE

    def row(way: Way) -> tuple[str, ...]:
        if way.bill is None:
            return way.name, *[NO_VALUE] * 6
        speed = NO_VALUE if way.gflops is None else f"{way.gflops:.3g}{'~' if way.estimated else ''}"
        per = NO_VALUE if not way.gflops else f"{way.bill.cents / 100 / way.gflops:,.2f}"
        cells = (way.bill.cents, way.node_cents, way.joining_cents)
        return way.name, str(way.nodes), *(f"{cents / 100:,.2f}" for cents in cells), speed, per

    headings = ("WAY", "NODES", shop.currency, "A NODE", "TO JOIN IT", "GFLOPS", "A GFLOPS")
    show_table(headings, [*map(row, ways)], right=range(1, len(headings)))
    click.echo("A node: a worker with card, wire and its share of hubs, switches and supplies; the head left out.")
    for way in ways:
        if way.note:
            click.echo(f"{way.name}: {way.note}.")
    if missing := dict.fromkeys(board for way in ways for board in way.speedless):
        names = ", ".join(missing)
        click.echo(f"No GFLOPS where the speed of a board is not known: {names}. [catalog.speeds.NAME] says it.")
    if any(way.estimated for way in ways):
        click.echo("~ with a speed that was measured on another board with the same chip")
    if any(way.gflops for way in ways):
        click.echo(
            "GFLOPS: what High Performance Linpack gives on each board alone, added up; no wire gives all of it."
        )


def _footnotes(bills: list[Bill]) -> None:
    if any(bill.assumed for bill in bills):
        file = "[catalog.prices.NAME] in the cluster file or ~/.config/pibramble/catalog/prices.toml"
        click.secho(f"* an assumption: put your shop's price into {file}", dim=True)


def _plain_bill(bill: Bill) -> dict[str, object]:
    lines = [
        {
            "part": line.part,
            "count": line.count,
            "share": line.share.value,
            "each": line.price.amount if line.price else None,
            "date": line.price.date if line.price else None,
            "source": line.price.source if line.price else None,
            "verified": line.price.verified if line.price else None,
            "total": line.cents / 100,
        }
        for line in bill.lines
    ]
    return {"total": bill.cents / 100, "lines": lines, "unpriced": bill.unpriced}


def _plain(way: Way) -> dict[str, object]:
    if way.bill is None:
        nothing = ("total", "a_node", "to_join_it", "gflops", "gflops_estimated", "a_gflops")
        return {"way": way.name, "nodes": None, **dict.fromkeys(nothing), "note": way.note, "speedless": way.speedless}
    return {
        "way": way.name,
        "nodes": way.nodes,
        "total": way.bill.cents / 100,
        "a_node": round(way.node_cents / 100, 2),
        "to_join_it": round(way.joining_cents / 100, 2),
        "gflops": way.gflops,
        "gflops_estimated": way.estimated,
        "a_gflops": round(way.bill.cents / 100 / way.gflops, 2) if way.gflops else None,
        "note": way.note,
        "speedless": way.speedless,
    }
