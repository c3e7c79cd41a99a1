"""`pibramble swarm deploy`."""

from __future__ import annotations

from pathlib import Path

import click

from pibramble.cli.context import Context
from pibramble.cli.swarm.common import manager, show_services
from pibramble.errors import Exit


@click.command(
    short_help="Start a stack, or bring it to what its file says now.",
    epilog="Example: pibramble swarm image push web:1 -w @all; pibramble swarm deploy web.yml",
)
@click.option("-n", "--name", metavar="STACK", help="The stack's name. [default: the file's]")
@click.option("--wait", "wait_s", type=click.FloatRange(min=0), default=60, metavar="SECONDS", show_default=True,
              help="How long to wait until all tasks run.")  # fmt: skip
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="STACK.yml")
@click.pass_obj
def command(context: Context, name: str | None, wait_s: float, file: Path) -> int:
    """Give STACK.yml, a Compose file, to the manager, and wait until as many tasks run as it wants.

    Images are taken as they are on the nodes: `pibramble swarm image push` brings them there. Where the head has a
    registry, nodes take them from it. Services that the file no longer has are ended. The exit code is 1 when tasks do
    not run.
    """
    from pibramble.operate.swarm import stack

    called = stack.stack_name(file, name)
    swarm = manager(context)
    has_registry = _registry(context)
    with context.progress.step(f"Deploying {called}"):
        stack.deploy(swarm, file, called, registry=has_registry)
    names = [service.name for service in stack.services_of(swarm, called)]
    with context.progress.lines(names) as lines:
        services, tasks = stack.wait(
            swarm, names, wait_s, lambda service: lines.say(service.name, f"{service.running} of {service.wanted} run")
        )
    show_services(services, tasks)
    return Exit.OK if all(service.settled for service in services) else Exit.FAILED


def _registry(context: Context) -> bool:
    """Say whether the head has a registry; what is wrong with it is told, and no reason to stop: nodes may have all."""
    from pibramble.operate.swarm import registry
    from pibramble.operate.swarm.health import told

    plan = context.plan
    if plan.containers is None or not plan.containers.registry:
        return False
    for line in told(registry.judge(plan, registry.look(plan, context.connections))):
        click.echo(f"pibramble: {line}", err=True)
    return True
