"""`pibramble console list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from pibramble.cli.console.common import Bench, bench, has_cluster_file
from pibramble.cli.context import Context, print_json
from pibramble.cli.tables import show_table
from pibramble.console import adapters, log
from pibramble.console.broker import LOGS
from pibramble.console.model import Source
from pibramble.errors import NotUpError

if TYPE_CHECKING:
    from pibramble.console.messages import PortStatus
    from pibramble.console.model import Port

_NO_PORT = "(plugged in, and no port)"


@click.command(short_help="List the ports; `console` alone is short for it.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_obj
def command(context: Context, *, as_json: bool) -> None:
    """List the ports: name, device, settings, state, who is there and who writes, the last line seen.

    Without a broker (`pibramble serve`) it is names, devices and settings, and the last line in each log.
    Adapters that are plugged in and are no port come last.
    """
    import asyncio

    found = bench(context)
    statuses = asyncio.run(_served(found))
    ports: Sequence[Port | PortStatus] = found.ports if statuses is None else statuses
    plugged = adapters.unnamed([*(port.device for port in ports), *_other_work(context)])
    if as_json:
        print_json({"served": statuses is not None, "ports": ports, "plugged_in": plugged})
        return
    down = _what_is_down(context, ports)
    if statuses is None:
        _show_planned(found, plugged)
    else:
        _show(statuses, plugged, of_nodes=not down)
    if down:
        click.echo(down, err=True)


def _other_work(context: Context) -> Iterator[str]:
    """Yield the serial devices that the cluster file has for something else than a console."""
    if has_cluster_file(context):
        plan = context.plan
        yield from [plan.gps.port] if plan.gps else []
        yield from (worker.link.head_port for worker in plan.workers if worker.link and worker.link.head_port)


def _what_is_down(context: Context, ports: Sequence[Port | PortStatus]) -> str:
    """Say why no node has a console; nothing where they have, or where their lines are real ones."""
    if not any(port.source is Source.NODE for port in ports) or not has_cluster_file(context):
        return ""
    target = context.target
    if target.name == "hardware" or target.state().up:
        return ""
    hint = "pibramble up" if target.name == "lab" else f"pibramble up --target {target.name}"
    return f"the {target.name} of {context.plan.name} is not up, so its nodes have no consoles: `{hint}`"


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


def _show(statuses: Sequence[PortStatus], plugged: Sequence[str], *, of_nodes: bool) -> None:
    rows = []
    for port in statuses:
        watching = ", ".join(port.viewers) or "-"
        last = port.last_line or port.logged_line or "-"
        rows.append((port.name, port.device, port.settings, str(port.state), watching, port.writer or "-", last))
    rows += [("-", device, "-", "-", "-", "-", _NO_PORT) for device in plugged]
    show_table(("NAME", "DEVICE", "SETTINGS", "STATE", "WATCHING", "WRITES", "LAST LINE"), rows, cut=True)
    for port in statuses:
        if port.reason and (of_nodes or port.source is not Source.NODE):
            click.echo(f"pibramble: {port.name}: {port.reason}", err=True)


def _show_planned(found: Bench, plugged: Sequence[str]) -> None:
    rows = [
        (port.name, port.device, str(port.settings), log.last_line(found.folder / LOGS / port.name) or "-")
        for port in found.ports
    ]
    rows += [("-", device, "-", _NO_PORT) for device in plugged]
    if rows:
        show_table(("NAME", "DEVICE", "SETTINGS", "LAST LINE IN THE LOG"), rows, cut=True)
    if not found.ports:
        click.echo(
            "no ports: [[consoles]] in a cluster file names some; `pibramble console /dev/ttyUSB0` opens any device"
        )
    click.echo("no broker runs (`pibramble serve`): nobody knows what the lines say now", err=True)
