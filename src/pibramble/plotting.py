"""Pictures of what `predict` and `bench` found, drawn by Matplotlib: PNG, SVG, PDF, by the file's ending."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pibramble.advise.predict.scaling import Scaling
from pibramble.errors import MissingError, PibrambleError, UsageError
from pibramble.operate.bench_runs import NAMES, Benchmark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ENDINGS = (".png", ".svg", ".pdf")
_COLOURS = {"compute": "#3b7dd8", "wire": "#e07b39", "waiting": "#b8b8b8"}


def check(file: Path) -> None:
    """Say before long work that a picture cannot be made. Raises UsageError and MissingError."""
    import importlib.util

    if file.suffix.lower() not in _ENDINGS:
        raise UsageError(
            f"{file} is no picture that can be drawn", hint=f"its name ends in one of {', '.join(_ENDINGS)}"
        )
    if not file.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}")
    if importlib.util.find_spec("matplotlib") is None:
        hint = "pip install 'pibramble[plot]', in a checkout scripts/setup plot"
        raise MissingError("pictures are drawn by Matplotlib, which is not installed", hint=hint)


def draw_scaling(scaling: Scaling, title: str, file: Path) -> None:
    """Draw the speed-up beside the ideal one, and where the time goes."""
    ranks = [point.ranks for point in scaling.points]
    with _figure(file, columns=2) as (figure, (left, right)):
        figure.suptitle(title)
        left.plot(ranks, [count / ranks[0] for count in ranks], ":", color="grey", label="ideal")
        left.plot(
            ranks, [point.speed_up for point in scaling.points], "o-", color=_COLOURS["compute"], label="predicted"
        )
        if scaling.knee is not None:
            left.axvline(scaling.knee, color=_COLOURS["wire"], linestyle="--", label=f"knee: {scaling.knee}")
        left.set(xlabel="ranks", ylabel=f"speed-up against {ranks[0]}", xscale="log", yscale="log")
        left.set_xticks(ranks, [str(count) for count in ranks], minor=False)
        left.minorticks_off()
        left.legend()
        places = range(len(ranks))
        below = [0.0] * len(ranks)
        for part, colour in _COLOURS.items():
            shares = [100 * float(getattr(point, part)) for point in scaling.points]
            right.bar(places, shares, bottom=below, color=colour, label=part)
            below = [bottom + share for bottom, share in zip(below, shares, strict=True)]
        right.set_xticks(list(places), [str(count) for count in ranks])
        right.set(xlabel="ranks", ylabel="% of the time", ylim=(0, 100))
        right.legend(loc="lower left")


def draw_benchmark(run: Benchmark, other: Benchmark | None, file: Path) -> None:
    """Draw how long messages and sums take; another run, or the prediction, in dashes."""
    with _figure(file, columns=2) as (figure, (left, right)):
        figure.suptitle(f"{run.target}, {run.id}" + (f" (dashes: {other.id})" if other else ""))
        for axes, name in ((left, "pings"), (right, "sums")):
            for shown, style in ((run, "o-"), (other, "--")):
                if shown is not None:
                    axes.set_prop_cycle(None)  # the same colours for both
                    _curves(axes, shown, name, style)
            axes.set(xlabel="bytes", ylabel="seconds", xscale="log", yscale="log")
            if axes.get_legend_handles_labels()[0]:
                axes.legend()
        left.set_title("messages, one way")
        right.set_title("allreduce")


def _curves(axes: Axes, run: Benchmark, name: str, style: str) -> None:
    named = (
        [(f"{NAMES[ping.traffic]}, {'-'.join(ping.links)}", ping.curve) for ping in run.pings]
        if name == "pings"
        else [(f"{len(total.nodes)} {total.link}", total.curve) for total in run.sums]
    )
    for label, curve in named:
        shown = label if style == "o-" else None
        axes.plot([s.size_bytes for s in curve], [s.median_s for s in curve], style, label=shown, markersize=4)


@contextmanager
def _figure(file: Path, columns: int) -> Iterator[tuple[Figure, tuple[Axes, ...]]]:
    """Yield an empty picture, and write it, whole or not at all. Raises PibrambleError where it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no window, no display
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * columns, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    yield figure, tuple(figure.subplots(1, columns))
    scratch = file.with_name(f".{file.name}")
    try:
        figure.savefig(scratch, format=file.suffix.lower().removeprefix("."), dpi=110)
        scratch.replace(file)
    except OSError as error:
        raise PibrambleError(f"{file} cannot be written: {error.strerror}") from None
    finally:
        scratch.unlink(missing_ok=True)
