"""`pibramble completion`."""

from __future__ import annotations

import click

_INSTALL = {
    "bash": 'eval "$(pibramble completion bash)"   in ~/.bashrc',
    "zsh": 'eval "$(pibramble completion zsh)"   in ~/.zshrc',
    "fish": "pibramble completion fish > ~/.config/fish/completions/pibramble.fish",
}


@click.command(
    short_help="Print the completion script of your shell.",
    epilog="To have it always: " + "; ".join(_INSTALL.values()),
)
@click.argument("shell", type=click.Choice(list(_INSTALL)))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that teaches SHELL the verbs, the options and the cluster's node names."""
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    assert complete is not None  # noqa: S101 (click knows these three)
    click.echo(complete(ctx.find_root().command, {}, "pibramble", "_PIBRAMBLE_COMPLETE").source())
