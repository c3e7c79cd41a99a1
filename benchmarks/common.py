"""What every benchmark here does alike: alternate the contenders, keep every run, show medians with their spread.

Contenders take turns, so a machine that gets busy or warm is as unkind to one as to the other.
"""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

PIBRAMBLE = str(Path(sys.executable).with_name("pibramble"))
_TIMEOUT_S = 300


@attrs.frozen
class Measured:
    """All runs of one contender: seconds, unless the unit says otherwise."""

    name: str
    runs: tuple[float, ...]
    unit: str = "s"

    @property
    def median(self) -> float:
        """Return the middle of the runs."""
        return statistics.median(self.runs)

    def __str__(self) -> str:
        """Return the median and the spread."""
        if self.unit != "s":
            return f"{self.median:.3g} {self.unit}"
        return f"{self.median:.3f} s ({min(self.runs):.3f}-{max(self.runs):.3f})"


@attrs.frozen
class Row:
    """A line of the table: ours beside a rival's, and the ratio that we want to stay below. No rival: a limit alone."""

    what: str
    ours: Measured
    rival: Measured | None = None
    goal_ratio: float | None = None
    goal_most: float | None = None  # in ours' unit

    @property
    def ratio(self) -> float | None:
        """Return ours / rival's."""
        return self.ours.median / self.rival.median if self.rival else None

    @property
    def goal(self) -> str:
        """Return the goal as text."""
        if self.goal_ratio is not None:
            return f"<= {self.goal_ratio:g} x"
        return f"<= {self.goal_most:g} {self.ours.unit}" if self.goal_most is not None else ""

    @property
    def verdict(self) -> str:
        """Say whether the goal is met; nothing where there is none."""
        if self.goal_ratio is not None and self.ratio is not None:
            return "met" if self.ratio <= self.goal_ratio else "MISSED"
        if self.goal_most is not None:
            return "met" if self.ours.median <= self.goal_most else "MISSED"
        return ""


def alternate(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Measured]:
    """Let every contender run once a round, after one round that does not count; each returns its own seconds."""
    runs: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            taken = contender()
            if number:
                runs[name].append(taken)
                print(f"  {name}: {taken:.3f} s", file=sys.stderr)
    return {name: Measured(name, tuple(seconds)) for name, seconds in runs.items()}


def seconds(argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> float:
    """Run a command to its end and return how long that took. Raises RuntimeError, with what it said, if it fails."""
    began = time.perf_counter()
    output(argv, cwd=cwd, env=env)
    return time.perf_counter() - began


def output(argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it prints. Raises RuntimeError, with what it said, if it fails."""
    done = subprocess.run(
        argv,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        message = f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        raise RuntimeError(message)
    return done.stdout


def cluster_file(folder: Path, workers: int) -> Path:
    """Write the file of a cluster of one head and so many Zeros on USB; return its path."""
    path = folder / f"cluster-{workers}.toml"
    path.write_text(f"""\
[cluster]
name = "bench{workers}"
subnet = "10.77.0.0/16"

[head]
name = "head"
board = "pc"

[[workers]]
name = "zero[1-{workers}]"
board = "pi-zero"
link = "usb"
""")
    return path


@contextlib.contextmanager
def lab(workers: int) -> Iterator[Lab]:
    """Bring a lab of one head and so many workers up for the time of the block, with a state folder of its own."""
    with tempfile.TemporaryDirectory(prefix="pibramble-bench-") as folder:
        bench = Lab(Path(folder), workers)
        bench.pibramble("up")
        try:
            yield bench
        finally:
            bench.pibramble("down")


# Runs in the head and prints how long a command took there: the way into the head is not the rivals' to pay for.
_TIMER = (
    "import subprocess, sys, time; t = time.perf_counter(); "
    "r = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL); "
    "print(time.perf_counter() - t); sys.stderr.buffer.write(r.stderr); sys.exit(r.returncode)"
)


class Lab:
    """A lab that is measured in."""

    def __init__(self, folder: Path, workers: int) -> None:
        """Write the cluster file."""
        self.workers = workers
        self.folder = folder
        self._file = cluster_file(folder, workers)
        self._environment = {"PIBRAMBLE_STATE": str(folder / "state")}

    def pibramble(self, *words: str) -> float:
        """Run a verb on the lab and return how long the whole command took."""
        return seconds([PIBRAMBLE, "--quiet", "-f", str(self._file), *words], env=self._environment, cwd=self.folder)

    def on_head(self, *words: str, environment: Mapping[str, str] | None = None) -> float:
        """Run a command on the head and return how long it took there."""
        import shlex

        settings = [f"{key}={value}" for key, value in (environment or {}).items()]
        line = shlex.join(["env", *settings, "/usr/bin/python3", "-c", _TIMER, *words])
        argv = [PIBRAMBLE, "--quiet", "-f", str(self._file), "ssh", "head", line]
        return float(output(argv, env=self._environment, cwd=self.folder))


def machine() -> str:
    """Describe this machine in one line."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    software = f"{system}, Linux {platform.release()}, Python {platform.python_version()}"
    return f"{len(os.sched_getaffinity(0))} cores of {model}, {memory_gb:.0f} GB, {software}"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, which reads well in a terminal too. Times are medians (fastest-slowest)."""
    cells = [("what", "pibramble", "beside it", "ratio", "goal", "")]
    for row in rows:
        rival = f"{row.rival.name}: {row.rival}" if row.rival else ""
        ratio = f"{row.ratio:.2f} x" if row.ratio is not None else ""
        cells.append((row.what, str(row.ours), rival, ratio, row.goal, row.verdict))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    rule = " | ".join("-" * max(3, width) for width in widths)
    return "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])


def alone(measure: Callable[[], list[Row]]) -> None:
    """Run one benchmark by itself and print its table."""
    rows = measure()
    print(machine())
    print(table(rows))
