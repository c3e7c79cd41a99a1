"""`pibramble swarm down`."""

from __future__ import annotations

import sys

import click

from pibramble.cli.context import Context
from pibramble.errors import Exit, UsageError


@click.command(short_help="End the services and the swarm, and leave the nodes clean.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(context: Context, *, yes: bool) -> int:
    """End all services and the swarm itself. What it left on the nodes goes; images and volumes stay.

    It asks before it ends services that run.
    """
    from pibramble.operate.swarm import gather

    plan = context.plan
    gather.containers_of(plan)
    running = gather.running(plan, context.connections)
    if running and not yes:
        said = "\n".join(f"  {service.name}: {service.running} tasks run" for service in running)
        click.echo(f"These services would end:\n{said}", err=True)
        if not sys.stdin.isatty():
            raise UsageError("services run, and nobody is there to be asked; nothing was ended", hint="--yes ends them")
        click.confirm(f"End them, and the swarm of {plan.name}?", abort=True, err=True)
    nodes = [node.name for node in plan.nodes]
    problems = gather.down(plan, context.connections, nodes, context.progress)
    for node, problem in problems.items():
        click.echo(f"pibramble: {node}: {problem}", err=True)
    click.echo(f"the swarm of {plan.name} is down", err=True)
    return Exit.UNREACHABLE if problems else Exit.OK
