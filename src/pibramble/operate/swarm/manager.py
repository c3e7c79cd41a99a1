"""Asking the manager: `docker` on the head, over its open connection."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence

import attrs

from pibramble.errors import Exit, NotUpError, PibrambleError, TimedOutError, UnreachableError
from pibramble.operate.execute import Stream, execute
from pibramble.operate.outcome import Fate, Outcome
from pibramble.operate.swarm.membership import Member, members
from pibramble.targets.base import Connections

_TIMEOUT_S = 60.0  # the manager of a board writes every change to its card before it answers
_NODES = "ids=$(sudo -n docker node ls -q) && sudo -n docker node inspect --format '{{json .}}' $ids"


@attrs.frozen
class Service:
    """One service of a stack."""

    name: str
    mode: str  # replicated | global
    running: int
    wanted: int
    image: str
    ports: str = ""

    @property
    def settled(self) -> bool:
        """Say whether as many tasks run as were asked for."""
        return self.running == self.wanted


@attrs.frozen
class Task:
    """One task of a service: a container on a node, or an attempt at one."""

    name: str
    node: str
    state: str  # as `docker service ps` says it: Running 3 minutes ago
    error: str = ""


@attrs.frozen
class Manager:
    """The swarm's manager, on the head."""

    connections: Connections
    head: str

    def docker(self, *words: str, stdin: bytes | None = None, timeout_s: float = _TIMEOUT_S) -> str:
        """Run `docker` with these words on the head; return what it printed. Raises PibrambleError with its words."""
        return self.shell(shlex.join(["sudo", "-n", "docker", *words]), stdin=stdin, timeout_s=timeout_s)

    def shell(self, command: str, *, stdin: bytes | None = None, timeout_s: float = _TIMEOUT_S) -> str:
        """Run a command on the head; return what it printed. Raises PibrambleError with what it complained of."""
        outcome = execute(self.connections, [self.head], command, stdin=stdin, timeout_s=timeout_s)[self.head]
        if outcome.exit_code != 0:
            raise failure(outcome)
        return outcome.stdout.decode(errors="replace")

    def follow(self, words: Sequence[str], on_line: Callable[[Stream, bytes], None]) -> int:
        """Run `docker` on the head and pass its lines on while they come; return its exit code."""
        command = shlex.join(["sudo", "-n", "docker", *words])
        outcome = execute(
            self.connections,
            [self.head],
            command,
            keep_output=False,
            on_line=lambda _node, stream, line: on_line(stream, line),
        )[self.head]
        if outcome.problem:
            raise failure(outcome)
        return outcome.code

    def members(self) -> tuple[Member, ...]:
        """Return the swarm's nodes. Raises NotUpError where there is no swarm."""
        return members(self.shell(_NODES))

    def services(self) -> tuple[Service, ...]:
        """Return the services of the whole swarm."""
        return tuple(_service(line) for line in self._lines("service", "ls"))

    def tasks(self, services: Sequence[str]) -> tuple[Task, ...]:
        """Return the tasks of these services that should run."""
        if not services:
            return ()
        lines = self._lines("service", "ps", "--no-trunc", "--filter", "desired-state=running", *services)
        return tuple(_task(line) for line in lines)

    def updating(self, services: Sequence[str]) -> tuple[str, ...]:
        """Return those of these services whose tasks are still being exchanged for newer ones."""
        if not services:
            return ()
        form = "{{.Spec.Name}} {{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}"
        said = self.docker("service", "inspect", "--format", form, *services)
        return tuple(line.split()[0] for line in said.splitlines() if line.endswith(" updating"))

    def _lines(self, *words: str) -> list[str]:
        return [line for line in self.docker(*words, "--format", "{{json .}}").splitlines() if line.startswith("{")]


def failure(outcome: Outcome, doing: str = "") -> PibrambleError:
    """Return the error that says what `docker` on a node complained of."""
    if outcome.fate is Fate.UNREACHABLE:
        return UnreachableError(f"{outcome.node}: {outcome.problem}", hint=outcome.hint)
    if outcome.fate is Fate.TIMED_OUT:
        return TimedOutError(f"{outcome.node}: docker {outcome.problem}")
    said = (outcome.stderr.decode(errors="replace") or outcome.stdout.decode(errors="replace")).strip()
    if "not a swarm manager" in said:
        return NotUpError(f"there is no swarm on {outcome.node}", hint="`pibramble swarm up` makes one")
    lines = [line.removeprefix("Error response from daemon: ") for line in said.splitlines() if line.strip()]
    first, *rest = lines or [f"exit code {outcome.exit_code}"]
    return PibrambleError(
        f"{doing or 'docker'} failed on {outcome.node}: {first}", hint="\n".join(rest[:6]), exit_code=Exit.FAILED
    )


def _service(line: str) -> Service:
    said = json.loads(line)
    running, _, wanted = said["Replicas"].partition(" ")[0].partition("/")
    return Service(said["Name"], said["Mode"], int(running), int(wanted), said["Image"], said.get("Ports", ""))


def _task(line: str) -> Task:
    said = json.loads(line)
    return Task(said["Name"], said.get("Node", ""), said["CurrentState"], said.get("Error", ""))
