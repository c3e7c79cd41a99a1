"""What the verbs of `pibramble swarm` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context
from pibramble.cli.tables import show_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pibramble.operate.swarm.manager import Manager, Service, Task


def manager(context: Context) -> Manager:
    """Return the manager of this cluster's swarm. Raises MissingError where the cluster file wants none."""
    from pibramble.operate.swarm.gather import containers_of
    from pibramble.operate.swarm.manager import Manager

    containers_of(context.plan)
    return Manager(context.connections, context.plan.head.name)


def show_services(services: Sequence[Service], tasks: Sequence[Task] = ()) -> None:
    """Print the services, and why tasks do not run that should."""
    header = ["SERVICE", "TASKS", "MODE", "IMAGE", "PORTS"]
    rows = [[s.name, f"{s.running}/{s.wanted}", s.mode, s.image, s.ports or "-"] for s in services]
    show_table(header, rows)
    for task in tasks:
        if task.error or not task.state.startswith("Running"):
            said = task.error.strip('"') or task.state
            click.echo(f"pibramble: {task.name} on {task.node or 'no node'}: {said}", err=True)
