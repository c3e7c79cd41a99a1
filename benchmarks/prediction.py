"""What `predict` and `bench --against prediction` say, beside what the shaped lab does: every cell, and its deviation.

For USB and for serial wires: `bench` measures two workers, which is what predictions rest on; then 2, 4 and 8 workers,
each run predicted from the run before it, so that sums over 4 and 8 workers are foretold; then `cpi`. At last, how long
a prediction for 256 ranks takes. `python benchmarks/prediction.py --write` puts the tables into docs/predict.md. Not
part of `make bench`: it takes ten minutes, and asks for a machine with nothing else to do; the load is in the report.
`--sums` measures the sums alone, all of them foretold from two workers' messages: two minutes.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from common import PIBRAMBLE, machine, output, seconds

_ROOT = Path(__file__).parents[1]
_PAGE = _ROOT / "docs" / "predict.md"
_TABLES = re.compile(r"(?<=<!-- cells -->\n).*?(?=<!-- end of cells -->)", re.DOTALL)
_CPI = str(_ROOT / "examples" / "cpi.c")
_ALLREDUCE = str(_ROOT / "examples" / "allreduce.c")
_INTERVALS = 1_000_000_000
_COUNTS = (2, 4, 8)
_RANKS = (1, 2, 4, 8)
_RUNS_OF_CPI = 3
_NEAR = 0.1  # the goal: within 10 %
_MANY = 256
_MANY_GOAL_S = 10

_WORKERS = {
    "usb": 'name = "n[1-8]"\nlink = "usb"\n',
    "serial": 'name = "n[1-8]"\nboard = "pi-1a"\nlink = "serial"\nhead_port = "/dev/ttyMAX[0-7]"\nbaud = 921600\n',
}


class Cell(NamedTuple):
    """One figure, in seconds, and what was foretold for it."""

    measured_s: float
    predicted_s: float

    @property
    def off(self) -> float:
        """Return how much longer it took than was foretold, as a part of that."""
        return self.measured_s / self.predicted_s - 1

    @property
    def near(self) -> bool:
        """Say whether the prediction was within 10 %."""
        return abs(self.off) <= _NEAR

    @property
    def deviation(self) -> str:
        """Return how far off it was, bold where that is too much."""
        percent = f"{100 * self.off:+.0f} %"
        return percent if self.near else f"**{percent}**"

    def __str__(self) -> str:
        """Return `measured / predicted, deviation`, in ms."""
        return f"{_ms(self.measured_s)} / {_ms(self.predicted_s)}, {self.deviation}"


class Wire(NamedTuple):
    """All that was measured on one kind of wire; keys of `messages` and `sums` are (what or workers, bytes)."""

    messages: Mapping[tuple[str, int], Sequence[Cell]]  # the same two workers, once a run
    sums: Mapping[tuple[int, int], Cell]
    cpi: Mapping[int, Sequence[Cell]]


class Cluster:
    """A lab of eight workers on one kind of wire."""

    def __init__(self, folder: Path, link: str) -> None:
        """Write its file."""
        self._file = folder / f"{link}.toml"
        self._file.write_text(f'[cluster]\nname = "cells-{link}"\n\n[[workers]]\n{_WORKERS[link]}')
        self._environment = {"PIBRAMBLE_STATE": str(folder / "state")}

    def says(self, *words: str) -> str:
        """Run a verb and return what it prints."""
        return output([PIBRAMBLE, "-q", "-f", str(self._file), *words], env=self._environment)


def measure(link: str, measurements: Callable[[Cluster], Wire]) -> Wire:
    """Bring a lab with one kind of wire up, and measure it."""
    with tempfile.TemporaryDirectory(prefix="pibramble-cells-") as folder:
        cluster = Cluster(Path(folder), link)
        cluster.says("up")
        try:
            return measurements(cluster)
        finally:
            cluster.says("down")


def _sums_alone(cluster: Cluster) -> Wire:
    cluster.says("bench", "-w", "n[1-2]", "--seconds", "0.2")
    sums: dict[tuple[int, int], Cell] = {}
    for workers in _COUNTS:
        ranks = ("-n", str(workers), _ALLREDUCE, "32768")
        predicted = _printed_sums(cluster.says("-t", "lab", "predict", "--output", *ranks, "1"))
        for size, seconds_taken in _printed_sums(cluster.says("run", *ranks, "500", "0.5")).items():
            sums[workers, size] = Cell(seconds_taken, predicted[size])
    return Wire({}, sums, {})


def _printed_sums(said: str) -> dict[int, float]:
    found = re.findall(r"^ +(\d+) +\d+ +([\d.]+) +[\d.]+$", said, re.MULTILINE)
    return {int(size): float(median_us) / 1e6 for size, median_us in found}


def _everything(cluster: Cluster) -> Wire:
    messages: dict[tuple[str, int], list[Cell]] = {}
    sums: dict[tuple[int, int], Cell] = {}
    cluster.says("bench", "-w", "n[1-2]")
    for workers in _COUNTS:
        report = json.loads(cluster.says("bench", "-w", f"n[1-{workers}]", "--against", "prediction", "--json"))
        for figure in report["figures"]:
            what, size = figure["what"], figure["size_bytes"]
            if what.startswith(("ping-pong", "exchange")):
                messages.setdefault((what.partition(",")[0], size), []).append(Cell(figure["value"], figure["against"]))
            elif what.startswith("allreduce"):
                sums[workers, size] = Cell(figure["value"], figure["against"])
    ranks = ",".join(map(str, _RANKS))
    points = json.loads(cluster.says("-t", "lab", "predict", "-n", ranks, "--json", _CPI, str(_INTERVALS)))["points"]
    cpi = {point["ranks"]: [_cpi(cluster, point) for _ in range(_RUNS_OF_CPI)] for point in points}
    return Wire(messages, sums, cpi)


def _cpi(cluster: Cluster, point: Mapping[str, float]) -> Cell:
    """Run cpi once. Its own clock is compared: the start of the ranks is in `predict`'s figure, and next to nothing."""
    said = cluster.says("run", "-n", str(point["ranks"]), _CPI, str(_INTERVALS))
    found = re.search(r"ranks?: ([\d.]+) s", said)
    if found is None:
        message = f"cpi said no time: {said}"
        raise RuntimeError(message)
    return Cell(float(found[1]), point["seconds"])


def _predict_many() -> float:
    with tempfile.TemporaryDirectory(prefix="pibramble-cells-") as folder:
        file = Path(folder) / "cluster.toml"
        file.write_text(f'[cluster]\nname = "cells-many"\n\n[[workers]]\n{_WORKERS["usb"]}')
        words = ("-q", "-f", str(file), "predict", "-n", str(_MANY), _CPI, str(_INTERVALS))
        return seconds([PIBRAMBLE, *words], env={"PIBRAMBLE_STATE": str(Path(folder) / "state")})


def tables(wires: Mapping[str, Wire]) -> str:
    """Return all tables, as Markdown."""
    parts = []
    for link, wire in wires.items():
        cells = [cell for several in wire.messages.values() for cell in several]
        parts.append(f"**{link}**, between two workers, ms; three runs a size. {_near(cells)}\n\n{_messages(wire)}")
    cells = [cell for wire in wires.values() for cell in wire.sums.values()]
    parts.append(f"**allreduce**, ms, measured / predicted. {_near(cells)}\n\n{_sums(wires)}")
    cells = [cell for wire in wires.values() for several in wire.cpi.values() for cell in several]
    parts.append(f"**cpi**, {_INTERVALS:,} intervals, seconds. {_near(cells)}\n\n{_pi(wires)}")
    return "\n\n".join(parts)


def _near(cells: Sequence[Cell]) -> str:
    return f"Within 10 %: {sum(cell.near for cell in cells)} of {len(cells)}."


def _messages(wire: Wire) -> str:
    sizes = sorted({size for _, size in wire.messages})
    rows: list[Sequence[str]] = [("bytes", "ping-pong", "predicted", "off by", "exchange", "predicted", "off by")]
    for size in sizes:
        row = [f"{size:,}"]
        for what in ("ping-pong", "exchange"):
            cells = wire.messages[what, size]
            row += [_ms(_middle(cells)), _ms(statistics.median(cell.predicted_s for cell in cells)), _off(cells)]
        rows.append(row)
    return _markdown(rows)


def _sums(wires: Mapping[str, Wire]) -> str:
    rows = [("bytes", *(f"{workers} {link}" for link, workers in product(wires, _COUNTS)))]
    for size in sorted({size for _, size in next(iter(wires.values())).sums}):
        row = (str(wires[link].sums[workers, size]) for link, workers in product(wires, _COUNTS))
        rows.append((f"{size:,}", *row))
    return _markdown(rows)


def _pi(wires: Mapping[str, Wire]) -> str:
    rows = [("ranks", *(head for link in wires for head in (f"{link}: predicted", "measured", "off by")))]
    for ranks in _RANKS:
        row = [str(ranks)]
        for wire in wires.values():
            cells = wire.cpi[ranks]
            runs = ", ".join(f"{cell.measured_s:.2f}" for cell in cells)
            row += [f"{cells[0].predicted_s:.2f}", runs, _off(cells)]
        rows.append(tuple(row))
    return _markdown(rows)


def _off(cells: Sequence[Cell]) -> str:
    return ", ".join(cell.deviation for cell in cells)


def _middle(cells: Sequence[Cell]) -> float:
    return statistics.median(cell.measured_s for cell in cells)


def _ms(seconds: float) -> str:
    ms = seconds * 1e3
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.3g}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    first, *rest = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in [first, ["---:"] * len(first), *rest])


def main() -> int:
    """Measure both kinds of wire and print the tables."""
    load = os.getloadavg()[0]  # of the minute before: what this adds itself does not count
    if "--sums" in sys.argv[1:]:
        wires = {link: measure(link, _sums_alone) for link in _WORKERS}
        print(f"On {machine()}; the load before was {load:.1f}.\n\n{_sums(wires)}")
        return 0
    wires = {link: measure(link, _everything) for link in _WORKERS}
    many_s = _predict_many()
    today = dt.datetime.now(tz=dt.UTC).date()
    report = (
        f"\nMeasured {today} on {machine()}; the load before was {load:.1f}.\n\n{tables(wires)}\n\n"
        f"Predicting {_MANY} ranks of cpi took {many_s:.1f} s in all; the goal is {_MANY_GOAL_S} s.\n\n"
    )
    print(report)
    if "--write" in sys.argv[1:]:
        page = _PAGE.read_text(encoding="utf-8")
        _PAGE.write_text(_TABLES.sub(lambda _match: report, page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
