"""The runs of `pibramble bench`: kept one file a run in the cluster's state folder, and compared."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import attrs

from pibramble import paths
from pibramble.advise.predict.calibration import NOTHING_MEASURED, Calibration, Curve, Pair, Sample, Traffic
from pibramble.errors import UsageError
from pibramble.spec.model import Link

_ID = re.compile(r"(\d{8}-\d{6}-[0-9a-f]{5})\.json")


NAMES: Mapping[Traffic, str] = {Traffic.ONE_WAY: "ping-pong", Traffic.BOTH_WAYS: "exchange"}


@attrs.frozen
class Ping:
    """Messages between two workers."""

    links: Pair
    traffic: Traffic
    nodes: tuple[str, str]
    curve: Curve


@attrs.frozen
class Sum:
    """An allreduce of all workers with one kind of wire, or with any."""

    link: Link
    nodes: tuple[str, ...]
    curve: Curve


@attrs.frozen
class Linpack:
    """High Performance Linpack, whose residual has passed HPL's check."""

    gflops: float
    equations: int  # N
    block: int  # NB
    rows: int  # P
    columns: int  # Q
    seconds: float
    residual: float  # ||Ax-b|| / (eps (||A|| ||x|| + ||b||) N), in infinity norms; HPL lets 16 pass

    def __str__(self) -> str:
        """Return it as people write it."""
        grid = f"{self.rows} x {self.columns}"
        return (
            f"N = {self.equations:,}, NB = {self.block}, P x Q = {grid}: {self.seconds:,.3g} s, "
            f"residual {self.residual:.3g} PASSED"
        )


@attrs.frozen
class Benchmark:
    """One run."""

    id: str
    began: str  # ISO 8601, UTC
    target: str
    speeds: Mapping[str, float]  # board -> intervals of bench/speed.c a second, one core
    pings: tuple[Ping, ...]
    sums: tuple[Sum, ...]
    linpack: Linpack | None = None
    remarks: tuple[str, ...] = ()

    @property
    def calibration(self) -> Calibration:
        """Return it as predictions want it."""
        by_traffic = (
            {ping.links: ping.curve for ping in self.pings if ping.traffic is traffic}
            for traffic in (Traffic.ONE_WAY, Traffic.BOTH_WAYS)
        )
        return Calibration(self.id, self.speeds, *by_traffic)


class Figure(NamedTuple):
    """One figure of a run."""

    what: str
    size_bytes: int | None
    value: float
    unit: str  # intervals/s | s | GFLOPS


class Compared(NamedTuple):
    """A figure beside another run's."""

    figure: Figure
    other: float | None  # None: the other run has none
    ratio: float | None  # this one over the other


def figures(run: Benchmark) -> Iterator[Figure]:
    """Yield all figures of a run, in the order in which they are shown."""
    for board, speed in run.speeds.items():
        yield Figure(f"cpi, one core of a {board}", None, speed, "intervals/s")
    for ping in run.pings:
        for sample in ping.curve:
            yield Figure(f"{NAMES[ping.traffic]}, {'-'.join(ping.links)}", sample.size_bytes, sample.median_s, "s")
    for total in run.sums:
        for sample in total.curve:
            yield Figure(f"allreduce, {len(total.nodes)} {total.link}", sample.size_bytes, sample.median_s, "s")
    if run.linpack:
        yield Figure("Linpack", None, run.linpack.gflops, "GFLOPS")


def compare(run: Benchmark, other: Benchmark | None) -> tuple[Compared, ...]:
    """Return every figure of a run beside the same one of another."""
    known = {(figure.what, figure.size_bytes): figure.value for figure in figures(other)} if other else {}
    found = []
    for figure in figures(run):
        value = known.get((figure.what, figure.size_bytes))
        found.append(Compared(figure, value, figure.value / value if value else None))
    return tuple(found)


def save(folder: Path, run: Benchmark) -> Path:
    """Keep a run in the folder of all runs; return its file."""
    from pibramble.serialise import plain

    paths.make_private(folder)
    file = folder / f"{run.id}.json"
    paths.write_private(file, json.dumps(plain(_with_texts(run)), indent=1) + "\n")
    return file


def _with_texts(run: Benchmark) -> dict[str, Any]:
    """Return the run with samples as tables, which JSON has no names for."""
    return {
        **{name: getattr(run, name) for name in ("id", "began", "target", "speeds", "linpack", "remarks")},
        "pings": [
            {"links": p.links, "traffic": p.traffic, "nodes": p.nodes, "samples": [list(s) for s in p.curve]}
            for p in run.pings
        ],
        "sums": [{"link": s.link, "nodes": s.nodes, "samples": [list(x) for x in s.curve]} for s in run.sums],
    }


def as_plain(run: Benchmark) -> dict[str, Any]:
    """Return the run for `--json`."""
    return _with_texts(run)


def load_all(folder: Path) -> list[Benchmark]:
    """Return all runs, the oldest first; files that cannot be understood are left out."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if _ID.fullmatch(entry.name))
    except OSError:
        return []
    return [run for name in names if (run := _load(folder / name))]


def find(folder: Path, wanted: str) -> Benchmark:
    """Return the run of this id, or part of it, or `last`. Raises UsageError."""
    runs = load_all(folder)
    if not runs:
        raise UsageError("this cluster has not been measured yet", hint="`pibramble bench` measures it")
    matching = runs[-1:] if wanted == "last" else [run for run in runs if wanted in run.id]
    if len(matching) != 1:
        ids = "\n".join(run.id for run in (matching or runs)[-10:])
        raise UsageError(f"`{wanted}` is {len(matching) or 'none'} of the runs", hint=ids)
    return matching[0]


def before(folder: Path, run: Benchmark) -> Benchmark:
    """Return the run that was made before another one. Raises UsageError where that was the first."""
    earlier = [other for other in load_all(folder) if other.id < run.id]
    if not earlier:
        hint = "`pibramble bench --list` names all runs; `pibramble bench` makes another one"
        raise UsageError(f"there is no run before {run.id} to compare it with", hint=hint)
    return earlier[-1]


def calibration(folder: Path, target: str) -> Calibration:
    """Return what the last run on a target says."""
    runs = [run for run in load_all(folder) if run.target == target]
    return runs[-1].calibration if runs else NOTHING_MEASURED


def _load(file: Path) -> Benchmark | None:
    try:
        said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return Benchmark(
            id=said["id"],
            began=said["began"],
            target=said["target"],
            speeds={board: float(speed) for board, speed in said["speeds"].items()},
            pings=tuple(_ping(entry) for entry in said["pings"]),
            sums=tuple(Sum(Link(e["link"]), tuple(e["nodes"]), _curve(e["samples"])) for e in said["sums"]),
            linpack=Linpack(**said["linpack"]) if said.get("linpack") else None,
            remarks=tuple(said.get("remarks", ())),
        )
    except (OSError, ValueError, KeyError, TypeError):  # half written by a full disk, or by another version
        return None


def _ping(entry: Mapping[str, Any]) -> Ping:
    one, other = entry["links"]
    first, second = entry["nodes"]
    return Ping((Link(one), Link(other)), Traffic(entry["traffic"]), (first, second), _curve(entry["samples"]))


def _curve(rows: list[list[float]]) -> Curve:
    return tuple(Sample(int(size), median, shortest, int(times)) for size, median, shortest, times in rows)
