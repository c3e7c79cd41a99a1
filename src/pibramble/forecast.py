"""A prediction from its parts: the plan's wires, what was measured, this PC's speed, and SMPI."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from pibramble import simgrid
from pibramble.advise.power import Feeding
from pibramble.advise.predict.calibration import Calibration, Curve, Traffic
from pibramble.advise.predict.platform import Platform, platform
from pibramble.advise.predict.scaling import Simulated
from pibramble.advise.predict.shared import NOTHING_SHARED, Tree, tree
from pibramble.advise.predict.speeds import speeds
from pibramble.advise.predict.wires import Wires, wires
from pibramble.catalog.sections import Catalogue
from pibramble.operate import bench
from pibramble.operate.bench_runs import Benchmark, Ping, Sum
from pibramble.plan.model import Plan
from pibramble.spec.model import Cluster

LAB = "lab"
_ONCE_S = "0.000001"  # for the programs of bench: simulated time has no noise, so once is enough


@attrs.frozen
class Program:
    """What is to be predicted."""

    source: Path
    arguments: tuple[str, ...] = ()
    compiler_arguments: tuple[str, ...] = ()
    timeout_s: float = 600.0
    counts_computing: bool = True


@attrs.frozen
class Forecast:
    """A cluster as it will be simulated."""

    plan: Plan
    wires: Wires
    tree: Tree  # what they share at the head
    calibration: Calibration
    host_speed: float  # of one core of this PC, in intervals of bench/speed.c a second
    per_core: Mapping[str, float]  # board -> the same of one of its cores
    estimated: tuple[str, ...]  # boards whose speed was not measured
    lab_cores: int | None  # the lab's nodes share so many cores of this PC; None: boards, each with its own

    def platform(self, ranks: int) -> Platform:
        """Return the platform for so many ranks."""
        share = min(1.0, self.lab_cores / ranks) if self.lab_cores else 1.0
        per_core = {board: speed * share for board, speed in self.per_core.items()}
        return platform(self.plan, self.wires, self.tree, per_core, ranks)

    def with_one_rank_a_node(self, workers: Sequence[str], traffic: Traffic) -> Forecast:
        """Return the same for some of the workers, with one core each."""
        nodes = (self.plan.node(name) for name in workers)
        single = tuple(attrs.evolve(node, board=attrs.evolve(node.board, cores=1)) for node in nodes)
        plan = attrs.evolve(self.plan, workers=single)
        return attrs.evolve(self, plan=plan, wires=wires(plan, self.calibration, traffic))


def prepare(
    cluster: Cluster, plan: Plan, calibration: Calibration, target: str, traffic: Traffic = Traffic.BOTH_WAYS
) -> Forecast:  # fmt: skip
    """Measure this PC, and return the forecast of a cluster on a target.

    `plan`: the cluster's. Raises MissingError without gcc, PibrambleError for what cannot be simulated.
    """
    modelled = wires(plan, calibration, traffic)
    boards = [worker.board for worker in plan.workers]
    if target == LAB:  # its nodes are this PC; it has a wire for each worker, and nothing that they share
        host_speed = simgrid.host_speed()
        per_core = {board.name: host_speed for board in boards}
        return Forecast(plan, modelled, NOTHING_SHARED, calibration, host_speed, per_core, (), os.cpu_count() or 1)
    catalogue = Catalogue(cluster.catalog)
    found = speeds(boards, calibration, catalogue.speeds)
    shared = tree(Feeding(cluster, catalogue), plan)
    return Forecast(plan, modelled, shared, calibration, simgrid.host_speed(), found.per_core, found.estimated, None)


def scale(forecast: Forecast, program: Program, ranks: Sequence[int]) -> Iterator[Simulated]:
    """Yield what becomes of a program on each number of ranks. Raises as `simgrid.Simulator` does."""
    with simgrid.simulator() as simulator:
        compiled = simulator.compiled(program.source, program.compiler_arguments)
        job = simgrid.Job(compiled, program.arguments, forecast.host_speed, program.timeout_s, program.counts_computing)
        for count in ranks:
            place = forecast.platform(count)
            yield simulator.run(job, place, forecast.wires.steps_for(place.kinds), count)


def benchmark(forecast: Forecast, measured: Benchmark) -> Benchmark:
    """Run what was measured on the simulated cluster instead."""
    pings = tuple(_played(forecast, ping) for ping in measured.pings)
    sums = tuple(_summed(forecast, total) for total in measured.sums)
    known = {board: speed for board, speed in forecast.per_core.items() if board in measured.speeds}
    run = forecast.calibration.run
    remark = (
        f"The prediction rests on run {run}."
        if run
        else "The prediction rests on the plan: nothing was measured before."
    )
    return Benchmark("prediction", measured.began, measured.target, known, pings, sums, remarks=(remark,))


def _played(forecast: Forecast, ping: Ping) -> Ping:
    words = (str(bench.PING_BYTES), _ONCE_S, *bench.TRAFFIC_WORDS[ping.traffic])
    place = forecast.with_one_rank_a_node(ping.nodes, ping.traffic)
    # It computes nothing, and what MPI itself took on the boards is in the wires' times. What this PC takes to run it
    # is noise, stretched by as much as the boards are slower, and large on a PC that is busy.
    return attrs.evolve(ping, curve=_curve(place, "pingpong.c", words, counts_computing=False))


def _summed(forecast: Forecast, total: Sum) -> Sum:
    place = forecast.with_one_rank_a_node(total.nodes, Traffic.BOTH_WAYS)
    return attrs.evolve(total, curve=_curve(place, "allreduce.c", (str(bench.SUM_DOUBLES), "1")))


def _curve(forecast: Forecast, name: str, arguments: tuple[str, ...], *, counts_computing: bool = True) -> Curve:
    program = Program(bench.PROGRAMS / name, arguments, counts_computing=counts_computing)
    [run] = scale(forecast, program, (len(forecast.plan.workers),))
    return bench.read_curve(run.printed)
