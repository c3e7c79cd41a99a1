"""Waits for machines to boot, shows how far each has come, and says what was the matter with one that did not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from pibramble.errors import Exit, PibrambleError
from pibramble.progress import Lines
from pibramble.targets.emulator.order import Facts
from pibramble.targets.emulator.stages import Stage, hopeless, readable, stage, trouble

_POLL_S = 0.5
# A kernel that says nothing while QEMU has so much processor time will say nothing more: on a PC that has nothing else
# to do it says something every few seconds. On a busy one time passes without that, and says nothing of the kernel.
_STUCK_BUSY_S = 20.0
_STUCK_S = 60.0  # at least
_STUCK_IDLE_S = 300.0  # whether it works or not
_STARTS = 3
_TAIL_LINES = 12
_ORDER = tuple(Stage)
FELL_SILENT = "fell silent while its kernel started"


class BootError(PibrambleError):
    """A node that did not boot; the message has its console's last lines and the likely reason."""


@attrs.define
class _Node:
    log: Path
    begin: int  # where this boot begins in the log
    began_s: float
    stage: Stage = Stage.POWER
    shown: str = ""
    said_bytes: int = 0
    said_s: float = 0.0  # when it last said something
    said_busy_s: float = 0.0  # and how much processor time it had had then
    starts: int = 1

    def console(self) -> str:
        try:
            with self.log.open("rb") as file:
                file.seek(self.begin)
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""


class Watch:
    """The boots that are under way."""

    def __init__(self, logs: Mapping[str, Path], lines: Lines, ask: Callable[[str, str], Facts]) -> None:
        """Begin now: what the logs hold already belongs to earlier boots. `ask` is the keeper's (state.py)."""
        now = time.monotonic()
        self._nodes = {name: _Node(log, _size(log), now, said_s=now) for name, log in logs.items()}
        self._lines = lines
        self._ask = ask

    def wait(self, until: Callable[[], bool], deadline_s: float, doing: str) -> None:
        """Poll until `until` is true; show the stages meanwhile.

        Raises BootError when a machine ends or nothing comes by `deadline_s` (of the monotonic clock).
        """
        while not until():
            self.look()
            if time.monotonic() > deadline_s:
                slow = [name for name, node in self._nodes.items() if node.stage not in {Stage.SSH, Stage.READY}]
                raise self.failure(slow[0] if slow else next(iter(self._nodes)), f"{doing} took too long")
            time.sleep(_POLL_S)

    def look(self) -> None:
        """Read the consoles and show what is new. Raises BootError for a boot that has failed."""
        facts = self._ask("facts", "").nodes
        for name, node in self._nodes.items():
            if node.stage is Stage.READY:
                continue
            console = node.console()
            found = stage(console)
            if _ORDER.index(found) > _ORDER.index(node.stage):
                self._reach(name, found)
            if hopeless(console):
                raise self.failure(name, "its boot has failed")
            self._start_again_if_stuck(name, node, len(console), facts[name].busy_s)
        for name in self._nodes:
            if not facts[name].running:
                raise self.failure(name, facts[name].ended or "it has ended")

    def _start_again_if_stuck(self, name: str, node: _Node, said_bytes: int, busy_s: float) -> None:
        """Start a machine anew whose kernel has fallen silent: in QEMU that happens now and then."""
        now = time.monotonic()
        if said_bytes != node.said_bytes or node.stage not in {Stage.POWER, Stage.KERNEL}:
            node.said_bytes, node.said_s, node.said_busy_s = said_bytes, now, busy_s
            return
        silent_s, worked_s = now - node.said_s, busy_s - node.said_busy_s
        stuck = silent_s > _STUCK_IDLE_S or (silent_s > _STUCK_S and worked_s > _STUCK_BUSY_S)
        if stuck and node.starts < _STARTS:
            self._ask("stop", name)
            node.begin, node.began_s, node.said_s, node.said_busy_s = _size(node.log), now, now, 0.0
            node.starts += 1
            node.stage, node.said_bytes = Stage.POWER, 0
            node.shown = f"{node.shown}, fell silent, started again"
            self._lines.say(name, node.shown)
            self._ask("start", name)

    def starts(self, name: str) -> int:
        """Return how often a node's machine was given power for this boot: more than once when it fell silent."""
        return self._nodes[name].starts

    def restarted(self) -> list[str]:
        """Return a sentence for each node that was started more than once."""
        return [
            f"{name} {FELL_SILENT}, and came up at start {node.starts}; `pibramble emulator differences` says more"
            for name, node in self._nodes.items()
            if node.starts > 1
        ]

    def ready(self, name: str) -> None:
        """Somebody has logged in."""
        self._reach(name, Stage.READY)

    def reached(self, name: str, least: Stage) -> bool:
        """Say whether a node has come so far."""
        return _ORDER.index(self._nodes[name].stage) >= _ORDER.index(least)

    def failure(self, name: str, what: str) -> BootError:
        """Return the error for a node that does not come up."""
        node = self._nodes[name]
        console = node.console()
        found = trouble(console, node=name, log=str(node.log))
        tail = readable(console, _TAIL_LINES)
        reason, cure = found or (
            f"nothing it said tells why; it came as far as {node.stage}",
            f"all it said: {node.log}",
        )
        again = [f"it {FELL_SILENT} before: this was start {node.starts}"] if node.starts > 1 else []
        hint = "\n".join(
            [
                f"likely: {reason}",
                cure,
                *again,
                "its console's last lines:",
                *(f"  {line}" for line in tail.splitlines()),
            ]
        )
        return BootError(f"{name} did not come up: {what}", hint=hint, exit_code=Exit.FAILED)

    def _reach(self, name: str, found: Stage) -> None:
        node = self._nodes[name]
        node.stage = found
        part = f"{found} {time.monotonic() - node.began_s:.0f} s"
        node.shown = f"{node.shown}, {part}" if node.shown else part
        self._lines.say(name, node.shown)


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0
