"""Starting and ending the keeper."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pibramble import proc
from pibramble.errors import PibrambleError
from pibramble.targets.emulator.order import Order
from pibramble.targets.emulator.state import EmulatorState
from pibramble.targets.processes import Process


@contextmanager
def kept(order: Order, log: Path) -> Iterator[EmulatorState]:
    """Keep machines while the block runs. Raises PibrambleError."""
    keeper = start_keeper(order, log)
    try:
        yield EmulatorState(keeper, "", 0, str(Path(order.control).parent))
    finally:
        end_keeper(keeper)


def end_keeper(keeper: Process) -> None:
    """End the keeper, and return when its machines have ended, too: the kernel sees to it, in a moment of its own."""
    machines = []
    for pid in keeper.children():
        with suppress(ProcessLookupError):  # it has ended by itself
            machines.append(Process.of(pid))
    keeper.kill()
    for machine in machines:
        machine.kill()


def start_keeper(order: Order, log: Path) -> Process:
    """Start the keeper and return it when all machines have power. Raises PibrambleError."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("wb") as errors:
        child = proc.start(
            [sys.executable, "-m", "pibramble.targets.emulator.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            pass_fds=[order.cables_fd],
            start_new_session=True,
        )
    if child.stdin is None or child.stdout is None:
        raise AssertionError
    with child.stdin, child.stdout:
        child.stdin.write(order.text().encode())
        child.stdin.close()
        if child.stdout.readline().strip() == b"ready":
            return Process.of(child.pid)
    child.kill()
    child.wait()
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise PibrambleError("the emulator's keeper did not start", hint="\n".join(said[-6:]))
