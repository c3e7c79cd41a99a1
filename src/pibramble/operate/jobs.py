"""Run an MPI program on the cluster: from what a person asks for to the record of how it went.

asked for -> nodes and ranks -> facts of the nodes -> executable there -> mpiexec -> record
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from pibramble.errors import Exit
from pibramble.operate import clocks, programs
from pibramble.operate import facts as node_facts
from pibramble.operate.elf import Abi
from pibramble.operate.facts import Facts
from pibramble.operate.launch import Gone, OnOutput, RunningJob, Surroundings
from pibramble.operate.mpi import Launch, Share, share_out
from pibramble.operate.programs import Command, Executable, Source, Workshop
from pibramble.operate.record import JobRecord, Journal, new_id, now, own_start
from pibramble.operate.remote import Stream
from pibramble.plan.model import Plan
from pibramble.progress import Progress
from pibramble.targets.base import Connections


def _nobody_gone(_nodes: Sequence[str]) -> Mapping[str, str]:
    return {}


@attrs.frozen
class Place:
    """The cluster that a job runs on."""

    plan: Plan
    folder: Path  # the cluster's state folder
    connections: Connections
    gone: Gone = _nobody_gone  # which nodes the target knows to be dead

    @property
    def jobs(self) -> Path:
        """Return the folder of all job records."""
        return self.folder / "jobs"


@attrs.frozen(kw_only=True)
class Request:
    """What a person asks for."""

    program: str
    arguments: tuple[str, ...] = ()
    nodes: tuple[str, ...]  # in the order in which they get ranks
    ranks: int | None = None  # None: one for every core
    per_node: int | None = None
    environment: Mapping[str, str] = {}
    timeout_s: float | None = None
    compiler_arguments: tuple[str, ...] = ()


@attrs.frozen
class Watcher:
    """Who follows a job."""

    on_output: OnOutput
    progress: Progress
    say: Callable[[str], None]  # what people should know, a line at a time
    interrupted_code: Callable[[], int] = lambda: Exit.INTERRUPTED


def run_job(place: Place, request: Request, watcher: Watcher, *, stdin: int | None = None) -> JobRecord:
    """Run a job to its end, leave its record, and return that. `stdin` is passed on to rank 0.

    Raises UsageError for what cannot be run, UnreachableError, MissingError for MPICHs that do not fit together, and
    CompilerError; then nothing was started, and there is no record. KeyboardInterrupt ends the job on every node.
    """
    launch = prepare(place, request, watcher)
    record = JobRecord(
        id=new_id(),
        command=(request.program, *request.arguments),
        nodes=tuple(share.node.name for share in launch.shares),
        ranks=sum(share.ranks for share in launch.shares),
        ranks_by_node={share.node.name: share.ranks for share in launch.shares},
        environment=dict(request.environment),
        mpich=launch.mpich.version,
        began=now(),
        pid=os.getpid(),
        pid_began=own_start(),
    )
    journal = Journal(place.jobs, record, watcher.say)

    def on_output(stream: Stream, chunk: bytes) -> None:
        journal.write(stream, chunk)
        watcher.on_output(stream, chunk)

    surroundings = Surroundings(
        place.connections, place.plan.head.name, place.gone, request.timeout_s, watcher.interrupted_code, watcher.say
    )
    began = time.monotonic()
    try:
        verdict = RunningJob(record.id, launch, surroundings, on_output).run(stdin)
    except BaseException as error:
        journal.end(Exit.FAILED, f"{type(error).__name__}: {error}".rstrip(": "), time.monotonic() - began)
        raise
    ended = journal.end(verdict.exit_code, verdict.reason, time.monotonic() - began)
    if verdict.reason and not (journal.complained and _said_by_program(verdict.reason)):
        watcher.say(f"the job has ended: {verdict.reason}" + (f"\n  {verdict.hint}" if verdict.hint else ""))
    return ended


def prepare(place: Place, request: Request, watcher: Watcher) -> Launch:
    """Do all that comes before the start: see `run_job` for what it raises."""
    program = programs.find(request.program, request.compiler_arguments)
    shares = share_out([place.plan.node(name) for name in request.nodes], request.ranks, request.per_node)
    _mention_crowding(shares, request, watcher)
    head = place.plan.head.name
    workers = [share.node.name for share in shares]
    everyone = list(dict.fromkeys([head, *workers]))

    executables = _known_builds(program, place, workers)
    condition = " || ".join(programs.there(kept) for kept in executables.values()) or programs.there(program)
    facts = node_facts.ask(place.connections, place.folder, everyone, condition)
    mpich = node_facts.check_alike(facts)
    _mention_clocks(place.plan, facts, watcher)
    ranks_facts = {node: facts[node] for node in workers}

    if isinstance(program, Command):
        programs.check_there(program, ranks_facts)
        words = dict.fromkeys(workers, programs.word(program))
    else:
        workshop = Workshop(place.connections, place.folder, watcher.progress)
        if isinstance(program, Executable):
            programs.check_fits(program, ranks_facts)
            by_node = dict.fromkeys(workers, program)
        else:
            by_node, warnings = _compiled(program, ranks_facts, facts, workshop)
            if warnings:
                watcher.say(warnings)
        _stage(by_node, ranks_facts, workshop)
        words = {node: executable.path for node, executable in by_node.items()}
    return Launch(shares, words, request.arguments, mpich, request.environment)


def _known_builds(program: Executable | Source | Command, place: Place, nodes: Sequence[str]) -> dict[Abi, Executable]:
    """Return what a source was compiled to earlier, if the nodes are known: then one round trip is enough."""
    if not isinstance(program, Source):
        return {}
    return programs.kept_builds(program, node_facts.recall(place.connections, place.folder, nodes), place.folder)


def _compiled(
    source: Source, wanted: Mapping[str, Facts], facts: Mapping[str, Facts], workshop: Workshop
) -> tuple[dict[str, Executable], str]:
    """Return each wanted node's executable, and the compiler's warnings; compile what was not compiled before."""
    built = programs.kept_builds(source, wanted, workshop.folder)
    missing = {fact.abi for fact in wanted.values()} - set(built)
    builders = [node for node, fact in facts.items() if fact.abi in missing]  # the head comes first
    new, warnings = programs.build(source, facts, builders, workshop)
    built.update(new)
    return {node: built[fact.abi] for node, fact in wanted.items() if fact.abi}, warnings


def _stage(by_node: Mapping[str, Executable], facts: Mapping[str, Facts], workshop: Workshop) -> None:
    lacking: dict[Executable, list[str]] = {}
    for node, executable in by_node.items():
        if not facts[node].there:
            lacking.setdefault(executable, []).append(node)
    for executable, nodes in lacking.items():
        programs.stage(executable, nodes, workshop)


def _mention_crowding(shares: Sequence[Share], request: Request, watcher: Watcher) -> None:
    ranks = sum(share.ranks for share in shares)
    room = sum(request.per_node or share.node.board.cores for share in shares)
    if ranks > room:
        watcher.say(f"{ranks} ranks share {room} {'places' if request.per_node else 'cores'}")


def _mention_clocks(plan: Plan, facts: Mapping[str, Facts], watcher: Watcher) -> None:
    """Say which clocks are far from the head's, by the answers that are there anyway: a job starts no later for it."""
    readings = {node: fact.clock for node, fact in facts.items()}
    limit_s = plan.clock_limit_ms / 1000
    if told := clocks.complaint(clocks.astray(readings, plan.head.name, limit_s), limit_s):
        watcher.say(told)


def _said_by_program(reason: str) -> bool:
    """Say whether the program itself chose to end like this: if it has also said why, we need not."""
    return reason.startswith("exit code ")
