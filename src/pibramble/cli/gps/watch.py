"""`pibramble gps [watch]`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.gps.common import Span, baud_option, complete_source
from pibramble.errors import Exit, PibrambleError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pibramble.gps.model import GpsState, Source

_CHRONY_EVERY_S = 5.0
_WAIT_S = 10.0


@click.command()
@click.argument("source", default="", shell_complete=complete_source)
@baud_option
@click.option("--once", is_flag=True, help="Print the first state that has a fix and a sky, and end; fail without.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each fix.")
@click.option("--seconds", type=Span(), help="How long. [default: 10 with --once, else until Ctrl-C]")
@click.pass_obj
def command(  # noqa: PLR0913 (one for each option)
    context: Context, source: str, *, baud: int | None, once: bool, as_json: bool, seconds: float | None
) -> int:
    """Show what a receiver says: fix, satellites, position, speed, its time against the system's, and chrony's word.

    SOURCE is nothing for gpsd on this machine, HOST[:PORT] for another, a serial port such as /dev/ttyUSB0, a log, or
    - for standard input. A port that gpsd reads should be asked of gpsd: two readers take each other's bytes.
    """
    from pibramble.gps import sources

    meant = sources.named(source, baud)
    if once or not (as_json or (sys.stdout.isatty() and sources.is_live(meant))):
        state = _once(context, meant, seconds or _WAIT_S, first=once)
        if as_json:
            print_json(state)
        else:
            _print(state)
        return Exit.OK if state.fix.located or not once else Exit.FAILED
    if as_json:
        _stream(context, meant, seconds)
    else:
        _live(context, meant, seconds)
    return Exit.OK


def _states(context: Context, source: Source, seconds: float | None) -> Iterator[GpsState]:
    """Follow a source, with chrony's word where the source is of this machine."""
    import time

    import attrs

    from pibramble.gps import chrony, sources
    from pibramble.gps.model import Chrony, Origin

    said: Chrony | None = None
    asked_s = 0.0
    for state in sources.follow(source, context.progress, seconds):
        if source.origin is not Origin.LOG and (said is None or time.monotonic() - asked_s > _CHRONY_EVERY_S):
            said, asked_s = chrony.ask(), time.monotonic()
        yield attrs.evolve(state, chrony=said)


def _once(context: Context, source: Source, seconds: float, *, first: bool) -> GpsState:
    """Return the first state that is complete, else the last: of a file always that, of a pipe where `first` is not."""
    from pibramble.gps import sources
    from pibramble.gps.model import Mode, Origin

    state = None
    live = sources.is_live(source)
    for state in _states(context, source, seconds if live else None):
        whole = state.fix.mode >= Mode.TWO_D and state.fix.time and state.sky.satellites
        if whole and live and (first or source.origin is not Origin.LOG):
            break
    if state is None:
        raise _nothing(source)
    return state


def _nothing(source: Source) -> PibrambleError:
    from pibramble.cli.gps.common import hint_of

    name = "standard input" if source.name == "-" else source.name
    return PibrambleError(f"{name}: there is no sentence of a receiver in it", hint=hint_of(source))


def _print(state: GpsState) -> None:
    from pibramble.gps import words

    for name, text in words.facts(state):
        click.echo(f"{name:9} {text}")


def _stream(context: Context, source: Source, seconds: float | None) -> None:
    import json

    from pibramble.serialise import plain

    told: GpsState | None = None
    for state in _states(context, source, seconds):
        if told is None or (state.fix, state.problem) != (told.fix, told.problem):
            click.echo(json.dumps(plain(state), ensure_ascii=False))
            sys.stdout.flush()
            told = state
    if told is None:
        raise _nothing(source)


def _live(context: Context, source: Source, seconds: float | None) -> None:
    """Show the screen until Ctrl-C, or until a pipe ends: then its last state stays."""
    from rich.console import Console
    from rich.live import Live

    from pibramble.gps.live import screen

    console = Console()
    state = None
    try:
        with Live(console=console, auto_refresh=False, screen=True) as live:
            for state in _states(context, source, seconds):
                live.update(screen(state, console.width, console.height), refresh=True)
    except KeyboardInterrupt:
        return  # how one leaves it
    if state is None:
        raise _nothing(source)
    _print(state)
