"""`pibramble console profiles`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pibramble.cli.context import print_json

if TYPE_CHECKING:
    from pibramble.console.model import Pacing


@click.command(short_help="List the profiles, or show one.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(name: str | None, *, as_json: bool) -> None:
    """List how kinds of devices are spoken to, or show one profile whole.

    Your own lie in ~/.config/pibramble/profiles/NAME.toml; a `like = "cisco-ios"` in one takes over all that it does
    not say itself.
    """
    from pibramble.console import profiles

    found = [profiles.load(name)] if name else list(profiles.load_all().values())
    if as_json:
        print_json(found[0] if name else found)
        return
    for profile in found:
        click.echo(f"{profile.name:14} {profile.settings!s:12} {profile.title}")
        if name:
            click.echo(f"  Enter sends {profile.enter}; a break lasts {profile.break_seconds * 1000:.0f} ms")
            click.echo(f"  flow control: {profile.settings.flow}; files and pastes go {_pace(profile.pacing)}")
            for prompt in profile.prompts:
                click.echo(f"  prompt  {prompt}")
            for button in profile.buttons:
                click.echo(f"  button  {button.name}: {button.label}")
    if not name:
        click.echo(f"your own: {profiles.own_folder()}", err=True)


def _pace(pacing: Pacing) -> str:
    waits = (
        (pacing.per_character_seconds, "character"),
        (pacing.per_line_seconds, "line"),
    )
    said = [f"{seconds * 1000:g} ms after each {what}" for seconds, what in waits if seconds]
    said += ["each line's echo compared"] if pacing.check_echo else []
    return ", ".join(said) or "as fast as the line takes them"
