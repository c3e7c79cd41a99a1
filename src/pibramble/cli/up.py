"""`pibramble up`: bring the cluster up."""

from __future__ import annotations

import click

from pibramble.cli.context import Context
from pibramble.cli.privilege import become_root_for_lab


@click.command()
@click.option(
    "--connect/--no-connect",
    default=True,
    help="Open the connections now, or leave each to the first command that needs it. [default: now]",
)
@click.pass_obj
def command(context: Context, *, connect: bool) -> None:
    """Bring the cluster up: all of it, or nothing. What is up already stays as it is.

    The target is the lab: every node a set of namespaces on this machine, with its own sshd, every wire shaped to what
    the real one carries. Needs root (sudo asks) where the kernel does not grant user namespaces.
    """
    plan = context.plan
    become_root_for_lab(context)
    context.target.up(plan, context.keyring, context.progress, connect=connect)
    workers = f"{len(plan.workers)} worker" + ("s" if len(plan.workers) != 1 else "")
    click.echo(f"{plan.name} is up: {plan.head.name} and {workers}", err=True)
    click.echo("  pibramble status | exec -- hostname | run PROGRAM.c | down", err=True)
