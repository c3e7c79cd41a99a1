"""`pibramble emulator plug`."""

from __future__ import annotations

import click

from pibramble.cli.context import Context
from pibramble.cli.emulator.common import emulator, known_line, known_node


@click.command()
@click.argument("node")
@click.option("--link", "only_link", is_flag=True, help="Join its serial link.")
@click.pass_obj
def command(context: Context, node: str, *, only_link: bool) -> None:
    """Give NODE power again: it boots from where its disk stands. `pibramble up` does so for all, and waits."""
    state = emulator(context).running()
    if only_link:
        state.ask("join", known_line(context, node))
    else:
        state.ask("start", known_node(context, node))
    click.echo(f"the link of {node} is whole" if only_link else f"{node} boots", err=True)
