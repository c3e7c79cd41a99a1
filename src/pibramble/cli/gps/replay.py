"""`pibramble gps replay`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pibramble.cli.context import Context
from pibramble.cli.gps.common import Span
from pibramble.errors import UsageError


@click.command()
@click.argument("log", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--link", type=click.Path(path_type=Path), help="Also name the terminal so, by a symbolic link.")
@click.option(
    "--to", type=click.Path(path_type=Path), help="Give it to this Unix socket, such as an emulated board's port."
)
@click.option("--speed", type=Span(), default=1.0, show_default=True, help="How many times as fast.")
@click.option("--loop", is_flag=True, help="Begin anew at the end, until Ctrl-C.")
@click.option("--now", "as_now", is_flag=True, help="Move its times to now, as if it were recorded now.")
@click.option(
    "--wait",
    type=Span(or_none=True),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait before the first byte.",
)
@click.pass_obj
def command(  # noqa: PLR0913 (one for each option)
    context: Context,
    log: Path,
    *,
    link: Path | None,
    to: Path | None,
    speed: float,
    loop: bool,
    as_now: bool,
    wait: float,
) -> None:
    """Give LOG out again over a pseudo-terminal, whose name is printed: for gpsd, or any program that reads a receiver.

    It is paced by LOG.timing, or where there is none by the times in its own sentences. It never waits for a reader:
    what nobody reads is lost, as on a wire. gpsd reads it, but passes no time from a pseudo-terminal to chrony.
    """
    import time

    from pibramble.gps.record import load
    from pibramble.gps.replay import paced, play, plugged, terminal

    if as_now and speed != 1:
        raise UsageError("--now and --speed contradict each other: now goes by at one speed only")
    if link and to:
        raise UsageError("--link names a pseudo-terminal, and with --to there is none")
    data, blocks = load(log)
    blocks = blocks or tuple(paced(data))
    if not blocks:
        raise UsageError(f"{log} holds nothing to replay")
    with plugged(to) if to else terminal(link) as there:
        click.echo(str(link or there.path))
        sys.stdout.flush()
        time.sleep(wait)
        while True:
            with context.progress.step(f"replaying {log}", len(blocks), "blocks") as step:
                for _ in play(blocks, there.descriptor, speed, as_now=as_now):
                    step.advance()
            if not loop:
                break
        time.sleep(0.2)  # the last of it is still in the terminal
