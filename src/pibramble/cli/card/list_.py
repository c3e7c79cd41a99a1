"""`pibramble card list`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from pibramble.cli.card.common import megabytes, store
from pibramble.cli.context import Context, print_json
from pibramble.cli.tables import show_table

if TYPE_CHECKING:
    from pibramble.cards.store import Stored

_STEPS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def command(context: Context, *, as_json: bool) -> None:
    """List the cards, and whether they are as planned.

    SIZE is how large an SD card must be at least, STORED what the card takes here beyond the base that it shares.
    """
    found = store(context).stored(context.plan, context.keyring)
    if as_json:
        print_json(found)
        return
    headings = ("NODE", "BOARD", "STATE", "SIZE", "STORED", "AGE", "BASE")
    show_table(headings, [_row(context, stored, time.time()) for stored in found])


def _row(context: Context, stored: Stored, now_s: float) -> tuple[str, ...]:
    head = stored.head
    if head is None:
        boards = {node.name: node.board.name for node in context.plan.nodes}
        size = megabytes(stored.stored_bytes) if stored.stored_bytes else "-"
        return stored.node, boards.get(stored.node, "-"), stored.worth, "-", size, "-", "-"
    age = _age(now_s - head.made_s)
    return (
        *(stored.node, head.board, stored.worth, megabytes(head.size_bytes)),
        *(megabytes(stored.stored_bytes), age, head.base),
    )


def _age(seconds: float) -> str:
    return next((f"{seconds // step:.0f} {unit}" for step, unit in _STEPS if seconds >= step), "0 s")
