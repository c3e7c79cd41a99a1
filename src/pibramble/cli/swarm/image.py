"""`pibramble swarm image`."""

from __future__ import annotations

from pathlib import Path

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.options import complete_node, ending_signals_interrupt, excluded_option, joined, wanted_option
from pibramble.cli.tables import show_table
from pibramble.errors import Exit
from pibramble.operate.nodeset import fold


@click.group()
def command() -> None:
    """Bring images to the nodes, or to the head's registry."""


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

    With `[containers] registry = true` it comes to the head's registry, from which nodes take it when a task needs it;
    -w still brings it to these nodes themselves.
    """
    from pibramble.operate.nodeset import select
    from pibramble.operate.swarm import gather

    containers = gather.containers_of(context.plan)
    if source is not None:
        [source] = select(context.plan, source, None)
    if containers.registry and not wanted and not excluded:
        return _publish(context, name, source, as_json=as_json)
    nodes = select(context.plan, joined(wanted), joined(excluded))
    return _push(context, name, source, tuple(node for node in nodes if node != source), as_json=as_json)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@click.pass_obj
def list_(context: Context, *, as_json: bool) -> int:
    """List what is in the head's registry. Layers that images share are counted with each."""
    from pibramble.operate.swarm import registry
    from pibramble.operate.swarm.health import told

    found = registry.look(context.plan, context.connections)
    if as_json:
        print_json(found)
    else:
        show_table(["IMAGE", "MB", "DIGEST"], [[kept.name, _mb(kept.size_bytes), kept.digest] for kept in found.images])
        left = "" if found.disk_free_mb is None else f", {found.disk_free_mb:,} MB are left"
        click.echo(f"{found.address}: {_mb(found.used_bytes)} MB in all{left}")
    complaints = registry.judge(context.plan, found)
    for line in told(complaints):
        click.echo(f"pibramble: {line}", err=True)
    return Exit.FAILED if complaints else Exit.OK


@command.command(epilog="Example: pibramble swarm image remove web:1 web:2")
@click.argument("names", nargs=-1, required=True, metavar="NAME[:TAG]...")
@click.pass_obj
def remove(context: Context, names: tuple[str, ...]) -> int:
    """Take images out of the head's registry, with the layers that no other image has.

    What nodes have taken already stays there.
    """
    from pibramble.operate.swarm import registry

    before = registry.look(context.plan, context.connections)
    registry.check(context.plan, before)
    with ending_signals_interrupt(), context.progress.step("Removing", len(names), "images"):
        registry.remove(context.plan, context.connections, names)
    after = registry.look(context.plan, context.connections)
    freed = _mb(max(0, before.used_bytes - after.used_bytes))
    click.echo(f"{freed} MB freed; {len(after.images)} images are left in {after.address}", err=True)
    return Exit.OK


def _publish(context: Context, name: str, source: str | None, *, as_json: bool) -> int:
    from pibramble.operate.swarm.publish import publish

    with ending_signals_interrupt():
        published = publish(context.plan, context.connections, name, source, context.progress)
    if as_json:
        print_json(published)
        return Exit.OK
    rows = [[one.name, _mb(one.size_bytes), _mb(one.new_bytes), one.digest] for one in published]
    show_table(["IMAGE", "MB", "MB NEW", "DIGEST"], rows)
    if unfit := published[0].cannot_run:
        cure = "in its stack: constraints: [node.labels.architecture == ...]"
        click.echo(f"pibramble: {fold(unfit)} cannot run it\n  {cure}", err=True)
    return Exit.OK


def _push(context: Context, name: str, source: str | None, nodes: tuple[str, ...], *, as_json: bool) -> int:
    from pibramble.operate.swarm import archive
    from pibramble.operate.swarm import push as pushing

    with ending_signals_interrupt(), pushing.scratch() as folder:
        saved = pushing.save(context.connections, name, source, Path(folder), context.progress)
        pushed = pushing.push(context.connections, archive.read(saved), nodes, context.progress)
    if as_json:
        print_json(pushed)
    else:
        rows = [[p.node, str(p.layers), _mb(p.sent_bytes), "not there" if p.problem else "there"] for p in pushed]
        show_table(["NODE", "LAYERS SENT", "MB SENT", "IMAGE"], rows)
        for one in pushed:
            if one.problem:
                click.echo(f"pibramble: {one.node}: {one.problem}", err=True)
    return Exit.FAILED if any(one.problem for one in pushed) else Exit.OK


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f}"
