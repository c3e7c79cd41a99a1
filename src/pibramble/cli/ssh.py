"""`pibramble ssh`."""

from __future__ import annotations

import os

import click

from pibramble.cli.context import Context
from pibramble.cli.options import complete_node, target_option
from pibramble.errors import MissingError, UnreachableError, UsageError


@click.command(context_settings={"allow_interspersed_args": False}, short_help="Get a shell on one node.")
@target_option
@click.argument("node", shell_complete=complete_node)
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_obj
def command(context: Context, node: str, words: tuple[str, ...]) -> None:
    """Get a shell on NODE, or run COMMAND there, on the connection that is open already.

    From here on it is ssh itself: its terminal, its signals, its exit code.
    """
    from pibramble.operate import mux
    from pibramble.operate.nodeset import select

    names = select(context.plan, node, None)
    if len(names) != 1:
        raise UsageError(f"`{node}` is {len(names)} nodes; a shell runs on one", hint="`pibramble exec` is for many")
    (name,) = names
    connections = context.connections
    if not mux.alive(connections.socket(name)) and (reason := connections.open([name]).get(name)):
        raise UnreachableError(f"{name}: {reason}", hint="`pibramble status` says how the cluster is")
    argv = [*connections.interactive(name), *words]
    try:
        os.execvp(argv[0], argv)  # noqa: S606 (an argument list of our own; there is no shell)
    except FileNotFoundError:
        raise MissingError(
            f"the program `{argv[0]}` is not installed", hint="`pibramble doctor` says which package brings it"
        ) from None
