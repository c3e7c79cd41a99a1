"""`pibramble gps export`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pibramble.errors import PibrambleError, UsageError


@click.command()
@click.argument("log", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default="-")
@click.option(
    "--as", "kind", type=click.Choice(["gpx", "geojson"]), help="The format. [default: by FILE's name, or gpx]"
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
def command(log: Path, file: Path, *, kind: str | None, force: bool) -> None:
    """Write the track in LOG to FILE, or to standard output: as GPX 1.1 or GeoJSON."""
    import attrs

    from pibramble.cli.gps.common import hint_of
    from pibramble.gps import sources
    from pibramble.gps.export import geojson, gpx
    from pibramble.gps.model import Origin

    source = sources.named(str(log))
    if not (log.exists() or str(log) == "-"):
        raise UsageError(f"{log}: there is no such file")
    if source.origin is not Origin.LOG:
        raise UsageError(f"{log} is no log", hint="`pibramble gps record PORT LOG` makes one")
    to_file = str(file) != "-"
    if to_file and file.exists() and not force:
        raise UsageError(f"{file} is there already", hint="--force replaces it")
    # Of the sky a track has the dilutions only; the satellites are most of what a state holds.
    states = [attrs.evolve(one, sky=attrs.evolve(one.sky, satellites=())) for one in sources.states(source)]
    if not any(state.fix.located for state in states):
        raise PibrambleError(f"{log}: there is no position in it", hint=hint_of(source))
    suffixes = {".json": "geojson", ".geojson": "geojson"}
    render = geojson if (kind or suffixes.get(file.suffix, "gpx")) == "geojson" else gpx
    text = render(states, log.stem)
    if to_file:
        file.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
