"""`pibramble swarm logs`."""

from __future__ import annotations

import click

from pibramble.cli.context import Context
from pibramble.cli.swarm.common import manager


@click.command(short_help="Show what a service's tasks say.", epilog="Example: pibramble swarm logs --follow web_app")
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="The last N lines of each task. [default: all]")
@click.option("--timestamps", is_flag=True, help="With the time of each line.")
@click.argument("service")
@click.pass_obj
def command(context: Context, tail: int | None, service: str, *, follow: bool, timestamps: bool) -> int:
    """Show what the tasks of SERVICE have said, each line with its task and node."""
    from pibramble.operate.remote import Stream

    words = ["service", "logs", *(["--follow"] if follow else []), *(["--timestamps"] if timestamps else [])]
    words += [] if tail is None else ["--tail", str(tail)]

    def show(stream: Stream, line: bytes) -> None:
        click.echo(line, err=stream is Stream.STDERR)

    return manager(context).follow([*words, service], show)
