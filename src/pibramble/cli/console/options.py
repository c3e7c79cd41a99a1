"""What the verbs that work on one line share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import attrs
import click

from pibramble.cli.console.common import bench, complete_port, connected, keep_lab_consoles, parsed, who
from pibramble.cli.context import Context

if TYPE_CHECKING:
    from pibramble.console.messages import Attached
    from pibramble.console.session import Session

_Command = TypeVar("_Command", bound=Callable[..., object])


def line_options(command: _Command) -> _Command:
    """Give a verb the options that say which line is meant, and how it is spoken to."""
    for option in (
        click.option("--take", is_flag=True, help="Take control even if somebody else has it."),
        click.option(
            "--settings", help='Speed and framing: "115200", "9600 7E1". [default: the port\'s, or the profile\'s]'
        ),
        click.option("--profile", help="How it is spoken to. [default: the port's, or raw]"),
        click.argument("port", metavar="NAME|DEVICE", shell_complete=complete_port),
    ):
        command = option(command)
    return command


@asynccontextmanager
async def at_line(
    context: Context, wanted: str, profile: str | None, settings: str | None, *, take: bool
) -> AsyncIterator[tuple[Session, Attached]]:
    """Sit down at a line as a program, with control of it. Raises BusyError, NotUpError, UsageError."""
    from pibramble.console.session import Session

    keep_lab_consoles(context, wanted)
    session = Session()
    async with connected(bench(context), session.client, wanted, profile, settings) as port:
        attached = await session.begin(port, f"{who()}, a program", take=take)
        asked = parsed(settings)
        if asked is not None and str(asked) != attached.status.settings:  # a broker's line
            await session.change(asked)
            click.echo(f"{port}: {asked} from now on, until its broker ends", err=True)
            attached = attrs.evolve(attached, status=attrs.evolve(attached.status, settings=str(asked)))
        yield session, attached
