"""`pibramble serve run`, and `pibramble serve` for short."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from pibramble.cli.console.common import Bench, bench, complete_port, keep_lab_consoles
from pibramble.cli.context import Context
from pibramble.cli.gps.common import complete_source
from pibramble.errors import MissingError, UsageError

if TYPE_CHECKING:
    from pibramble.console.broker import Broker
    from pibramble.gps.model import Source
    from pibramble.web.serve import Web

_LAB_LOOK_SECONDS = 2.0


@attrs.frozen
class _Wanted:
    """What the command line says."""

    devices: tuple[str, ...]
    first_tcp_port: int | None
    pages: bool
    listen: str | None
    certificate: str | None
    key: str | None
    receiver: str
    baud: int


@click.command(short_help="Serve the serial lines and their pages.")
@click.argument("devices", metavar="[DEVICE]...", nargs=-1, shell_complete=complete_port)
@click.option(
    "--rfc2217", "first_tcp_port", type=click.IntRange(1, 65535), metavar="PORT",
    help="Offer each line by RFC 2217 too, on 127.0.0.1: from this TCP port on. [default: those with a tcp_port]",
)  # fmt: skip
@click.option("--no-web", is_flag=True, help="No pages: the broker alone.")
@click.option("--listen", metavar="ADDRESS:PORT", help="Where the pages are. [default: 127.0.0.1:8470]")
@click.option("--certificate", type=click.Path(readable=False), help="A certificate (PEM) instead of our authority's.")
@click.option("--key", type=click.Path(readable=False), help="Its private key (PEM).")
@click.option(
    "--gps", "receiver", default="", metavar="SOURCE", shell_complete=complete_source,
    help="The receiver to show: gpsd at HOST[:PORT], or a serial port. [default: gpsd on this machine]",
)  # fmt: skip
@click.option("--gps-baud", "baud", type=int, default=9600, show_default=True, help="The speed of that serial port.")
@click.pass_obj
def command(  # noqa: PLR0913 (options of the command line)
    context: Context,
    devices: tuple[str, ...],
    *,
    first_tcp_port: int | None,
    no_web: bool,
    listen: str | None,
    certificate: str | None,
    key: str | None,
    receiver: str,
    baud: int,
) -> int:
    """Open every serial line of the cluster file, and each DEVICE, and serve them until Ctrl-C.

    Each is opened once, logged, and kept: an adapter that is pulled out is taken up again when it comes back.
    `pibramble console NAME` in another terminal sits down at one, and so does a browser.

    The pages are for this machine alone, where the kernel says whose a connection is. With --listen and an address of
    its network they go over TLS, and people log in: `pibramble serve user add`.
    """
    if no_web and (listen or certificate or key or receiver):
        raise UsageError("--no-web and options of the pages say different things")
    if bool(certificate) != bool(key):
        raise UsageError("a certificate and its key go together", hint="--certificate FILE --key FILE")
    wanted = _Wanted(devices, first_tcp_port, not no_web, listen, certificate, key, receiver, baud)
    return asyncio.run(_serve(context, bench(context), wanted))


async def _serve(context: Context, found: Bench, wanted: _Wanted) -> int:
    from pibramble.console import rfc2217_server
    from pibramble.console.broker import Broker
    from pibramble.console.server import Server

    broker = Broker(found.folder)
    server = Server(broker, found.folder)
    listeners: tuple[rfc2217_server.Listener, ...] = ()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    web = _web(broker, found.folder, wanted)
    await server.start()
    works = [loop.create_task(_look_for_lab(context))]
    try:
        broker.serve(found.ports)
        for device in wanted.devices:
            broker.open_device(device)
        for line in broker.lines.values():
            click.echo(f"{line.port.name}: {line.port.device} {line.settings}, {line.state}")
        listeners = rfc2217_server.listeners(list(broker.lines.values()), wanted.first_tcp_port)
        for listener in listeners:
            await listener.start()
            click.echo(f"{listener.name}: {listener.url}")
        click.echo(f"serving {len(broker.lines)} lines on {server.path}; Ctrl-C ends it")
        if web is not None:
            _say_where(web)
            works.append(loop.create_task(web.run()))
            works[-1].add_done_callback(lambda _task: stopped.set())
        await stopped.wait()
    finally:
        for work in works:
            work.cancel()
        for work in works:
            with suppress(asyncio.CancelledError):
                await work
        await server.close()
        await asyncio.gather(*(listener.close() for listener in listeners))
        await broker.close()
    return 0


def _web(broker: Broker, folder: Path, wanted: _Wanted) -> Web | None:
    """Prepare the pages. Where their libraries are missing, and nobody gave an address, the lines are served alone."""
    from pibramble.web.listen import Listen
    from pibramble.web.serve import Settings, Web
    from pibramble.web.tls import Certificate

    if not wanted.pages:
        return None
    brought = Certificate(Path(wanted.certificate), Path(wanted.key)) if wanted.certificate and wanted.key else None
    listen = Listen.parse(wanted.listen) if wanted.listen else Listen()
    try:
        return Web(broker, Settings(listen, folder, brought, _receiver(wanted)))
    except MissingError as error:
        if wanted.listen:
            raise
        click.echo(f"no pages: {error}", err=True)
        return None


def _receiver(wanted: _Wanted) -> Source:
    from pibramble.gps import sources
    from pibramble.gps.model import Origin

    source = sources.named(wanted.receiver, wanted.baud)
    if source.origin is Origin.LOG:
        raise UsageError(
            f"--gps {wanted.receiver}: the page shows a receiver, and this is a log",
            hint=f"`pibramble gps replay {wanted.receiver} --link PATH` makes a receiver of it: --gps PATH",
        )
    return source


def _say_where(web: Web) -> None:
    click.echo(f"pages: {web.address}")
    if web.certificate is None:
        return
    if not web.known:
        click.echo("  nobody can log in yet: pibramble serve user add NAME", err=True)
    whose = "its authority's" if web.certificate.authority else "its certificate's"
    click.echo(f"  {whose} SHA-256 fingerprint, for your browser's warning:\n  {web.certificate.fingerprint}")


async def _look_for_lab(context: Context) -> None:
    """Keep the consoles of a lab's nodes, whenever it is brought up."""
    while True:
        try:
            await asyncio.to_thread(keep_lab_consoles, context)
        except MissingError as error:
            click.echo(f"pibramble: {error}", err=True)
            return
        await asyncio.sleep(_LAB_LOOK_SECONDS)
