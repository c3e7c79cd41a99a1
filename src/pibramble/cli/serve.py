"""`pibramble serve`."""

from __future__ import annotations

import asyncio
import signal

import click

from pibramble.cli.console.common import Bench, bench, complete_port, keep_lab_consoles
from pibramble.cli.context import Context
from pibramble.errors import MissingError

_LAB_LOOK_SECONDS = 2.0


@click.command(short_help="Serve the serial lines: one process opens each, many watch.")
@click.argument("devices", metavar="[DEVICE]...", nargs=-1, shell_complete=complete_port)
@click.pass_obj
def command(context: Context, devices: tuple[str, ...]) -> int:
    """Open every serial line of the cluster file, and each DEVICE, and serve them until Ctrl-C.

    Each is opened once, logged, and kept: an adapter that is pulled out is taken up again when it comes back.
    `pibramble console NAME` in another terminal sits down at one.
    """
    return asyncio.run(_serve(context, bench(context), devices))


async def _serve(context: Context, found: Bench, devices: tuple[str, ...]) -> int:
    from pibramble.console.broker import Broker
    from pibramble.console.server import Server

    broker = Broker(found.folder)
    server = Server(broker, found.folder)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    await server.start()
    looking = loop.create_task(_look_for_lab(context))
    try:
        broker.serve(found.ports)
        for device in devices:
            broker.open_device(device)
        for line in broker.lines.values():
            click.echo(f"{line.port.name}: {line.port.device} {line.settings}, {line.state}")
        click.echo(f"serving {len(broker.lines)} lines on {server.path}; Ctrl-C ends it")
        await stopped.wait()
    finally:
        looking.cancel()
        await server.close()
        await broker.close()
    return 0


async def _look_for_lab(context: Context) -> None:
    """Keep the consoles of a lab's nodes, whenever it is brought up."""
    while True:
        try:
            await asyncio.to_thread(keep_lab_consoles, context)
        except MissingError as error:
            click.echo(f"pibramble: {error}", err=True)
            return
        await asyncio.sleep(_LAB_LOOK_SECONDS)
