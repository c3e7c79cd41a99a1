"""`pibramble swarm image`."""

from __future__ import annotations

from pathlib import Path

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.options import complete_node, ending_signals_interrupt, excluded_option, joined, wanted_option
from pibramble.cli.tables import show_table
from pibramble.errors import Exit


@click.group()
def command() -> None:
    """Bring images to the nodes, without a registry."""


@command.command(
    epilog="Examples: pibramble swarm image push web:1 -w @all; pibramble swarm image push web:1 --from head; "
    "pibramble swarm image push web.tar"
)
@wanted_option
@excluded_option
@click.option("--from", "source", metavar="NODE", shell_complete=complete_node,
              help="Read the image from this node. [default: from this machine's docker, or a file]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what was sent as JSON.")
@click.argument("name", metavar="NAME[:TAG]|FILE")
@click.pass_obj
def push(  # noqa: PLR0913 (each is an option)
    context: Context,
    wanted: tuple[str, ...],
    excluded: tuple[str, ...],
    source: str | None,
    name: str,
    *,
    as_json: bool,
) -> int:
    """Bring the image NAME, or the one in a file that `docker save` wrote, to the workers, or to the nodes of -w.

    Only the layers that a node lacks are sent. An image for another kind of processor is refused before anything is.
    """
    from pibramble.operate.nodeset import select
    from pibramble.operate.swarm import archive, gather
    from pibramble.operate.swarm import push as pushing

    gather.containers_of(context.plan)
    nodes = select(context.plan, joined(wanted), joined(excluded))
    if source is not None:
        [source] = select(context.plan, source, None)
        nodes = tuple(node for node in nodes if node != source)
    with ending_signals_interrupt(), pushing.scratch() as folder:
        saved = pushing.save(context.connections, name, source, Path(folder), context.progress)
        pushed = pushing.push(context.connections, archive.read(saved), nodes, context.progress)
    if as_json:
        print_json(pushed)
    else:
        rows = [
            [p.node, str(p.layers), f"{p.sent_bytes / 1e6:.1f}", "not there" if p.problem else "there"] for p in pushed
        ]
        show_table(["NODE", "LAYERS SENT", "MB SENT", "IMAGE"], rows)
        for one in pushed:
            if one.problem:
                click.echo(f"pibramble: {one.node}: {one.problem}", err=True)
    return Exit.FAILED if any(one.problem for one in pushed) else Exit.OK
