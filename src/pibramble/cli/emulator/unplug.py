"""`pibramble emulator unplug`."""

from __future__ import annotations

import click

from pibramble.cli.context import Context
from pibramble.cli.emulator.common import emulator, known_line, known_node


@click.command()
@click.argument("node")
@click.option("--link", "only_link", is_flag=True, help="Cut its serial link only; the board goes on.")
@click.pass_obj
def command(context: Context, node: str, *, only_link: bool) -> None:
    """Pull NODE's power, in the middle of whatever it does. `pibramble emulator plug` gives it back."""
    state = emulator(context).running()
    if only_link:
        state.ask("cut", known_line(context, node))
    else:
        state.ask("stop", known_node(context, node))
    click.echo(f"the link of {node} is cut" if only_link else f"{node} has no power", err=True)
