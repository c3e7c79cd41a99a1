"""`pibramble console break`."""

from __future__ import annotations

import click

from pibramble.cli.console.options import at_line, line_options
from pibramble.cli.context import Context
from pibramble.errors import UsageError

_LONGEST_SECONDS = 10.0


@click.command(short_help="Hold a line low, as a break key does.")
@line_options
@click.option("--seconds", type=float, help="How long. [default: the profile's, 0.3]")
@click.option("--nuls", is_flag=True, help="Send NULs at 300 baud instead, for adapters that have no break.")
@click.pass_obj
def command(  # noqa: PLR0913 (a command's options)
    context: Context,
    port: str,
    profile: str | None,
    settings: str | None,
    seconds: float | None,
    *,
    nuls: bool,
    take: bool,
) -> None:
    """Send a break: Cisco's ROM monitor wants 0.1 to 0.5 s within a minute after power-on, Linux' SysRq any.

    Not every adapter has one, and some only say so: `pibramble console selftest` finds out.
    """
    import asyncio

    from pibramble.console import breaks, profiles
    from pibramble.console.model import Settings

    if seconds is not None and not 0 < seconds <= _LONGEST_SECONDS:
        raise UsageError(f"a break of {seconds:g} s", hint="Cisco's ROM monitor wants 0.1 to 0.5 s")

    async def go() -> str:
        async with at_line(context, port, profile, settings, take=take) as (session, attached):
            held = seconds or profiles.load(attached.status.profile).break_seconds
            if nuls:
                await breaks.send_nuls(session, Settings.parse(attached.status.settings), held)
                return f"{attached.status.name}: {breaks.nuls(held)} NULs at {breaks.LOW_BAUD} baud"
            await session.send_break(held)
            return f"{attached.status.name}: break, {held * 1000:.0f} ms"

    click.echo(asyncio.run(go()))
