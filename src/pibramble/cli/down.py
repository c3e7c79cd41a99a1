"""`pibramble down`: take the cluster down."""

from __future__ import annotations

import click

from pibramble.cli.context import Context
from pibramble.cli.options import target_option
from pibramble.cli.privilege import become_root_to_end


@click.command()
@target_option
@click.pass_obj
def command(context: Context) -> None:
    """Take the cluster down with all its processes, and clean up what a crash left. Keys and job records stay.

    Of real boards only the connections are closed: they stay on.
    """
    name, target = context.plan.name, context.target
    become_root_to_end(target)
    found = target.down(context.progress)
    if target.name == "hardware":
        said = f"the connections to {name} are closed" if found else f"no connection to {name} was open"
        click.echo(f"{said}; its boards stay on", err=True)
        click.echo("  before the power goes: pibramble exec -w @all -- sudo poweroff", err=True)
    else:
        click.echo(f"{name} is down" if found else f"{name} was not up", err=True)
