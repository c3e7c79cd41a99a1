"""`pibramble swarm scale`."""

from __future__ import annotations

import click

from pibramble.cli.context import Context
from pibramble.cli.swarm.common import manager, show_services
from pibramble.errors import Exit


@click.command(short_help="Set how many tasks a service has.", epilog="Example: pibramble swarm scale web_app=4")
@click.option("--wait", "wait_s", type=click.FloatRange(min=0), default=60, metavar="SECONDS", show_default=True,
              help="How long to wait until all tasks run.")  # fmt: skip
@click.argument("wanted", nargs=-1, required=True, metavar="SERVICE=NUMBER...")
@click.pass_obj
def command(context: Context, wait_s: float, wanted: tuple[str, ...]) -> int:
    """Set how many tasks each SERVICE has, and wait until they run. The exit code is 1 when they do not."""
    from pibramble.operate.swarm import stack

    swarm = manager(context)
    stack.scale(swarm, wanted)
    names = [word.partition("=")[0] for word in wanted]
    with context.progress.lines(names) as lines:
        services, tasks = stack.wait(
            swarm, names, wait_s, lambda service: lines.say(service.name, f"{service.running} of {service.wanted} run")
        )
    show_services(services, tasks)
    return Exit.OK if all(service.settled for service in services) else Exit.FAILED
