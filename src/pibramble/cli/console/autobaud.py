"""`pibramble console autobaud`."""

from __future__ import annotations

import click

from pibramble.cli.console.options import at_line, line_options
from pibramble.cli.context import Context


@click.command(short_help="Find a line's speed, and say on what evidence.")
@line_options
@click.pass_obj
def command(context: Context, port: str, profile: str | None, settings: str | None, *, take: bool) -> None:
    """Listen for 3 s, then press Enter at one speed after the other, until what comes back makes sense.

    The line stays at the speed that was found, until its broker ends. When none is found, it is as before.
    """
    import asyncio

    from pibramble.console import autobaud, profiles
    from pibramble.console.model import Enter, Settings

    async def go() -> autobaud.Verdict:
        async with at_line(context, port, profile, settings, take=take) as (session, attached):
            now = Settings.parse(attached.status.settings)
            prompts = profiles.load(attached.status.profile).prompts
            return await autobaud.find(
                session, now, prompts, Enter.of(attached.enter), tell=lambda text: click.echo(text, err=True)
            )

    verdict = asyncio.run(go())
    click.echo(str(verdict.settings))
