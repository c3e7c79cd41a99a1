"""`pibramble console list`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pibramble.cli.console.common import Bench, bench
from pibramble.cli.context import Context, print_json
from pibramble.cli.tables import show_table
from pibramble.errors import NotUpError

if TYPE_CHECKING:
    from pibramble.console.messages import PortStatus


@click.command(short_help="List the ports; `console` alone is short for it.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_obj
def command(context: Context, *, as_json: bool) -> None:
    """List the ports: name, device, settings, state, who is there and who writes, the last line seen.

    Without a broker (`pibramble serve`) nobody knows what the lines said: then it is names, devices and settings.
    """
    import asyncio

    found = bench(context)
    statuses = asyncio.run(_served(found))
    if as_json:
        print_json({"served": statuses is not None, "ports": found.ports if statuses is None else statuses})
    elif statuses is None:
        _show_planned(found)
    else:
        _show(statuses)


async def _served(found: Bench) -> Sequence[PortStatus] | None:
    """Ask the broker; None when none runs."""
    from pibramble.console.client import Client, connect

    try:
        client = await connect(found.folder, Client())
    except NotUpError:
        return None
    try:
        return await client.ports()
    finally:
        client.close()


def _show(statuses: Sequence[PortStatus]) -> None:
    rows = []
    for port in statuses:
        watching = ", ".join(port.viewers) or "-"
        rows.append(
            (port.name, port.device, port.settings, port.state, watching, port.writer or "-", port.last_line or "-")
        )
    show_table(("NAME", "DEVICE", "SETTINGS", "STATE", "WATCHING", "WRITES", "LAST LINE"), rows, cut=True)
    for port in statuses:
        if port.reason:
            click.echo(f"pibramble: {port.name}: {port.reason}", err=True)


def _show_planned(found: Bench) -> None:
    if found.ports:
        show_table(("NAME", "DEVICE", "SETTINGS"), [(p.name, p.device, str(p.settings)) for p in found.ports], cut=True)
    else:
        click.echo(
            "no ports: [[consoles]] in a cluster file names some; `pibramble console /dev/ttyUSB0` opens any device"
        )
    click.echo("no broker runs (`pibramble serve`): nobody knows what the lines said", err=True)
