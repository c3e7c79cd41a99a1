"""`pibramble swarm`: Docker Swarm across the bramble."""

from __future__ import annotations

import click

from pibramble.cli.main import LazyGroup, Verb
from pibramble.cli.options import target_option

SWARM_VERBS = {
    "up": Verb("swarm.up", "Make the head the manager, and join the workers.", "Swarm"),
    "status": Verb("swarm.status", "Say how engines, nodes and services are.", "Swarm"),
    "down": Verb("swarm.down", "End the services and the swarm, and leave the nodes clean.", "Swarm"),
    "image": Verb("swarm.image", "Bring images to the nodes, or to the head's registry.", "Services"),
    "deploy": Verb("swarm.deploy", "Start a stack, or bring it to what its file says now.", "Services"),
    "scale": Verb("swarm.scale", "Set how many tasks a service has.", "Services"),
    "logs": Verb("swarm.logs", "Show what a service's tasks say.", "Services"),
}


class SwarmGroup(LazyGroup):
    """The verbs of `pibramble swarm`."""

    verbs = SWARM_VERBS


@click.command(cls=SwarmGroup)
@target_option
def command() -> None:
    """Run containers on the bramble with Docker Swarm, Docker's own scheduler.

    It needs `[containers] engine = "docker-swarm"` in the cluster file, and the cluster up.
    """
