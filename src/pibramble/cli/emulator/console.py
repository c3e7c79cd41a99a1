"""`pibramble emulator console`."""

from __future__ import annotations

import click

from pibramble.cli.context import Context
from pibramble.cli.emulator.common import emulator, known_node
from pibramble.errors import NotUpError


@click.command()
@click.argument("node")
@click.option("-n", "--lines", default=40, show_default=True, help="How many of its last lines.")
@click.pass_obj
def command(context: Context, node: str, lines: int) -> None:
    """Show the last lines that NODE's console has said, also after it has ended.

    The whole log and the socket where one may type are named on standard error.
    """
    from pibramble.targets.emulator.stages import readable

    target = emulator(context)
    places = target.places(known_node(context, node))
    if not places.log.exists():
        raise NotUpError(f"{node} has never been emulated", hint="`pibramble up --target emulator` boots it")
    click.echo(readable(places.log.read_text(encoding="utf-8", errors="replace"), lines))
    click.echo(f"log     {places.log}", err=True)
    if places.console.exists():
        click.echo(f"socket  {places.console}", err=True)
