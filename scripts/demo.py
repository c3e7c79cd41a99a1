"""The demo: a head and five workers come up on this machine and compute pi together, then go away again.

`make demo` runs it after the set-up. It types nothing that you could not type yourself, and shows what it types.
Whatever happens, Ctrl-C included, the lab is taken down at the end.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

REPO = Path(__file__).resolve().parents[1]
CLUSTER_FILE = "examples/xmas.toml"
PROGRAM = "examples/cpi.c"
RANKS = (1, 2, 4, 5)
PATIENCE_S = 30  # for a command that was interrupted to clean up after itself


class FailedError(Exception):
    """A command of the demo did not do what it was there for."""

    def __init__(self, message: str, code: int) -> None:
        """Keep the exit code that the demo ends with."""
        super().__init__(message)
        self.code = code


def say(*lines: str) -> None:
    """Print at once, so that our lines and the commands' keep their order in a pipe too."""
    print(*lines, sep="\n", flush=True)


def pibramble(*words: str) -> str:
    """Show a command, run it, show what it prints while it runs, and return that. Raises FailedError."""
    say("", f"$ pibramble {' '.join(words)}")
    lines = []
    with subprocess.Popen(
        [Path(sys.executable).with_name("pibramble"), *words], cwd=REPO, stdout=subprocess.PIPE, text=True
    ) as command:
        try:
            for line in command.stdout or ():
                say(line.rstrip("\n"))
                lines.append(line)
        except KeyboardInterrupt:
            # Ctrl-C went to the command as well: it undoes what it began, and we let it.
            command.wait(PATIENCE_S)
            raise
    if command.returncode != 0:
        message = f"`pibramble {words[0]}` ended with exit code {command.returncode}"
        raise FailedError(message, command.returncode)
    return "".join(lines)


def seconds_of(output: str) -> float:
    """Return the time that the MPI program measured by itself, without the start of the job. Raises FailedError."""
    found = re.search(r"ranks?: ([\d.]+) s$", output, re.MULTILINE)
    if not found:
        message = f"{PROGRAM} did not say how long it took"
        raise FailedError(message, 1)
    return float(found[1])


def scaling(seconds: dict[int, float]) -> str:
    """Return a table of how the time falls with the number of ranks."""
    rows = ["ranks  seconds  speed-up  efficiency"]
    for ranks, taken in seconds.items():
        speed_up = seconds[1] / taken
        rows.append(f"{ranks:5}  {taken:7.2f}  {speed_up:7.2f}x  {speed_up / ranks:9.0%}")
    return "\n".join(rows)


def demo() -> None:
    """Plan, bring up, ask, compute, compare. Raises FailedError."""
    pibramble("plan")
    pibramble("up")
    pibramble("status")
    pibramble("run", PROGRAM)
    say("", "How does it scale? The same work on 1, 2, 4 and 5 workers:")
    seconds = {ranks: seconds_of(pibramble("run", "-n", str(ranks), PROGRAM)) for ranks in RANKS}
    say("", scaling(seconds), "")
    say(
        f"All nodes of a lab share this machine's {len(os.sched_getaffinity(0))} cores, so beyond that many ranks it "
        "cannot get faster.",
        "On boards every worker brings a core of its own.",
    )


def terminated(_signal: int, _frame: FrameType | None) -> None:
    """Treat being ended like Ctrl-C: the lab comes down in both cases."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo and take the lab down after it; return an exit code."""
    signal.signal(signal.SIGTERM, terminated)
    os.environ["PIBRAMBLE_FILE"] = CLUSTER_FILE
    say('$ PATH="$PWD/.venv/bin:$PATH"', f"$ export PIBRAMBLE_FILE={CLUSTER_FILE}")
    began = time.monotonic()
    code = 0
    try:
        demo()
    except KeyboardInterrupt:
        say("", "interrupted: taking the lab down")
        code = 130
    except FailedError as failed:
        say("", f"{failed}: taking the lab down")
        code = failed.code
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half a lab behind
        try:
            pibramble("down")
        except FailedError as failed:
            say(str(failed))
            code = code or failed.code
    if code == 0:
        say("", f"The whole demo took {time.monotonic() - began:.0f} s.")
    return code


if __name__ == "__main__":
    sys.exit(main())
