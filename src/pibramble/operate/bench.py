"""What a running cluster does: compute speed, ping-pong, allreduce, and Linpack where it is asked for.

The programs lie in pibramble/bench as C files and are run as anybody's would be, so they measure what jobs get.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement, product
from pathlib import Path

import attrs

from pibramble.advise.predict.calibration import Curve, Sample, Traffic, pair
from pibramble.errors import PibrambleError
from pibramble.operate import linpack
from pibramble.operate.bench_runs import NAMES, Benchmark, Linpack, Ping, Sum
from pibramble.operate.jobs import Place, Request, Watcher, run_job
from pibramble.operate.nodeset import fold
from pibramble.operate.record import new_id, now
from pibramble.operate.remote import Stream
from pibramble.plan.model import NodePlan
from pibramble.spec.model import Link

PROGRAMS = Path(__file__).parents[1] / "bench"
PING_BYTES = 1 << 20
SUM_DOUBLES = 1 << 15
SUM_REPEATS = 500  # at most
TRAFFIC_WORDS: Mapping[Traffic, tuple[str, ...]] = {Traffic.ONE_WAY: (), Traffic.BOTH_WAYS: ("exchange",)}
_TIMEOUT_S = 1800.0


@attrs.frozen
class Settings:
    """How thoroughly to measure, and on which workers."""

    workers: tuple[NodePlan, ...]
    target: str
    seconds_a_size: float = 0.5
    linpack: bool = False
    equations: int | None = None  # of Linpack; None: as many as fit into the memory that is free
    one_machine: bool = False  # all nodes share one machine's memory
    about_times: str = ""  # what the target says of times that are measured there


def measure(place: Place, settings: Settings, watcher: Watcher) -> Benchmark:
    """Measure, one thing after the other: together they would take each other's wires.

    Raises as `run_job` does, and KeyboardInterrupt when a job was interrupted.
    """
    workers = settings.workers
    kinds = list(dict.fromkeys(_link(worker) for worker in workers))
    seconds = f"{settings.seconds_a_size:g}"
    speeds: dict[str, float] = {}
    for worker in {worker.board.name: worker for worker in reversed(workers)}.values():
        with watcher.progress.step(f"how fast {worker.name} computes"):
            said = _ours(place, "speed.c", (), [worker.name], watcher)
        speeds[worker.board.name] = read_speed(said)
    pings = []
    for (one, other), traffic in product(pairs_to_play(workers), Traffic):
        words = (str(PING_BYTES), seconds, *TRAFFIC_WORDS[traffic])
        with watcher.progress.step(f"{NAMES[traffic]} between {one.name} and {other.name}"):
            said = _ours(place, "pingpong.c", words, [one.name, other.name], watcher)
        pings.append(Ping(pair(_link(one), _link(other)), traffic, (one.name, other.name), read_curve(said)))
    sums = []
    for kind in kinds:
        nodes = [worker.name for worker in workers if _link(worker) is kind]
        if len(nodes) > 1:
            with watcher.progress.step(f"allreduce of {len(nodes)} {kind} workers"):
                said = _ours(place, "allreduce.c", (str(SUM_DOUBLES), str(SUM_REPEATS), seconds), nodes, watcher)
            sums.append(Sum(kind, tuple(nodes), read_curve(said)))
    solved, remark = _linpack(place, settings, watcher) if settings.linpack else (None, "")
    remarks = tuple(said for said in (settings.about_times, remark) if said)
    return Benchmark(new_id(), now(), settings.target, speeds, tuple(pings), tuple(sums), solved, remarks)


def _linpack(place: Place, settings: Settings, watcher: Watcher) -> tuple[Linpack | None, str]:
    """Return what Linpack came to; or None and why there is nothing."""
    boards = {worker.name: worker.board for worker in settings.workers}
    shares = {name: linpack.Share(board.cores, board.memory_mb << 20) for name, board in boards.items()}
    ranks = sum(share.ranks for share in shares.values())
    ready = linpack.ask(place.connections, shares, one_machine=settings.one_machine)
    if ready.reason:
        return None, f"Linpack is left out: {ready.reason}"
    problem = linpack.size(ranks, ready.bytes_a_rank)
    if settings.equations:
        problem = attrs.evolve(problem, equations=settings.equations)
    more = ", and hpcc's other tests" if ready.runs_all else ""
    with watcher.progress.step(f"Linpack with {problem.equations} equations on {ranks} ranks{more}"):
        request = Request(program=ready.program, arguments=ready.arguments(problem), nodes=tuple(shares), ranks=ranks)
        said = _output(place, request, watcher)
    return linpack.read(said), ""


def pairs_to_play(workers: Sequence[NodePlan]) -> Iterator[tuple[NodePlan, NodePlan]]:
    """Yield two workers for each pair of kinds of wire; the first ones stand for all of their kind."""
    by_kind: dict[Link, list[NodePlan]] = {}
    for worker in workers:
        by_kind.setdefault(_link(worker), []).append(worker)
    for one, other in combinations_with_replacement(by_kind, 2):
        if one is not other:
            yield by_kind[one][0], by_kind[other][0]
        elif len(by_kind[one]) > 1:
            yield by_kind[one][0], by_kind[one][1]


def read_speed(said: str) -> float:
    """Read what bench/speed.c prints. Raises PibrambleError."""
    words = said.split()
    try:
        return float(words[words.index("intervals_per_s") + 1])
    except (ValueError, IndexError):
        raise _unreadable("speed", said) from None


def read_curve(said: str) -> Curve:
    """Read what bench/pingpong.c and bench/allreduce.c print. Raises PibrambleError."""
    samples = []
    for line in said.splitlines():
        if line.split()[:1] == ["bytes"]:
            continue  # allreduce's headings
        try:
            size, times, median_us, shortest_us = line.split()
            samples.append(Sample(int(size), float(median_us) / 1e6, float(shortest_us) / 1e6, int(times)))
        except ValueError:
            raise _unreadable("the benchmark", line) from None
    if not samples:
        raise _unreadable("the benchmark", "nothing")
    return tuple(samples)


def _unreadable(what: str, said: str) -> PibrambleError:
    return PibrambleError(f"what {what} printed cannot be understood: {said.strip()[:80] or 'nothing'}")


def _link(worker: NodePlan) -> Link:
    assert worker.link is not None  # noqa: S101 (for mypy: workers have links)
    return worker.link.kind


def _ours(place: Place, program: str, arguments: tuple[str, ...], nodes: Sequence[str], watcher: Watcher) -> str:
    """Run one of our programs, one rank a node, and return what it printed. Raises PibrambleError if it failed."""
    request = Request(
        program=str(PROGRAMS / program),
        arguments=arguments,
        nodes=tuple(nodes),
        ranks=len(nodes),
        per_node=1,
        timeout_s=_TIMEOUT_S,
    )
    return _output(place, request, watcher)


def _output(place: Place, request: Request, watcher: Watcher) -> str:
    said: dict[Stream, list[bytes]] = {stream: [] for stream in Stream}

    def keep(stream: Stream, chunk: bytes) -> None:
        said[stream].append(chunk)

    record = run_job(place, request, attrs.evolve(watcher, on_output=keep))
    if record.exit_code == watcher.interrupted_code():
        raise KeyboardInterrupt
    if record.exit_code:
        words = b"".join(said[Stream.STDERR]).decode(errors="replace").strip()
        raise PibrambleError(
            f"{Path(request.program).name} on {fold(request.nodes)} ended with exit code {record.exit_code}",
            hint=words or f"pibramble jobs {record.id} --output",
        )
    return b"".join(said[Stream.STDOUT]).decode(errors="replace")
