"""`pibramble swarm status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.options import excluded_option, joined, wanted_option
from pibramble.cli.swarm.common import show_services
from pibramble.cli.tables import show_table
from pibramble.errors import Exit

if TYPE_CHECKING:
    from pibramble.operate.swarm.look import NodeLook, SwarmStatus


@click.command(short_help="Say how engines, nodes and services are.")
@wanted_option
@excluded_option
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@click.pass_obj
def command(context: Context, wanted: tuple[str, ...], excluded: tuple[str, ...], *, as_json: bool) -> int:
    """Ask all nodes, or those of -w, how their engines are, and the manager what it knows.

    The exit code is 0 when all is well, 1 when something is wrong, 4 when there is no swarm, 5 when a node cannot be
    reached.
    """
    from pibramble.operate.nodeset import select
    from pibramble.operate.swarm import gather, look

    plan = context.plan
    gather.containers_of(plan)
    nodes = select(plan, joined(wanted) or "@all", joined(excluded))
    found = look.look(plan, context.connections, nodes)
    if as_json:
        print_json(found)
    else:
        _show(found)
    if any(not node.engine.reachable for node in found.nodes):
        return Exit.UNREACHABLE
    if not found.up:
        return Exit.NOT_UP
    return Exit.OK if found.healthy else Exit.FAILED


def _show(found: SwarmStatus) -> None:
    from pibramble.operate.swarm.health import told

    headings = ["NODE", "DOCKER", "MACHINE", "DISK LEFT", "CONTAINERS", "SWARM", "LABELS"]
    show_table(headings, [_row(node) for node in found.nodes])
    if found.services:
        click.echo()
        show_services(found.services, found.tasks)
    if found.registry and found.registry.answers:
        kept = found.registry
        left = "" if kept.disk_free_mb is None else f", {kept.disk_free_mb:,} MB left"
        click.echo(f"\nregistry {kept.address}: {len(kept.images)} images, {kept.used_bytes / 1e6:.1f} MB{left}")
    for line in told(found.complaints):
        click.echo(f"pibramble: {line}", err=True)
    if not found.up:
        click.echo("pibramble: there is no swarm; `pibramble swarm up` makes one", err=True)


def _row(node: NodeLook) -> list[str]:
    engine = node.engine
    disk = "-" if engine.disk_free_mb is None else f"{engine.disk_free_mb:,} MB"
    running = str(engine.containers_running) if engine.version else "-"
    labels = " ".join(f"{key}={value}" for key, value in node.labels.items())
    return [engine.node, engine.version or "-", engine.machine or "-", disk, running, node.place, labels or "-"]
