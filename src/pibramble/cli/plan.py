"""`pibramble plan`: every name, address, MAC, port and route."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.tables import show_table

if TYPE_CHECKING:
    from pibramble.plan.describe import Description, Table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the whole plan as JSON.")
@click.pass_obj
def command(context: Context, *, as_json: bool) -> None:
    """Show every name, address, MAC, port and route of the cluster.

    Piped, each table has one line a node, with the same columns always.
    """
    if as_json:
        print_json(context.plan)
        return
    from pibramble.plan.describe import describe

    description = describe(context.plan)
    click.secho(description.title, bold=True)
    width = max(len(what) for what, _ in description.facts)
    for what, how in description.facts:
        click.echo(f"  {what:{width}}  {how}")
    for table in _tables(description):
        click.echo()
        show_table(table.headings, table.rows)
    if description.footnote:
        click.secho(f"\n{description.footnote}", dim=True)


def _tables(description: Description) -> list[Table]:
    """Return one wide table where the terminal has room for it, else two that fit 80 columns."""
    from shutil import get_terminal_size

    from pibramble.plan.describe import Table

    nodes, wires = description.nodes, description.wires
    rows = tuple(node + wire[1:] for node, wire in zip(nodes.rows, wires.rows, strict=True))
    both = Table(nodes.headings + wires.headings[1:], rows)
    room = get_terminal_size().columns if sys.stdout.isatty() else 80
    return [both] if max(map(len, both.lines())) <= room else [nodes, wires]
