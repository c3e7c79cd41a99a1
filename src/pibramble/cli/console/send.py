"""`pibramble console NAME --send`, `--send-file`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pibramble.cli.console.options import at_line, line_options
from pibramble.cli.context import Context
from pibramble.errors import UsageError

if TYPE_CHECKING:
    from pibramble.console.messages import Attached
    from pibramble.console.session import Session


@click.command(short_help="Send text or a file, print the answer; `console NAME --send` is short for it.")
@line_options
@click.option(
    "--send", "texts", multiple=True, metavar="TEXT", help="A line to send; several are sent one after the other."
)
@click.option(
    "--send-file", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A text to send, paced as the profile says, its echo compared.",
)  # fmt: skip
@click.option("--until", metavar="REGEX", help="What the answer ends with. [default: the profile's prompts]")
@click.option(
    "--timeout", "timeout_seconds", metavar="SECONDS", default=30.0, show_default=True, help="For each answer."
)
@click.pass_obj
def command(  # noqa: PLR0913, PLR0917 (a command's options)
    context: Context,
    port: str,
    profile: str | None,
    settings: str | None,
    texts: tuple[str, ...],
    file: Path | None,
    until: str | None,
    timeout_seconds: float,
    *,
    take: bool,
) -> None:
    """Send lines to a device and print what it answers, without its echo and its prompt.

    Ends with 0 when each answer came, with 124 when one did not come in time, with 6 when somebody else has control.
    """
    import asyncio

    if not texts and file is None:
        raise UsageError("there is nothing to send", hint="--send TEXT, or --send-file FILE")
    if until is not None:
        try:
            re.compile(until)
        except re.error as error:
            raise UsageError(f"--until {until}: this is no regular expression: {error}") from None

    data = file.read_bytes() if file is not None else b""

    async def go() -> None:
        async with at_line(context, port, profile, settings, take=take) as (session, attached):
            if file is not None:
                await _send_file(context, session, attached, file.name, data)
            if texts:
                await _ask(session, attached, texts, until, timeout_seconds)

    asyncio.run(go())


async def _ask(
    session: Session, attached: Attached, texts: tuple[str, ...], until: str | None, timeout_seconds: float
) -> None:
    from pibramble.console import automation, profiles
    from pibramble.console.conversation import Conversation
    from pibramble.console.model import Enter

    profile = profiles.load(attached.status.profile)
    prompts = (until,) if until else profile.prompts
    if not prompts:
        hint = "--until REGEX, or --profile with prompts: `pibramble console profiles`"
        raise UsageError(f'the profile "{profile.name}" knows no prompt: when is an answer over?', hint=hint)
    talk = Conversation(session, Enter.of(attached.enter))
    await automation.leave_pager(talk, attached.status.last_line)
    if not attached.status.last_line and texts[0]:  # an empty text is Enter already
        await automation.wake(talk, () if until else prompts, timeout_seconds)
    for text in texts:
        click.echo(await automation.ask(talk, text, prompts, timeout_seconds), nl=False)


async def _send_file(context: Context, session: Session, attached: Attached, name: str, data: bytes) -> None:
    from pibramble.console import pacing, profiles
    from pibramble.console.model import Enter

    how = profiles.load(attached.status.profile).pacing
    with context.progress.step(f"{name} to {attached.status.name}", len(data), "B") as step:
        await pacing.send(data, session, how, Enter.of(attached.enter), sent=step.advance)
