"""`pibramble down`: take the cluster down."""

from __future__ import annotations

import click

from pibramble.cli.context import Context
from pibramble.cli.privilege import become_root_to_end


@click.command()
@click.pass_obj
def command(context: Context) -> None:
    """Take the cluster down with all its processes, and clean up what a crash left. Keys and job records stay."""
    become_root_to_end(context)
    found = context.target.down(context.progress)
    click.echo(f"{context.plan.name} is down" if found else f"{context.plan.name} was not up", err=True)
