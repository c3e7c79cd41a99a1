"""What predicted times say: speed-up, efficiency, where the time goes, and where another board is wasted money."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import attrs

WORTHWHILE = 0.5  # a board that adds less than half of what the first one does is not worth buying


@attrs.frozen
class Simulated:
    """What SMPI said about one number of ranks."""

    ranks: int
    seconds: float  # from MPI_Init to MPI_Finalize of the slowest rank
    seconds_without_wires: float  # the same computers, wires that cost nothing
    compute_s: float  # what an average rank computed
    printed: str = ""  # what the program printed
    timed_twice: bool = False  # what it computes was measured anew without wires, so shares hold what noise there is


@attrs.frozen
class Point:
    """One number of ranks, judged."""

    ranks: int
    seconds: float
    speed_up: float  # against the smallest number of ranks
    efficiency: float
    compute: float  # shares of the time, 0 to 1
    wire: float
    waiting: float


@attrs.frozen
class Scaling:
    """The whole answer."""

    points: tuple[Point, ...]
    knee: int | None  # so many ranks and no more; None: every step was worth while
    fastest: int


def judge(runs: Sequence[Simulated]) -> Scaling:
    """Judge the runs, in the order of their ranks.

    A rank's time is what it computes, and what it loses. What the same computers would not lose without wires is the
    wires' share; the rest is waiting for ranks that have more to do, or do it first. Where the run without wires was
    timed anew, it may take longer than that with them: shares below 0 are taken as 0.
    """
    ordered = sorted(runs, key=lambda run: run.ranks)
    base = ordered[0]
    points = tuple(_point(run, base) for run in ordered)
    return Scaling(points, _knee(points), min(points, key=lambda point: point.seconds).ranks)


def _point(run: Simulated, base: Simulated) -> Point:
    total = run.seconds
    speed_up = base.seconds / total if total else 1.0
    compute = min(run.compute_s, total)
    wire = min(max(total - run.seconds_without_wires, 0.0), total - compute)
    waiting = total - compute - wire
    shares = [part / total if total else 0.0 for part in (compute, wire, waiting)]
    return Point(run.ranks, total, speed_up, speed_up * base.ranks / run.ranks, *shares)


def _knee(points: Sequence[Point]) -> int | None:
    """Return the last number of ranks up to which each rank more adds at least WORTHWHILE of a first one."""
    for before, after in pairwise(points):
        gained = (after.speed_up - before.speed_up) * points[0].ranks
        if gained < WORTHWHILE * (after.ranks - before.ranks):
            return before.ranks
    return None


def steps_to(most: int) -> tuple[int, ...]:
    """Return 1, 2, 4 and so on up to `most`, and that itself."""
    powers = [1 << power for power in range(most.bit_length()) if 1 << power < most]
    return (*powers, most)
