"""`pibramble gps record`."""

from __future__ import annotations

from pathlib import Path

import click

from pibramble.cli.context import Context
from pibramble.cli.gps.common import Span, baud_option, complete_source
from pibramble.errors import UsageError


@click.command()
@click.argument("port", shell_complete=complete_source)
@click.argument("log", type=click.Path(path_type=Path, dir_okay=False))
@baud_option
@click.option("--seconds", type=Span(), help="How long. [default: until Ctrl-C]")
@click.option("--force", is_flag=True, help="Replace LOG if it is there.")
@click.pass_obj
def command(  # noqa: PLR0913 (one for each option)
    context: Context, port: str, log: Path, *, baud: int | None, seconds: float | None, force: bool
) -> None:
    """Keep what the receiver at PORT says in LOG, and when it said it in LOG.timing.

    LOG holds the bytes as they came, so other programs can read it; `pibramble gps replay` gives it out again in its
    time.
    """
    import time

    from pibramble.gps import detect, sources
    from pibramble.gps import port as ports
    from pibramble.gps.model import Origin
    from pibramble.gps.record import record

    if sources.named(port).origin is not Origin.PORT:
        raise UsageError(f"{port} is no serial port")
    speed = baud or detect.found(detect.detect(port, context.progress)).baud
    until = None if seconds is None else time.monotonic() + seconds
    began = time.monotonic()
    total = 0

    def told(size: int) -> None:
        nonlocal total
        total += size
        step.advance(size)

    try:
        with (
            context.progress.step(f"recording {port} at {speed} baud", unit="B") as step,
            ports.opened(port, speed) as fd,
        ):
            record(ports.blocks(fd, port, 0.2, until), log, told, replace=force)
    except KeyboardInterrupt:
        pass  # how one ends it: what came is kept
    finally:
        if total:
            click.echo(f"{log}: {total:,} bytes in {time.monotonic() - began:.0f} s", err=True)
