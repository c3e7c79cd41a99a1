"""`pibramble console backup`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pibramble.cli.console.common import bench
from pibramble.cli.console.options import at_line, line_options
from pibramble.cli.context import Context
from pibramble.errors import UsageError

if TYPE_CHECKING:
    from pibramble.console.repository import Kept


@click.command(short_help="Keep a device's configuration under git.")
@line_options
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False),
    help="Where it is kept; becomes a git repository. [default: backups, beside the console's logs]",
)  # fmt: skip
@click.option("--mask-secrets", is_flag=True, help="Leave passwords, keys and communities out.")
@click.option(
    "--credentials", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TOML file, 0600: username, password, secret. [default: ~/.netrc, else you are asked]",
)  # fmt: skip
@click.option(
    "--command", "asked", metavar="TEXT", help="What shows the configuration. [default: by the kind of device]"
)
@click.option(
    "--timeout", "timeout_seconds", metavar="SECONDS", default=300.0, show_default=True, help="For the configuration."
)
@click.pass_obj
def command(  # noqa: PLR0913, PLR0917 (a command's options)
    context: Context,
    port: str,
    profile: str | None,
    settings: str | None,
    folder: Path | None,
    file: Path | None,
    asked: str | None,
    timeout_seconds: float,
    *,
    take: bool,
    mask_secrets: bool,
) -> None:
    """Log in, fetch the running configuration, put it into a file under git, and print what has changed.

    Nothing is committed when nothing has changed. Passwords come from a private file, from ~/.netrc (machine NAME) or
    from you, never from the command line.
    """
    import asyncio

    from pibramble.console import automation, backup, credentials, profiles, repository
    from pibramble.console.conversation import Conversation
    from pibramble.console.model import Enter

    backup.check()
    login = credentials.choose(Path(port).name, file, _prompt if sys.stdin.isatty() else None)

    async def go() -> tuple[str, str]:
        async with at_line(context, port, profile, settings, take=take) as (session, attached):
            kind = profiles.load(attached.status.profile).netmiko_type
            if kind is None:
                hint = "--profile cisco-ios, or a profile of your own with netmiko_type"
                raise UsageError(
                    f'the profile "{attached.status.profile}" does not say what netmiko calls it', hint=hint
                )
            how = backup.how(kind, asked)
            with context.progress.step(f"{how.command} on {attached.status.name}"):
                talk = Conversation(session, Enter.of(attached.enter))
                await automation.leave_pager(talk, await automation.press_enter(talk))
                text = await backup.fetch(
                    session, kind, login, how.command, enter=Enter.of(attached.enter), timeout_seconds=timeout_seconds
                )
            return attached.status.name, backup.tidy(text, how.volatile, mask_secrets=mask_secrets)

    name, text = asyncio.run(go())
    kept = repository.keep(
        folder or bench(context).folder / "backups", f"{name}.cfg", text, f"{name}: its configuration"
    )
    _show(name, kept, len(text.splitlines()), masked=mask_secrets)


def _prompt(question: str, hidden: bool) -> str:  # noqa: FBT001 (choose's own)
    return str(click.prompt(question, default="", show_default=False, hide_input=hidden, err=True))


def _show(name: str, kept: Kept, lines: int, *, masked: bool) -> None:
    if not kept.diff:
        click.echo(f"{name}: nothing has changed since {kept.since}")
        return
    if kept.first:
        click.echo(f"{name}: first backup, {lines} lines")
    else:
        click.echo(kept.diff, nl=False)
        click.echo(f"{name}: changed")
    secrets = "" if masked else "; it holds secrets, so nobody else can read it (--mask-secrets leaves them out)"
    click.echo(f"kept in {kept.path}{secrets}", err=True)
