"""`pibramble emulator plug`."""

from __future__ import annotations

import click

from pibramble.cli.context import Context
from pibramble.cli.emulator.common import emulator, known_node


@click.command()
@click.argument("node")
@click.option("--link", "only_link", is_flag=True, help="Join its serial link.")
@click.pass_obj
def command(context: Context, node: str, *, only_link: bool) -> None:
    """Give NODE power again: it boots from where its disk stands. `pibramble up` does so for all, and waits."""
    state = emulator(context).running()
    state.ask("join" if only_link else "start", known_node(context, node))
    click.echo(f"the link of {node} is whole" if only_link else f"{node} boots", err=True)
