"""SimGrid's SMPI: compiles an MPI program so that it runs on a simulated platform, and runs it there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import attrs

from pibramble import proc
from pibramble.advise.predict.platform import Platform, host_file, to_xml
from pibramble.advise.predict.scaling import Simulated
from pibramble.advise.predict.times import shortest
from pibramble.advise.predict.wires import Step
from pibramble.errors import Exit, MissingError, PibrambleError, TimedOutError, UsageError
from pibramble.operate.programs import COMPILERS, CompilerError

_HINT = "`pibramble doctor predict` says which package brings it; in a checkout: scripts/setup predict"
_SMPI_COMPILERS = {"mpicc": "smpicc", "mpicxx": "smpicxx", "mpifort": "smpif90"}
_COMPILE_TIMEOUT_S = 120
_MEASUREMENTS = 3  # of a program that computes little: less than _LITTLE_S in all, simulated in less than _SOON_S
_LITTLE_S, _SOON_S = 0.5, 3.0
_NOISE_COUNTS = 0.01  # from this share of its time on, what it computes is measured more than once
_NO_WIRES = (Step(0, 1, 1),)
_PROGRAMS = Path(__file__).with_name("bench")

Version = tuple[int, ...]
_RENAMED: Version = (3, 35)  # from here on the factors are network/bandwidth-factor and network/latency-factor


@attrs.frozen
class Job:
    """What is predicted."""

    program: Path  # as `compiled` returned it
    arguments: tuple[str, ...]
    host_speed: float  # of one core of this PC, in the platform's unit
    timeout_s: float
    counts_computing: bool = True  # False: between its calls no time passes, whatever this PC takes for it


class Simulator:
    """SMPI as it is installed here."""

    def __init__(self, scratch: Path) -> None:
        """Keep what is made in a folder of its own, which somebody else removes."""
        self._scratch = scratch

    @cached_property
    def version(self) -> Version:
        """Return SimGrid's version. Raises MissingError where there is none, or one that nobody tried."""
        if shutil.which("smpirun", path=proc.system_path()) is None:
            raise MissingError("programs are predicted by SimGrid, which is not installed", hint=_HINT)
        said = proc.run(["smpirun", "--version"]).stdout
        match = re.search(r"SimGrid version (\d+)\.(\d+)", said)
        if match is None or (found := (int(match[1]), int(match[2]))) < (3, 32):
            raise MissingError(f"SimGrid 3.32 or newer is needed; smpirun says: {said.strip()[:60]}", hint=_HINT)
        return found

    def compiled(self, source: Path, arguments: Sequence[str]) -> Path:
        """Compile a source file for SMPI. Raises UsageError for what is no source, and CompilerError."""
        compiler = compiler_of(source)
        _ = self.version  # says what is missing before a compiler does
        program = self._scratch / source.stem
        # As `run` compiles: the same optimisation.
        corrected = () if compiler == "mpifort" else ("-include", str(_PROGRAMS / "smpi.h"))
        words = ("-O2", *corrected, "-o", str(program), str(source.resolve()), *arguments, "-lm")
        argv = [_SMPI_COMPILERS[compiler], *words]
        done = proc.run(argv, check=False, timeout_s=_COMPILE_TIMEOUT_S)
        if done.returncode != 0:
            raise CompilerError(f"{argv[0]} could not compile {source}", hint=(done.stderr or done.stdout).rstrip())
        return program

    def run(self, job: Job, platform: Platform, steps: Sequence[Step], ranks: int) -> Simulated:
        """Run a program on the platform and on the same one without wires; return what became of it.

        What it computes is measured once and counts in both, so that they differ by the wires alone. Where it computes
        little, noise weighs most and another run costs least: there it is the shortest of several measurements. A
        program that makes other MPI calls without wires is measured anew. Raises PibrambleError for a program that does
        not come to its end.
        """
        hosts = host_file(platform.places, ranks).split()
        speed = {place.name: place.speed for place in platform.places}
        stretched = sum(job.host_speed / speed[host] for host in hosts) / ranks  # for an average rank
        again = {**self._measuring, "PIBRAMBLE_AGAIN": "1"}
        free = platform.without_wires()
        with_wires = self._measured(job, platform, steps, ranks)
        if _worth_repeating(with_wires, with_wires.host_seconds / ranks * stretched) and self._shortest_of_more(
            job, platform, steps, ranks
        ):
            replayed = self._once(job, platform, steps, ranks, again)
            with_wires = replayed if replayed.replayed else self._measured(job, platform, steps, ranks)
        without = self._once(job, free, _NO_WIRES, ranks, again)
        timed_twice = not without.replayed
        if timed_twice:
            without = self._once(job, free, _NO_WIRES, ranks, {})
        computed = with_wires.host_seconds / ranks * stretched
        return Simulated(ranks, with_wires.seconds, without.seconds, computed, with_wires.printed, timed_twice)

    @property
    def _times(self) -> Path:
        return self._scratch / "times"

    @cached_property
    def _measuring(self) -> Mapping[str, str]:
        """Return the environment in which times are kept for the next run; what does it (bench/once.c) is compiled."""
        library = self._scratch / "once.so"
        words = ("-O2", "-shared", "-fPIC", "-o", str(library), str(_PROGRAMS / "once.c"), "-ldl")
        proc.run(["gcc", *words], timeout_s=_COMPILE_TIMEOUT_S)
        return {"LD_PRELOAD": str(library), "PIBRAMBLE_TIMES": str(self._times)}

    def _measured(self, job: Job, platform: Platform, steps: Sequence[Step], ranks: int) -> _Outcome:
        """Run a program and keep its times."""
        self._times.unlink(missing_ok=True)
        return self._once(job, platform, steps, ranks, self._measuring)

    def _shortest_of_more(self, job: Job, platform: Platform, steps: Sequence[Step], ranks: int) -> bool:
        """Measure a program some more times, and keep each call's shortest time; tell whether there is one."""
        kept = [self._kept()]
        for _ in range(_MEASUREMENTS - 1):
            self._measured(job, platform, steps, ranks)
            kept.append(self._kept())
        best = shortest(kept)
        self._times.write_bytes(best or kept[0])
        return best is not None

    def _kept(self) -> bytes:
        return self._times.read_bytes() if self._times.is_file() else b""

    def _once(
        self, job: Job, platform: Platform, steps: Sequence[Step], ranks: int, environment: Mapping[str, str]
    ) -> _Outcome:
        files = {"platform.xml": to_xml(platform), "hosts": host_file(platform.places, ranks)}
        for name, content in files.items():
            (self._scratch / name).write_text(content, encoding="utf-8")
        options = {
            "smpi/host-speed": f"{job.host_speed:.0f}f",
            "smpi/simulate-computation": "yes" if job.counts_computing else "no",
            "smpi/coll-selector": "mpich",
            "smpi/reduce_scatter": "ompi_basic_recursivehalving",  # MPICH's own; SMPI's "mpich" doubles instead
            "smpi/display-timing": "yes",
            "smpi/tmpdir": str(self._scratch),
            "network/weight-S": "0",
            "network/crosstraffic": "0",  # it would add a twentieth; acknowledgements are a fiftieth
            **factors(steps, self.version),
        }
        argv = ["smpirun", "-np", str(ranks), "-platform", str(self._scratch / "platform.xml")]
        argv += ["-hostfile", str(self._scratch / "hosts"), "--log=xbt_cfg.thres:error", "--log=smpi_coll.thres:error"]
        argv += [f"--cfg={name}:{value}" for name, value in options.items()]
        argv += [str(job.program), *job.arguments]
        began = time.monotonic()
        with _session(argv, {"TMPDIR": str(self._scratch), **environment}) as process:
            try:
                printed, said = process.communicate(timeout=job.timeout_s)
            except subprocess.TimeoutExpired:
                raise TimedOutError(
                    f"{job.program.name} on {ranks} simulated ranks took longer than {job.timeout_s:g} s",
                    hint="give it less to do, fewer ranks, or a longer --timeout",
                ) from None
        read = _read(job.program.name, ranks, process.returncode, printed, said)
        return attrs.evolve(read, took_s=time.monotonic() - began)


def compiler_of(source: Path) -> str:
    """Return what compiles a source file for MPI. Raises UsageError for what is none, or is not there."""
    compiler = COMPILERS.get(source.suffix.lower())
    if compiler is None:
        raise UsageError(f"{source} is no source file", hint=f"what can be predicted ends in {', '.join(COMPILERS)}")
    if not source.is_file():
        raise UsageError(f"there is no file {source}")
    return compiler


def check() -> None:
    """Say before long work that nothing can be simulated. Raises MissingError."""
    with simulator() as found:
        _ = found.version


@contextmanager
def simulator() -> Iterator[Simulator]:
    """Yield a simulator, and remove afterwards all that it made."""
    with tempfile.TemporaryDirectory(prefix="pibramble-predict-") as scratch:
        yield Simulator(Path(scratch))


def factors(steps: Sequence[Step], version: Version) -> Mapping[str, str]:
    """Return how times depend on sizes, as the options of this version of SimGrid."""
    names = ("network/bandwidth-factor", "network/latency-factor") if version >= _RENAMED else (
        "smpi/bw-factor", "smpi/lat-factor"
    )  # fmt: skip
    values = ((step.bandwidth, step.latency) for step in steps)
    columns = zip(*values, strict=True)
    return {
        name: ";".join(f"{step.from_bytes}:{value:.6g}" for step, value in zip(steps, column, strict=True))
        for name, column in zip(names, columns, strict=True)
    }


def host_speed() -> float:
    """Measure this PC: how many intervals of bench/speed.c a second one core does. Raises MissingError without gcc."""
    with tempfile.TemporaryDirectory(prefix="pibramble-speed-") as scratch:
        program = Path(scratch) / "speed"
        proc.run(["gcc", "-O2", "-o", str(program), str(_PROGRAMS / "speed.c")], timeout_s=_COMPILE_TIMEOUT_S)
        return float(proc.run([str(program)], timeout_s=_COMPILE_TIMEOUT_S).stdout.split()[1])


@attrs.frozen
class _Outcome:
    seconds: float
    host_seconds: float  # that all ranks together computed, on this PC
    printed: str
    replayed: bool  # what it computed was the run's before, call by call
    took_s: float = 0.0  # on the wall's clock


def _worth_repeating(measured: _Outcome, computed_s: float) -> bool:
    little = measured.host_seconds < _LITTLE_S and measured.took_s < _SOON_S
    return little and computed_s > _NOISE_COUNTS * measured.seconds


@contextmanager
def _session(argv: Sequence[str], more: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start a command in a session of its own, and leave nothing of it running: smpirun's child outlives smpirun."""
    environment = {**os.environ, **more}
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment}
    process = proc.start(argv, **options, text=True, errors="replace", start_new_session=True)
    try:
        yield process  # type: ignore[misc]  # with text=True it is a Popen[str]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


_FATAL = (
    ("MPI_Abort was called", "called MPI_Abort"),
    ("Deadlock detected", "waits for ever: ranks wait for messages that nobody sends"),
    ("Segmentation fault", "was ended by a segmentation fault"),
)
_SIGNALLED = 128  # and the signal, as sh(1) has it
_NUMBER = r"([\d.]+(?:e[-+]?\d+)?)"


def _read(name: str, ranks: int, code: int, printed: str, said: str) -> _Outcome:
    """Read what smpirun said. It ends with 0 also after MPI_Abort and after a deadlock."""
    where = f"{name} on {ranks} simulated rank{'s' * (ranks != 1)}"
    words = "\n".join(line for line in said.splitlines() if not line.startswith(("[", "pibramble ")))
    for sign, meaning in _FATAL:
        if sign in said:
            raise PibrambleError(f"{where} {meaning}", hint=_last(printed) or _last(words))
    seconds = re.search(rf"Simulated time: {_NUMBER} seconds", said)
    computed = re.search(rf"{_NUMBER} seconds were actual computation", said)
    if code != 0 or not seconds or not computed:
        ending = f"ended by signal {code - _SIGNALLED}" if code > _SIGNALLED else f"ended with exit code {code}"
        raise PibrambleError(f"{where} {ending}", hint=_last(words) or _last(printed), exit_code=Exit.FAILED)
    began = re.search(rf"^pibramble began {_NUMBER}$", said, re.MULTILINE)
    replayed = re.search(r"^pibramble replayed$", said, re.MULTILINE) is not None
    return _Outcome(float(seconds[1]) - (float(began[1]) if began else 0.0), float(computed[1]), printed, replayed)


def _last(said: str) -> str:
    return "\n".join(said.strip().splitlines()[-8:])
