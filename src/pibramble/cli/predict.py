"""`pibramble predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.tables import show_table
from pibramble.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pibramble.advise.predict.calibration import Calibration
    from pibramble.advise.predict.scaling import Scaling, Simulated
    from pibramble.forecast import Forecast

_MOST_RANKS = 4096  # beyond that the simulator's memory, not the cluster, is what is tried
_NONE = "none"


@click.command(
    context_settings={"allow_interspersed_args": False},
    short_help="How an MPI program would scale on boards that nobody has bought.",
    epilog="Examples: pibramble predict examples/cpi.c 10000000; pibramble predict -n 1,16,64 --plot cpi.png cpi.c; "
    "pibramble -t lab predict examples/allreduce.c",
)
@click.option("-n", "--ranks", "wanted", metavar="N,N,...",
              help="Numbers of ranks. [default: 1, 2, 4 ... all cores, and twice that]")  # fmt: skip
@click.option("--calibration", "run_id", metavar="RUN", help="Use this run of `bench`, or none. [default: the last]")
@click.option("--cc-args", "compiler_arguments", default="", metavar="WORDS", help="For the compiler: '-O3'.")
@click.option("--traffic", type=click.Choice(("both-ways", "one-way")), default="both-ways", show_default=True,
              help="Which of bench's messages the program's are like.")  # fmt: skip
@click.option("--output", "want_output", is_flag=True, help="Also show what the program prints.")
@click.option("--plot", "plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw it: a .png, .svg or .pdf.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0, min_open=True), default=600.0, show_default=True,
              metavar="SECONDS", help="For each number of ranks.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.argument("program", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(  # noqa: PLR0913 (each is an option)
    context: Context,
    *,
    wanted: str | None,
    run_id: str | None,
    compiler_arguments: str,
    traffic: str,
    want_output: bool,
    plot: Path | None,
    timeout_s: float,
    as_json: bool,
    program: Path,
    arguments: tuple[str, ...],
) -> int:
    """Run PROGRAM, an unmodified MPI source file, with ARGUMENTS on a simulated cluster like the cluster file's.

    SimGrid's SMPI runs it on this PC and works out how long it would take on the boards. More ranks than the cluster
    has cores: more of the same workers. With `-t lab` before the verb it predicts the lab on this PC instead.
    """
    import shlex

    from pibramble import forecast, plotting, simgrid
    from pibramble.advise.predict.calibration import Traffic
    from pibramble.advise.predict.scaling import judge

    simgrid.compiler_of(program)  # before anything is measured
    if plot:
        plotting.check(plot)
    target = _target(context)
    ranks = _ranks(wanted, sum(worker.board.cores for worker in context.plan.workers))
    with context.progress.step("measuring this PC"):
        calibration = _calibration(context, target, run_id)
        cluster = context.cluster_file.cluster
        prepared = forecast.prepare(cluster, context.plan, calibration, target, Traffic(traffic))
    what = forecast.Program(program, arguments, tuple(shlex.split(compiler_arguments)), timeout_s)
    runs: list[Simulated] = []
    with context.progress.step(f"simulating {program.name}", len(ranks), "runs") as step:
        for run in forecast.scale(prepared, what, ranks):
            runs.append(run)
            step.advance(note=f"{run.ranks} ranks")
    scaling = judge(runs)
    if plot:
        plotting.draw_scaling(scaling, f"{program.name} on {context.plan.name}, predicted", plot)
    if as_json:
        print_json(_plain(scaling, runs, prepared, target))
        return Exit.OK
    if want_output:
        for run in runs:
            click.secho(f"--- {run.ranks} ranks", dim=True)
            click.echo(run.printed, nl=not run.printed.endswith("\n"))
    _show(scaling, prepared, target)
    if rough := [str(run.ranks) for run in runs if run.timed_twice]:
        click.echo(
            f"WIRE and WAITING of {', '.join(rough)} ranks are rough: without wires the program makes other calls."
        )
    return Exit.OK


def _target(context: Context) -> str:
    """Return what is predicted: boards, unless the lab is asked for."""
    if context.asked_target not in {None, "lab", "hardware"}:
        raise UsageError(f"there is no predicting a target `{context.asked_target}`", hint="-t lab or -t hardware")
    return context.asked_target or "hardware"


def _ranks(wanted: str | None, cores: int) -> tuple[int, ...]:
    from pibramble.advise.predict.scaling import steps_to

    if wanted is None:
        return (*steps_to(max(1, cores)), 2 * max(1, cores))
    try:
        numbers = sorted({int(word) for word in wanted.split(",")})
    except ValueError:
        raise UsageError(f"`-n {wanted}` is no list of numbers", hint="as -n 1,2,4,8") from None
    if numbers[0] < 1 or numbers[-1] > _MOST_RANKS:
        raise UsageError(f"`-n {wanted}`: there can be 1 to {_MOST_RANKS} ranks")
    return tuple(numbers)


def _calibration(context: Context, target: str, run_id: str | None) -> Calibration:
    from pibramble.advise.predict.calibration import NOTHING_MEASURED
    from pibramble.operate import bench_runs

    folder = context.folder / "bench"
    if run_id == _NONE:
        return NOTHING_MEASURED
    if run_id is None:
        return bench_runs.calibration(folder, target)
    run = bench_runs.find(folder, run_id)
    if run.target != target:
        raise UsageError(f"{run.id} measured {run.target}, and {target} is to be predicted", hint=f"-t {run.target}")
    return run.calibration


def _show(scaling: Scaling, prepared: Forecast, target: str) -> None:
    rows = [
        (
            str(point.ranks),
            _seconds(point.seconds),
            f"{point.speed_up:.2f}",
            f"{100 * point.efficiency:.0f} %",
            *(f"{100 * share:.0f} %" for share in (point.compute, point.wire, point.waiting)),
        )
        for point in scaling.points
    ]
    headings = ("RANKS", "SECONDS", "SPEED-UP", "EFFICIENCY", "COMPUTE", "WIRE", "WAITING")
    show_table(headings, rows, right=range(len(headings)))
    click.echo()
    click.secho(verdict(scaling), bold=True)
    for line in basis(prepared, target):
        click.echo(line)


def verdict(scaling: Scaling) -> str:
    """Return the answer to "how many boards?" in a sentence."""
    last = scaling.points[-1]
    if len(scaling.points) == 1:
        return "One number of ranks says nothing about scaling: -n 1,2,4 would."
    if scaling.knee is None:
        return (
            f"It is worth {last.ranks} ranks: up to there each one more adds at least half of what the first one does."
        )
    fastest = "" if scaling.fastest == scaling.knee else f" The shortest time is that of {scaling.fastest}."
    return (
        f"The knee is at {scaling.knee}: beyond it a rank more adds less than half of what the first one does.{fastest}"
    )


def basis(prepared: Forecast, target: str) -> list[str]:
    """Return what the prediction rests on, a sentence a line."""
    lines = []
    run = prepared.calibration.run
    if prepared.lab_cores:
        lines.append(f"Nodes: lab nodes on this PC, which share its {prepared.lab_cores} cores.")
    elif prepared.estimated:
        boards = ", ".join(prepared.estimated)
        lines.append(
            f"Speed of {boards}: the catalogue's Linpack figures, not measured: easily off by a factor of two or three."
        )
        lines.append(f"  `pibramble bench` on the boards measures it. This PC: {_million(prepared.host_speed)}.")
    else:
        speeds = ", ".join(f"{board} {_million(speed)}" for board, speed in prepared.per_core.items())
        lines.append(f"Speed: measured by bench {run}: {speeds}. This PC: {_million(prepared.host_speed)}.")
    kinds = dict.fromkeys(worker.link.kind for worker in prepared.plan.workers if worker.link)
    for kind in kinds:
        how = f"measured by bench {run}" if kind in prepared.wires.measured else "as planned, not measured"
        lines.append(f"Wires ({kind}): {how}.")
    lines += _shared(prepared)
    if target == "lab" and not prepared.wires.measured:
        lines.append("  `pibramble -t lab bench` measures them: latency is not modelled without.")
    return lines


def _shared(prepared: Forecast) -> Iterator[str]:
    """Yield what wires share, a sentence a line. Between two workers a byte takes it twice."""
    from pibramble.advise.predict.shared import Kind
    from pibramble.spec.findings import listed
    from pibramble.spec.model import Link

    tree = prepared.tree
    buses = tree.of_kind(Kind.BUS)
    links = [worker.link for worker in prepared.plan.workers if worker.link]
    if buses and any(link.kind is Link.USB for link in links):
        rate = f"{buses[0].bytes_per_s / 2e6:.3g} MB/s between"
        if len(buses) == 1:
            yield f"USB workers share the head's bus: {rate} them all."
        else:
            yield f"USB workers share the head's {len(buses)} buses, dealt out in turn: {rate} those of one."
    for hub in tree.of_kind(Kind.HUB):
        if hub.bytes_per_s < buses[0].bytes_per_s:
            yield f"{hub.name} is a full-speed hub: {hub.bytes_per_s / 2e6:.3g} MB/s between those on it."
    others = {
        link.head_port: None
        for worker in prepared.plan.workers
        if (link := worker.link) and link.head_port and any(trunk.kind is Kind.BUS for trunk in tree.way(worker.name))
    }
    if others:
        yield f"Also on USB: the head's {listed(others)}."


def _million(speed: float) -> str:
    return f"{speed / 1e6:.4g} million intervals of cpi a second"


def _seconds(seconds: float) -> str:
    return f"{seconds:.4g}" if seconds < 1000 else f"{seconds:,.0f}"  # noqa: PLR2004 (four digits)


def _plain(scaling: Scaling, runs: list[Simulated], prepared: Forecast, target: str) -> dict[str, object]:
    of_run = {run.ranks: {"printed": run.printed, "timed_twice": run.timed_twice} for run in runs}
    return {
        "target": target,
        "points": [{**_fields(point), **of_run[point.ranks]} for point in scaling.points],
        "knee": scaling.knee,
        "fastest": scaling.fastest,
        "calibration": prepared.calibration.run or None,
        "host_intervals_per_s": prepared.host_speed,
        "core_intervals_per_s": prepared.per_core,
        "estimated_boards": prepared.estimated,
        "measured_wires": sorted(prepared.wires.measured),
        "shared": [_fields(trunk) for trunk in prepared.tree.trunks.values()],
    }


def _fields(point: object) -> dict[str, object]:
    from typing import cast

    from pibramble.serialise import plain

    return cast("dict[str, object]", plain(point))
