"""What `predict` and `bench --against prediction` say, beside what the shaped lab does: every cell.

For USB and for serial wires: `bench` measures two workers, which is what predictions rest on; then 2, 4 and 8 workers,
each run predicted from the run before it, so that sums over 4 and 8 workers are foretold; then `cpi`.
`python benchmarks/prediction.py --write` puts the tables into docs/predict.md. Not part of `make bench`: it takes six
minutes, and asks for a machine with nothing else to do.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from common import PIBRAMBLE, machine, output

_ROOT = Path(__file__).parents[1]
_PAGE = _ROOT / "docs" / "predict.md"
_TABLES = re.compile(r"(?<=<!-- cells -->\n).*?(?=<!-- end of cells -->)", re.DOTALL)
_CPI = str(_ROOT / "examples" / "cpi.c")
_ALLREDUCE = str(_ROOT / "src" / "pibramble" / "bench" / "allreduce.c")
_INTERVALS = 1_000_000_000
_COUNTS = (2, 4, 8)
_RANKS = (1, 2, 4, 8)
_RUNS_OF_CPI = 3
_NEAR = 0.1  # the goal: within 10 %
# Which algorithm adds up decides how often the wire is crossed; SMPI's choice of it is an older MPICH's.
_DOUBLING = ("--env", "MPIR_CVAR_ALLREDUCE_INTRA_ALGORITHM=recursive_doubling")

_WORKERS = {
    "usb": 'name = "n[1-8]"\nlink = "usb"\n',
    "serial": 'name = "n[1-8]"\nboard = "pi-1a"\nlink = "serial"\nhead_port = "/dev/ttyMAX[0-7]"\nbaud = 921600\n',
}


class Cell(NamedTuple):
    """One figure, in seconds, and what was foretold for it."""

    measured_s: float
    predicted_s: float

    @property
    def ratio(self) -> float:
        """Return measured / predicted."""
        return self.measured_s / self.predicted_s

    @property
    def near(self) -> bool:
        """Say whether the prediction was within 10 %."""
        return abs(self.ratio - 1) <= _NEAR

    def __str__(self) -> str:
        """Return `measured / predicted = ratio`, in ms; bold where it is off."""
        ratio = f"{self.ratio:.2f}" if self.near else f"**{self.ratio:.2f}**"
        return f"{_ms(self.measured_s)} / {_ms(self.predicted_s)} = {ratio}"


class Wire(NamedTuple):
    """All that was measured on one kind of wire; keys of `messages` and `sums` are (what or workers, bytes)."""

    messages: Mapping[tuple[str, int], Sequence[Cell]]  # the same two workers, once a run
    sums: Mapping[tuple[int, int], Cell]
    doubling: Mapping[tuple[int, int], Cell]
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


def measure(link: str) -> Wire:
    """Measure one kind of wire, all of it."""
    with tempfile.TemporaryDirectory(prefix="pibramble-cells-") as folder:
        cluster = Cluster(Path(folder), link)
        cluster.says("up")
        try:
            return _measure(cluster)
        finally:
            cluster.says("down")


def _measure(cluster: Cluster) -> Wire:
    messages: dict[tuple[str, int], list[Cell]] = {}
    sums: dict[tuple[int, int], Cell] = {}
    doubling: dict[tuple[int, int], Cell] = {}
    cluster.says("bench", "-w", "n[1-2]")
    for workers in _COUNTS:
        report = json.loads(cluster.says("bench", "-w", f"n[1-{workers}]", "--against", "prediction", "--json"))
        for figure in report["figures"]:
            what, size = figure["what"], figure["size_bytes"]
            if what.startswith(("ping-pong", "exchange")):
                messages.setdefault((what.partition(",")[0], size), []).append(Cell(figure["value"], figure["against"]))
            elif what.startswith("allreduce"):
                sums[workers, size] = Cell(figure["value"], figure["against"])
        said = cluster.says("run", *_DOUBLING, "-n", str(workers), _ALLREDUCE, "64", "0.5")
        for size, median_us in re.findall(r"^(\d+) \d+ ([\d.]+) [\d.]+$", said, re.MULTILINE):
            doubling[workers, int(size)] = Cell(float(median_us) / 1e6, sums[workers, int(size)].predicted_s)
    ranks = ",".join(map(str, _RANKS))
    points = json.loads(cluster.says("-t", "lab", "predict", "-n", ranks, "--json", _CPI, str(_INTERVALS)))["points"]
    cpi = {point["ranks"]: [_cpi(cluster, point) for _ in range(_RUNS_OF_CPI)] for point in points}
    return Wire(messages, sums, doubling, cpi)


def _cpi(cluster: Cluster, point: Mapping[str, float]) -> Cell:
    """Run cpi once. Its own clock is compared: the start of the ranks is in `predict`'s figure, and next to nothing."""
    said = cluster.says("run", "-n", str(point["ranks"]), _CPI, str(_INTERVALS))
    found = re.search(r"ranks?: ([\d.]+) s", said)
    if found is None:
        message = f"cpi said no time: {said}"
        raise RuntimeError(message)
    return Cell(float(found[1]), point["seconds"])


def tables(wires: Mapping[str, Wire]) -> str:
    """Return all tables, as Markdown."""
    parts = []
    for link, wire in wires.items():
        parts.append(f"**{link}**, between two workers, ms; three runs a size.\n\n" + _messages(wire))
    parts.append("**allreduce**, ms, measured / predicted = ratio.\n\n" + _sums(wires, "sums"))
    parts.append("The same, when MPICH is told to add up by recursive doubling.\n\n" + _sums(wires, "doubling"))
    parts.append(f"**cpi**, {_INTERVALS:,} intervals, seconds.\n\n" + _pi(wires))
    cells = [cell for wire in wires.values() for cell in _cells(wire)]
    near = sum(cell.near for cell in cells)
    return "\n\n".join([*parts, f"Within 10 %: {near} of {len(cells)} cells, recursive doubling not counted."])


def _cells(wire: Wire) -> list[Cell]:
    several = [*wire.messages.values(), *wire.cpi.values()]
    return [*(cell for cells in several for cell in cells), *wire.sums.values()]


def _messages(wire: Wire) -> str:
    sizes = sorted({size for _, size in wire.messages})
    rows: list[Sequence[str]] = [("bytes", "ping-pong", "predicted", "ratios", "exchange", "predicted", "ratios")]
    for size in sizes:
        row = [f"{size:,}"]
        for what in ("ping-pong", "exchange"):
            cells = wire.messages[what, size]
            row += [_ms(_middle(cells)), _ms(statistics.median(cell.predicted_s for cell in cells)), _ratios(cells)]
        rows.append(row)
    return _markdown(rows)


def _sums(wires: Mapping[str, Wire], which: str) -> str:
    rows = [("bytes", *(f"{workers} {link}" for link, workers in product(wires, _COUNTS)))]
    for size in sorted({size for _, size in getattr(next(iter(wires.values())), which)}):
        row = (str(getattr(wires[link], which)[workers, size]) for link, workers in product(wires, _COUNTS))
        rows.append((f"{size:,}", *row))
    return _markdown(rows)


def _pi(wires: Mapping[str, Wire]) -> str:
    rows = [("ranks", *(head for link in wires for head in (f"{link}: predicted", "measured", "ratios")))]
    for ranks in _RANKS:
        row = [str(ranks)]
        for wire in wires.values():
            cells = wire.cpi[ranks]
            runs = ", ".join(f"{cell.measured_s:.2f}" for cell in cells)
            row += [f"{cells[0].predicted_s:.2f}", runs, _ratios(cells)]
        rows.append(tuple(row))
    return _markdown(rows)


def _ratios(cells: Sequence[Cell]) -> str:
    return ", ".join(f"{cell.ratio:.2f}" if cell.near else f"**{cell.ratio:.2f}**" for cell in cells)


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
    wires = {link: measure(link) for link in _WORKERS}
    today = dt.datetime.now(tz=dt.UTC).date()
    report = f"\nMeasured {today} on {machine()}.\n\n{tables(wires)}\n\n"
    print(report)
    if "--write" in sys.argv[1:]:
        page = _PAGE.read_text(encoding="utf-8")
        _PAGE.write_text(_TABLES.sub(lambda _match: report, page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
