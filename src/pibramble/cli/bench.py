"""`pibramble bench`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.options import ending_signals_interrupt, excluded_option, joined, target_option, wanted_option
from pibramble.cli.tables import show_table
from pibramble.errors import Exit, UsageError

if TYPE_CHECKING:
    from pibramble.operate.bench import Settings
    from pibramble.operate.bench_runs import Benchmark, Compared, Figure

_PREDICTION, _LAST = "prediction", "last"


@click.command(
    short_help="Measure how fast the cluster computes and what its wires do.",
    epilog="Examples: pibramble bench; pibramble bench --against last; pibramble bench --against prediction",
)
@wanted_option
@excluded_option
@target_option
@click.option(
    "--against", metavar="RUN", help="Compare with an earlier run: its id, `last` (the one before), or `prediction`."
)
@click.option("--seconds", "seconds_a_size", type=click.FloatRange(min=0.01), default=0.5, show_default=True,
              help="How long to measure each size.")  # fmt: skip
@click.option(
    "--hpl", "want_linpack", is_flag=True, help="Also Linpack, out of hpcc: minutes, on small boards an hour."
)
@click.option(
    "--hpl-n",
    "equations",
    type=click.IntRange(min=1),
    metavar="N",
    help="Linpack with so many equations. [default: what fits into the free memory]",
)
@click.option("--list", "want_list", is_flag=True, help="List the runs there are, and measure nothing.")
@click.option("--show", "shown", metavar="RUN", help="Show an earlier run instead of measuring.")
@click.option("--plot", "plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw it: a .png, .svg or .pdf.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def command(  # noqa: PLR0913 (each is an option)
    context: Context,
    wanted: tuple[str, ...],
    excluded: tuple[str, ...],
    *,
    against: str | None,
    seconds_a_size: float,
    want_linpack: bool,
    equations: int | None,
    want_list: bool,
    shown: str | None,
    plot: Path | None,
    as_json: bool,
) -> int:
    """Measure one core of each board (the loop of cpi), messages over each kind of wire, and allreduce.

    Messages go to and fro (ping-pong), then both ways at once (exchange).

    The run is kept in the cluster's state folder, and `predict` uses the last one. Times are medians. Nothing else
    should run on the cluster meanwhile; a megabyte over a serial line takes its time.
    """
    from pibramble import plotting, simgrid
    from pibramble.operate import bench_runs

    folder = context.folder / "bench"
    if want_list:
        _list(bench_runs.load_all(folder), as_json=as_json)
        return Exit.OK
    if plot:
        plotting.check(plot)
    if against == _PREDICTION:
        simgrid.check()
    run = bench_runs.find(folder, shown) if shown else None
    earlier = None
    if run and against == _LAST:
        earlier = bench_runs.before(folder, run)
    elif against and against != _PREDICTION:
        earlier = bench_runs.find(folder, against)  # before long work: an id may be mistyped
    if run is None:
        settings = _settings(context, wanted, excluded)
        linpack = want_linpack or equations is not None
        run = _measure(
            context,
            attrs.evolve(settings, seconds_a_size=seconds_a_size, linpack=linpack, equations=equations),
        )
        bench_runs.save(folder, run)  # before anything else can go wrong: it took minutes
    other = _predicted(context, run) if against == _PREDICTION else earlier
    compared = bench_runs.compare(run, other)
    if plot:
        plotting.draw_benchmark(run, other, plot)
    if as_json:
        print_json(
            {
                "run": bench_runs.as_plain(run),
                "against": other.id if other else None,
                "figures": [*map(_plain, compared)],
            }
        )
        return Exit.OK
    _show(run, compared, other)
    return Exit.OK


def _settings(context: Context, wanted: tuple[str, ...], excluded: tuple[str, ...]) -> Settings:
    from pibramble.operate.bench import Settings
    from pibramble.operate.nodeset import select

    names = select(context.plan, joined(wanted), joined(excluded))
    workers = tuple(worker for worker in context.plan.workers if worker.name in names)
    if not workers:
        raise UsageError("there is no worker to measure: all links end at the head")
    state = context.target.state()
    return Settings(workers, state.target, one_machine=state.one_machine, about_times=state.about_times)


def _measure(context: Context, settings: Settings) -> Benchmark:
    from pibramble.cli.run import place_of
    from pibramble.operate import bench
    from pibramble.operate.jobs import Watcher

    place = place_of(context)
    with ending_signals_interrupt() as signal_exit:
        watcher = Watcher(lambda _stream, _chunk: None, context.progress, _say, lambda: signal_exit.code)
        return bench.measure(place, settings, watcher)


def _predicted(context: Context, run: Benchmark) -> Benchmark:
    """Return what the runs before this one let us predict for it."""
    from pibramble import forecast
    from pibramble.advise.predict.calibration import NOTHING_MEASURED
    from pibramble.operate import bench_runs

    earlier = [r for r in bench_runs.load_all(context.folder / "bench") if r.target == run.target and r.id < run.id]
    calibration = earlier[-1].calibration if earlier else NOTHING_MEASURED
    cluster = context.cluster_file.cluster
    with context.progress.step("predicting the same"):
        return forecast.benchmark(forecast.prepare(cluster, context.plan, calibration, run.target), run)


def _list(runs: Sequence[Benchmark], *, as_json: bool) -> None:
    from pibramble.operate import bench_runs

    if as_json:
        print_json([bench_runs.as_plain(run) for run in runs])
    elif not runs:
        click.echo("this cluster has not been measured yet", err=True)
    else:
        rows = [
            (run.id, run.target, ", ".join(run.speeds), ", ".join("-".join(ping.links) for ping in run.pings))
            for run in runs
        ]
        show_table(("RUN", "TARGET", "BOARDS", "WIRES"), rows)


def _show(run: Benchmark, compared: Sequence[Compared], other: Benchmark | None) -> None:
    from pibramble.plan.describe import NO_VALUE

    def row(line: Compared) -> tuple[str, ...]:
        figure = line.figure
        size = NO_VALUE if figure.size_bytes is None else f"{figure.size_bytes:,}"
        cells = (figure.what, size, _value(figure), _rate(figure))
        if other is None:
            return cells
        beside = NO_VALUE if line.other is None else _value(figure._replace(value=line.other))
        return (*cells, beside, NO_VALUE if line.ratio is None else f"{line.ratio:.2f}")

    headings = ("WHAT", "BYTES", "MEASURED", "MB/s", *((other.id.upper(), "RATIO") if other else ()))
    show_table(headings, [*map(row, compared)], right=range(1, len(headings)))
    if run.linpack:
        click.echo(f"Linpack: {run.linpack}")
    for remark in (*run.remarks, *(other.remarks if other and other.id == _PREDICTION else ())):
        click.echo(remark)
    click.echo(f"\nrun {run.id} on the {run.target}; ping-pong: one way; times are medians")


def _value(figure: Figure) -> str:
    match figure.unit:
        case "s":
            ms = figure.value * 1e3
            return f"{ms:,.0f} ms" if ms >= 100 else f"{ms:.3g} ms"  # noqa: PLR2004 (three digits)
        case "intervals/s":
            return f"{figure.value / 1e6:,.4g} M/s"
        case _:
            return f"{figure.value:.3g} {figure.unit}"


def _rate(figure: Figure) -> str:
    from pibramble.plan.describe import NO_VALUE

    if figure.unit != "s" or figure.what.startswith("allreduce") or not figure.size_bytes:
        return NO_VALUE
    return f"{figure.size_bytes / figure.value / 1e6:.3g}"


def _plain(line: Compared) -> dict[str, object]:
    figure = line.figure
    return {
        "what": figure.what,
        "size_bytes": figure.size_bytes,
        "value": figure.value,
        "unit": figure.unit,
        "against": line.other,
        "ratio": line.ratio,
    }


def _say(text: str) -> None:
    click.echo(f"pibramble: {text}", err=True)
