"""Brings an image to the head's registry: to the head's engine by layers, and from there by `docker push`.

Nodes read from the registry at any time. What takes images is started on the head's loopback for one push, as the user
whose storage it is, and ends with it; a lock on the head lets one push, or one removal, go on at a time.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import attrs

from pibramble.errors import Exit, PibrambleError
from pibramble.files.registry import FOLDER, WRITE_ADDRESS, WRITER
from pibramble.operate.execute import execute
from pibramble.operate.outcome import Outcome
from pibramble.operate.swarm import archive, engine, push, registry
from pibramble.operate.swarm.archive import Platform
from pibramble.operate.swarm.engine import Engine
from pibramble.operate.swarm.manager import failure
from pibramble.operate.swarm.registry import RegistryLook
from pibramble.plan.model import Plan
from pibramble.progress import Progress
from pibramble.targets.base import Connections

_PUSH_TIMEOUT_S = 1800.0  # a 700 MHz board compresses some MB a second
_PUBLISH = f"""
storage=$1 config=$2 to=$3 name=$4 repository=$5
log=$(mktemp) writer= finished=no
{registry.FUNCTIONS}
clean() {{
    [ -z "$writer" ] || {{ kill "$writer"; wait "$writer"; }} 2>/dev/null
    docker image rm "$to/$repository" >/dev/null 2>&1
    [ $finished = yes ] || sweep
    rm -f "$log"
}}
trap clean EXIT
trap 'exit 130' HUP INT TERM
setpriv --reuid "$owner" --regid "$group" --clear-groups docker-registry serve "$config" >"$log" 2>&1 &
writer=$!
until grep -q 'listening on' "$log"; do
    kill -0 "$writer" 2>/dev/null || {{ tail -n 1 "$log" >&2; exit 1; }}
    sleep 0.1
done
docker tag "$name" "$to/$repository" || exit 1
docker push "$to/$repository" &
pushing=$!
while kill -0 $pushing 2>/dev/null; do
    # docker would try five times, ever more slowly.
    grep -q 'no space left on device' "$log" && {{ kill $pushing; echo 'no space left on device' >&2; exit 1; }}
    sleep 0.1
done
wait $pushing || exit 1
finished=yes
"""


@attrs.frozen
class Published:
    """An image that came to the registry."""

    name: str  # as a stack calls it
    digest: str  # of its manifest
    size_bytes: int  # compressed, as nodes get it
    new_bytes: int  # of it, what the registry had not
    cannot_run: tuple[str, ...] = ()  # nodes whose machines are of another kind


@attrs.frozen
class _Image:
    """What is to come there."""

    names: tuple[str, ...]
    platform: Platform
    size: int  # bytes


def publish(
    plan: Plan, connections: Connections, name: str, source: str | None, progress: Progress
) -> tuple[Published, ...]:
    """Bring the image `name` to the registry: from `source`, a node; or None: this machine, or a file.

    Raises PibrambleError before anything is sent where no node could run it, or it would not fit.
    """
    head = plan.head.name
    with progress.step("Asking the engines", len(plan.nodes), "nodes"):
        found = registry.look(plan, connections)
        registry.check(plan, found)
        engines = engine.ask(connections, [node.name for node in plan.nodes])
        push.check_engines({head: engines[head]})
    if source == head:
        image = _on_head(connections, head, name)
        _check(plan, found, engines, image)
    else:
        with push.scratch() as folder:
            saved = archive.read(push.save(connections, name, source, Path(folder), progress))
            image = _Image(saved.names, saved.platform, saved.size)
            _check(plan, found, engines, image)
            [pushed] = push.bring(connections, saved, {head: engines[head]}, progress)
        if pushed.problem:
            raise PibrambleError(f"{head}: {pushed.problem}", hint=registry.MAKE_ROOM)
    unfit = [one.node for one in engines.values() if one.version and not push.runs(one.machine, image.platform)]
    made = []
    with progress.step(f"Pushing to {head}'s registry", len(image.names), "names") as step:
        for one in image.names:
            made.append(attrs.evolve(to_registry(plan, connections, one, found), cannot_run=tuple(unfit)))
            step.advance(1)
    return tuple(made)


def _check(plan: Plan, found: RegistryLook, engines: Mapping[str, Engine], image: _Image) -> None:
    if not image.names:
        raise PibrambleError("the image has no name", hint="docker tag IMAGE NAME:TAG, then save it by that name")
    for name in image.names:
        registry.repository(plan, name)
    answering = {node: one for node, one in engines.items() if one.version}
    if not any(push.runs(one.machine, image.platform) for one in answering.values()):
        push.check_platform(image.platform, answering)
    registry.check(plan, found, image.size // 1_000_000)


def _on_head(connections: Connections, head: str, name: str) -> _Image:
    command = shlex.join(["sudo", "-n", "docker", "image", "inspect", "--format", "{{json .}}", name])
    outcome = execute(connections, [head], command)[head]
    if outcome.exit_code != 0:
        raise failure(outcome, f"reading {name}")
    said = json.loads(outcome.stdout)
    platform = Platform(said["Os"], said["Architecture"], said.get("Variant", ""))
    return _Image((name,), platform, int(said["Size"]))


def to_registry(plan: Plan, connections: Connections, name: str, before: RegistryLook) -> Published:
    """Push an image that the head's engine has. Raises PibrambleError; then nothing half is left."""
    head = plan.head.name
    called = registry.repository(plan, name)
    words = [*registry.LOCK, "sh", "-c", _PUBLISH, "sh", FOLDER, WRITER, WRITE_ADDRESS, name, called]
    outcome = execute(connections, [head], shlex.join(words), timeout_s=_PUSH_TIMEOUT_S)[head]
    if outcome.exit_code != 0:
        raise _failed(plan, name, outcome)
    after = registry.look(plan, connections)
    wanted = registry.said_name(after.address, called)
    new = next((kept for kept in after.images if kept.name == wanted), None)
    if new is None:
        raise PibrambleError(f"{name} was pushed, and is not in {head}'s registry", hint="try again")
    known = new.digest in {kept.digest for kept in before.images}
    new_bytes = 0 if known else max(0, after.used_bytes - before.used_bytes)
    return Published(new.name, new.digest, new.size_bytes, new_bytes)


def _failed(plan: Plan, name: str, outcome: Outcome) -> PibrambleError:
    said = outcome.stderr.decode(errors="replace")
    head = plan.head.name
    if outcome.exit_code == registry.BUSY:
        return registry.busy(plan)
    if "no space left on device" in said:
        message = f"the disk of {head}'s registry is full; what had come of {name} was removed"
        return PibrambleError(message, hint=registry.MAKE_ROOM, exit_code=Exit.FAILED)
    if "address already in use" in said:
        port = WRITE_ADDRESS.rpartition(":")[2]
        return PibrambleError(
            f"port {port} of {head} is taken: what takes images for its registry listens there during a push",
            hint=f"pibramble exec -w {head} -- sudo ss -ltnp 'sport = :{port}'",
        )
    return failure(outcome, f"pushing {name} to the registry")
