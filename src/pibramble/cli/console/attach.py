"""`pibramble console NAME`."""

from __future__ import annotations

import sys

import click

from pibramble.cli.console.common import bench, complete_port, connected, keep_lab_consoles, parsed, who
from pibramble.cli.context import Context
from pibramble.errors import UsageError


@click.command(short_help="Sit down at a port or device; `console NAME` is short for it.")
@click.argument("port", metavar="NAME|DEVICE", shell_complete=complete_port)
@click.option("--read-only", is_flag=True, help="Watch only: nothing that is typed goes down the line.")
@click.option("--profile", help="How it is spoken to. [default: the port's, or raw]")
@click.option("--settings", help='Speed and framing: "115200", "9600 7E1". [default: the port\'s, or the profile\'s]')
@click.pass_obj
def command(context: Context, port: str, *, read_only: bool, profile: str | None, settings: str | None) -> int:
    """Show a serial line in this terminal, and type on it.

    Control is taken if nobody has it; else Ctrl-] t takes it over. Ctrl-C and all other keys go to the device;
    Ctrl-] ? helps, Ctrl-] q leaves.
    """
    import asyncio

    if not read_only and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("this is no terminal to sit down at", hint="--read-only watches without one")
    keep_lab_consoles(context, port)
    return asyncio.run(_attach(context, port, profile, settings, read_only=read_only))


async def _attach(context: Context, wanted: str, profile: str | None, settings: str | None, *, read_only: bool) -> int:
    from pibramble.console.shell import Shell

    shell = Shell(who(), read_only=read_only, settings=parsed(settings))
    async with connected(bench(context), shell.client, wanted, profile, settings) as port:
        return await shell.run(port)
