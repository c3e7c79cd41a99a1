"""`pibramble copy`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context
from pibramble.cli.options import ending_signals_interrupt, target_option
from pibramble.errors import Exit, UsageError

if TYPE_CHECKING:
    from pibramble.operate.copy import Place
    from pibramble.operate.outcome import Outcome

_EXAMPLE = "pibramble copy data.csv '@workers:in/', or pibramble copy 'zero[1-4]:out.csv' results/"


@click.command(short_help="Copy files to or from many nodes.")
@target_option
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@click.argument("destination")
@click.pass_obj
def command(context: Context, sources: tuple[str, ...], destination: str) -> int:
    """Copy files and folders to many nodes, or from them.

    \b
    pibramble copy SOURCE... NODES:DESTINATION    to every node
    pibramble copy NODES:SOURCE... DESTINATION    from every node
    NODES is zero1, zero[1-3],aplus, @workers ... and a path without / begins in the home folder.

    Like cp -r: into DESTINATION if it is a folder or ends in a /. From more than a single named node, each node's
    things come into DESTINATION/NODE. Modes are kept; links below a folder stay links.

    A file is there whole or not at all: it gets its name when all of it has arrived. From a node where something goes
    wrong, or to it, nothing is copied, and the exit code says so: 1, or 5 if a node could not be reached.
    """  # noqa: D301 (\b is how click keeps lines as they are)
    from pibramble.operate.copy import place
    from pibramble.operate.execute import Interrupted

    if not sources:
        raise UsageError("copy what, and to where?", hint=_EXAMPLE)
    places = [place(source) for source in sources]
    target = place(destination)
    with ending_signals_interrupt() as signal_exit:
        try:
            if target.nodes is not None:
                outcomes = _upload(context, places, target)
            else:
                outcomes = _download(context, places, target)
        except Interrupted:
            click.echo("pibramble: interrupted; nothing was copied", err=True)
            return signal_exit.code
    return _report(outcomes)


def _upload(context: Context, places: list[Place], target: Place) -> dict[str, Outcome]:
    from pibramble.operate.copy import upload
    from pibramble.operate.nodeset import select
    from pibramble.operate.pack import gather

    if any(source.nodes is not None for source in places):
        raise UsageError("one side of a copy has to be this machine", hint=_EXAMPLE)
    nodes = select(context.plan, target.nodes, None)
    parcel = gather([Path(source.path) for source in places])
    into = len(places) > 1 or target.path == "" or target.path.endswith("/")
    return upload(context.connections, nodes, parcel, target.path, into=into, progress=context.progress)


def _download(context: Context, places: list[Place], target: Place) -> dict[str, Outcome]:
    from pibramble.operate.copy import download
    from pibramble.operate.nodeset import select

    first = places[0]
    if first.nodes is None:
        raise UsageError("one side of a copy has to be on nodes", hint=_EXAMPLE)
    if any(source.nodes != first.nodes for source in places):
        raise UsageError("all sources have to be on the same nodes", hint=_EXAMPLE)
    nodes = select(context.plan, first.nodes, None)
    here = Path(target.path)
    into = len(places) > 1 or here.is_dir() or target.path.endswith("/")
    apart = not first.one_node
    if not apart and not into and not here.parent.is_dir():
        raise UsageError(f"{here.parent}: no such folder", hint=f"with a / at its end, {here}/ is made")
    return download(
        context.connections, nodes, [source.path for source in places], here,
        into=into, apart=apart, progress=context.progress, measure=sys.stderr.isatty() and not context.quiet,
    )  # fmt: skip


def _report(outcomes: dict[str, Outcome]) -> int:
    from pibramble.operate.outcome import Fate
    from pibramble.operate.show import failures

    for line in failures(outcomes.values()):
        click.echo(f"pibramble: {line}", err=True)
    if any(outcome.fate is Fate.UNREACHABLE for outcome in outcomes.values()):
        return Exit.UNREACHABLE
    return Exit.FAILED if any(outcome.code for outcome in outcomes.values()) else Exit.OK
