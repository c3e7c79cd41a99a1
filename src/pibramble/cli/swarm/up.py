"""`pibramble swarm up`."""

from __future__ import annotations

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.options import excluded_option, joined, wanted_option
from pibramble.operate.nodeset import fold


@click.command(short_help="Make the head the manager, and join the workers.")
@wanted_option
@excluded_option
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@click.pass_obj
def command(context: Context, wanted: tuple[str, ...], excluded: tuple[str, ...], *, as_json: bool) -> None:
    """Make the head the swarm's manager, and the workers (or those of -w) its workers.

    What is so already stays. A board that got a new card takes the place of its older self. Every node gets labels that
    a stack's placement may ask for: role, board, architecture, cores, memory_mb, link and hub.
    """
    from pibramble.operate.nodeset import select
    from pibramble.operate.swarm import gather

    plan = context.plan
    gather.containers_of(plan)
    nodes = select(plan, joined(wanted), joined(excluded))
    done = gather.up(plan, context.connections, nodes, context.progress)
    if as_json:
        print_json(done)
        return
    for remark in done.remarks:
        click.echo(f"pibramble: {remark.node}: {remark.problem}\n  {remark.cure}", err=True)
    said = [f"{plan.head.name} is the manager"] if done.made else []
    said += [f"{fold(done.joined)} joined"] if done.joined else []
    said += [f"older ids of {fold(done.replaced)} are gone"] if done.replaced else []
    said += ["labels are set"] if done.labelled else []
    click.echo(f"the swarm of {plan.name}: {'; '.join(said) or 'all is as it should be'}", err=True)
