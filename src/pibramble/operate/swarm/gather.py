"""Making the plan's swarm, and ending it. What is so already stays."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence

import attrs

from pibramble.errors import MissingError, PibrambleError
from pibramble.files.containers import NETWORK_PREFIX
from pibramble.operate.execute import execute
from pibramble.operate.swarm import engine, health, membership
from pibramble.operate.swarm.engine import Engine
from pibramble.operate.swarm.manager import Manager, Service, failure
from pibramble.operate.swarm.membership import PORT, Cleaning
from pibramble.plan.model import ContainersPlan, Plan
from pibramble.progress import Progress
from pibramble.targets.base import Connections

_READY_S = 60.0  # a node that has joined says so to the manager every five seconds
_JOIN_TIMEOUT_S = 120.0  # keys are made first: on a 700 MHz board that takes its time
_LEAVE_TIMEOUT_S = 120.0  # tasks get ten seconds each to end

# The token comes by standard input, so that it stands in no log, on no disk and in no command line that we send; only
# docker's own client takes it as a word, and lives for the second that joining takes.
_JOIN = (
    'read -r token && sudo -n docker swarm join --token "$token" --advertise-addr {own} --listen-addr {own}:{port} {to}'
)
_LEAVE = "sudo -n docker swarm leave --force"
# What Swarm leaves behind: containers of tasks, and its bridge. Images and volumes are people's.
_SWEEP = """
state=$(sudo -n docker info --format '{{.Swarm.LocalNodeState}}') || exit 1
[ "$state" = inactive ] || sudo -n docker swarm leave --force >/dev/null || exit 1
left=$(sudo -n docker ps -aq --filter label=com.docker.swarm.task.id)
[ -z "$left" ] || sudo -n docker rm -f $left >/dev/null || exit 1
sudo -n docker network inspect docker_gwbridge >/dev/null 2>&1 || exit 0
sudo -n docker network disconnect -f docker_gwbridge gateway_ingress-sbox 2>/dev/null
sudo -n docker network rm docker_gwbridge >/dev/null
"""


@attrs.frozen
class Gathered:
    """What `up` did."""

    made: bool  # there was no swarm before
    joined: tuple[str, ...]
    replaced: tuple[str, ...]  # their older ids are gone
    labelled: int
    remarks: tuple[health.Complaint, ...]  # what is wrong, and stops nothing


def containers_of(plan: Plan) -> ContainersPlan:
    """Return the plan for containers. Raises MissingError where the cluster file wants none."""
    if plan.containers is None:
        hint = 'in the cluster file:\n[containers]\nengine = "docker-swarm"'
        raise MissingError(f"{plan.name} has no container engine", hint=hint)
    return plan.containers


def up(plan: Plan, connections: Connections, nodes: Sequence[str], progress: Progress) -> Gathered:
    """Make the head the manager, and the workers among `nodes` its workers.

    Raises PibrambleError before anything is changed where a node's engine cannot be used, or serves another swarm.
    """
    containers = containers_of(plan)
    asked = tuple(dict.fromkeys((plan.head.name, *nodes)))
    with progress.step("Asking the engines", len(asked), "nodes"):
        engines = engine.ask(connections, asked)
    complaints = health.judge(engines, plan.head.name)
    _refuse([complaint for complaint in complaints if complaint.stops])
    manager = Manager(connections, plan.head.name)
    there = membership.check_head(plan, engines[plan.head.name])
    todo = membership.steps(plan, engines, manager.members() if there else ())
    if not there:
        with progress.step("Making the swarm"):
            _init(plan, manager, containers)
    if todo.join:
        with progress.step("Joining", len(todo.join), "nodes") as step:
            _join(plan, connections, manager, todo, step.advance)
    with progress.step("Waiting until all are ready", len(asked), "nodes"):
        cleaning = _settle(plan, connections, manager, asked)
    _clean(manager, cleaning)
    return Gathered(
        made=not there,
        joined=todo.join,
        replaced=tuple(dict.fromkeys(member.name for member in cleaning.remove)),
        labelled=len(cleaning.label),
        remarks=tuple(complaint for complaint in complaints if not complaint.stops),
    )


def running(plan: Plan, connections: Connections) -> tuple[Service, ...]:
    """Return the services that a `down` would end; none where there is no swarm."""
    head = engine.ask(connections, [plan.head.name])[plan.head.name]
    return Manager(connections, plan.head.name).services() if head.swarm.manager else ()


def down(plan: Plan, connections: Connections, nodes: Sequence[str], progress: Progress) -> Mapping[str, str]:
    """End the services and the swarm; return node -> reason for those that could not be cleaned.

    The workers leave first: a manager that is gone could not be told.
    """
    manager = Manager(connections, plan.head.name)
    if services := running(plan, connections):
        with progress.step("Ending services", len(services), "services"):
            manager.docker("service", "rm", *(service.name for service in services))
            _wait_for_tasks_to_end(connections, nodes)
    problems = {}
    workers = [node for node in nodes if node != plan.head.name]
    for group in (workers, [plan.head.name]):
        with progress.step("Leaving", len(group), "nodes"):
            outcomes = execute(connections, group, _SWEEP, timeout_s=_LEAVE_TIMEOUT_S)
        for node, outcome in outcomes.items():
            if outcome.exit_code != 0:
                problems[node] = outcome.problem or failure(outcome).message
    return problems


def _refuse(complaints: Sequence[health.Complaint]) -> None:
    if not complaints:
        return
    lines = [f"{complaint.node}: {complaint.problem}\n  {complaint.cure}" for complaint in complaints]
    names = ", ".join(dict.fromkeys(complaint.node for complaint in complaints))
    raise MissingError(
        f"{names} cannot be in a swarm; nothing was changed", hint="\n".join([*lines, "-x leaves nodes out"])
    )


def _init(plan: Plan, manager: Manager, containers: ContainersPlan) -> None:
    own = str(plan.head.address)
    words = [
        *("sudo", "-n", "docker", "swarm", "init"),
        *("--advertise-addr", own, "--listen-addr", f"{own}:{PORT}", "--data-path-addr", own),
        *("--default-addr-pool", str(containers.overlays)),
        *("--default-addr-pool-mask-length", str(NETWORK_PREFIX)),
    ]
    # What init prints holds the token: it is not to be seen.
    command = f"{shlex.join(words)} >/dev/null || {{ sudo -n ss -Hltnp 'sport = :{PORT}' >&2; exit 1; }}"
    outcome = execute(manager.connections, [manager.head], command, timeout_s=_JOIN_TIMEOUT_S)[manager.head]
    if outcome.exit_code == 0:
        return
    said = outcome.stderr.decode(errors="replace")
    if "address already in use" in said:
        who = said.partition('users:(("')[2].partition('"')[0]
        raise PibrambleError(
            f"port {PORT} of {manager.head} is taken{f' by {who}' if who else ''}: the swarm's manager needs it",
            hint=f"pibramble exec -w {manager.head} -- sudo ss -ltnp 'sport = :{PORT}'",
        )
    raise failure(outcome, "docker swarm init")


def _join(
    plan: Plan,
    connections: Connections,
    manager: Manager,
    todo: membership.Steps,
    joined: Callable[[int, str], None],
) -> None:
    if todo.leave_first:
        execute(connections, todo.leave_first, _LEAVE, timeout_s=_LEAVE_TIMEOUT_S)
    token = manager.docker("swarm", "join-token", "-q", "worker").strip()
    to = f"{plan.head.address}:{PORT}"
    # Each node has an address of its own, so a command of its own; the shell finds it in a table that all are sent.
    cases = " ".join(f"{node}) own={plan.node(node).address} ;;" for node in todo.join)
    command = f"case $(hostname) in {cases} esac; {_JOIN.format(own='$own', port=PORT, to=to)}"
    outcomes = execute(connections, todo.join, command, stdin=f"{token}\n".encode(), timeout_s=_JOIN_TIMEOUT_S)
    failed = [outcome for outcome in outcomes.values() if outcome.exit_code != 0]
    for outcome in outcomes.values():
        if outcome.exit_code == 0:
            joined(1, outcome.node)
    if failed:
        errors = [failure(outcome, "joining") for outcome in failed]
        hint = "\n".join([*(error.message for error in errors[1:]), errors[0].hint]).strip()
        raise PibrambleError(errors[0].message, hint=hint, exit_code=errors[0].exit_code)


def _settle(plan: Plan, connections: Connections, manager: Manager, nodes: Sequence[str]) -> Cleaning:
    """Wait until the manager has heard of every node; return what is left to do."""
    engines: Mapping[str, Engine] = engine.ask(connections, nodes)
    ids = {one.swarm.node_id: one.node for one in engines.values()}
    deadline = time.monotonic() + _READY_S
    while True:
        known = manager.members()
        waiting = sorted(set(ids) - {member.id for member in known if member.ready})
        if not waiting:
            return membership.cleaning(plan, engines, known)
        if time.monotonic() > deadline:
            late = ", ".join(ids[one] for one in waiting)
            raise PibrambleError(
                f"the manager has not heard of {late} for {_READY_S:g} s",
                hint=f"pibramble exec -w {late} -- sudo docker info; its firewall and clock are the usual causes",
            )
        time.sleep(0.5)


def _clean(manager: Manager, cleaning: Cleaning) -> None:
    commands = [["docker", "node", "rm", "--force", member.id] for member in cleaning.remove]
    for node, labels in cleaning.label.items():
        words = [word for key, value in labels.items() for word in ("--label-add", f"{key}={value}")]
        commands.append(["docker", "node", "update", *words, node])
    if commands:
        manager.shell(" && ".join(shlex.join(["sudo", "-n", *command]) for command in commands) + " >/dev/null")


def _wait_for_tasks_to_end(connections: Connections, nodes: Sequence[str]) -> None:
    """Let tasks end as they want to: for ten seconds Docker waits for each before it kills."""
    left = "sudo -n docker ps -q --filter label=com.docker.swarm.task.id"
    deadline = time.monotonic() + _LEAVE_TIMEOUT_S
    while time.monotonic() < deadline:
        outcomes = execute(connections, nodes, left, timeout_s=_LEAVE_TIMEOUT_S)
        if not any(outcome.stdout.strip() for outcome in outcomes.values()):
            return
        time.sleep(0.5)
