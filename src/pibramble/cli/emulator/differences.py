"""`pibramble emulator differences`."""

from __future__ import annotations

import click

from pibramble.cli.context import print_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(*, as_json: bool) -> None:
    """List what the emulator adds to a card's boot, and what it cannot do."""
    from pibramble.targets.emulator.differences import DIFFERENCES

    if as_json:
        print_json(DIFFERENCES)
        return
    for difference in DIFFERENCES:
        click.secho(difference.subject, bold=True)
        click.echo(f"  on the board  {difference.board}")
        click.echo(f"  emulated      {difference.emulator}")
