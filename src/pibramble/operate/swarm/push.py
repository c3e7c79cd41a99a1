"""Brings an image to the nodes without a registry: over the open connections, and only the layers that they lack."""

from __future__ import annotations

import os
import shlex
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import attrs

from pibramble import proc
from pibramble.errors import Exit, MissingError, PibrambleError, UsageError
from pibramble.operate.execute import Stop, Stream, execute
from pibramble.operate.nodeset import fold
from pibramble.operate.outcome import Outcome
from pibramble.operate.pace import Pace
from pibramble.operate.swarm import archive, engine, health
from pibramble.operate.swarm.archive import Image, Layer, Platform
from pibramble.operate.swarm.engine import Engine
from pibramble.operate.swarm.manager import failure
from pibramble.progress import Progress, Step
from pibramble.targets.base import Connections

_PIECE = 64 * 1024  # after each of which a node says that it has taken it; pace.py sends 128 KiB before it waits
_TIMES_ON_DISK = 2  # docker load unpacks the archive, then each layer beside it
_SAVE_TIMEOUT_S = 1800.0  # a card of a 512 MB board reads some 10 MB/s
_LIST = """
ids=$(sudo -n docker image ls -aq --no-trunc | sort -u) || exit 1
[ -z "$ids" ] || sudo -n docker image inspect --format '{{.ID}} {{json .RootFS.Layers}}' $ids
"""
# head(1) takes exactly a piece and passes it on; then the node says so. What is left of a broken load, docker removes.
_LOAD = """
take() {{
  left={pieces}
  while [ $left -gt 0 ]; do head -c {piece} || exit 1; echo . >&3; left=$((left - 1)); done
}}
{{ take | sudo -n docker load >&2; }} 3>&1
"""

# What `uname -m` calls a machine, and what an image for it may say. An ARMv7 runs what was made for an ARMv6; a 64-bit
# kernel of these boards runs 32-bit programs too.
_RUNS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "x86_64": (("amd64", ("",)), ("386", ("",))),
    "aarch64": (("arm64", ("", "v8")), ("arm", ("", "v5", "v6", "v7", "v8"))),
    "armv7l": (("arm", ("", "v5", "v6", "v7")),),
    "armv6l": (("arm", ("", "v5", "v6")),),
}


@attrs.frozen
class Pushed:
    """What became of the image on one node."""

    node: str
    sent_bytes: int  # 0: it was there
    layers: int  # that were sent
    problem: str = ""


def runs(machine: str, platform: Platform) -> bool:
    """Say whether a machine, by its `uname -m`, runs an image for that platform."""
    known = dict(_RUNS.get(machine, ()))
    return platform.system == "linux" and platform.variant in known.get(platform.architecture, ())


def missing(image: Image, there: Sequence[Sequence[str]]) -> tuple[Layer, ...]:
    """Return the layers of the image that a node lacks; `there` are the diff ids of each image that it has."""
    chains = {chain for diff_ids in there for chain in archive.chain_ids(diff_ids)}
    return tuple(layer for layer in image.layers if layer.chain not in chains)


def save(connections: Connections, name: str, source: str | None, folder: Path, progress: Progress) -> Path:
    """Return an archive of the image: one that is given, this machine's (source None), or a node's.

    Raises PibrambleError where there is no such image.
    """
    if source is None and Path(name).is_file():
        return Path(name)
    target = folder / "image.tar"
    with progress.step(f"Reading {name} from {source or 'this machine'}"):
        if source is None:
            _save_here(name, target)
        else:
            _save_from(connections, name, source, target)
    return target


def push(connections: Connections, image: Image, nodes: Sequence[str], progress: Progress) -> tuple[Pushed, ...]:
    """Bring the image to every node. Raises PibrambleError before anything is sent where it could not run or fit."""
    with progress.step("Asking the engines", len(nodes), "nodes"):
        engines = engine.ask(connections, nodes)
    check_engines(engines)
    check_platform(image.platform, engines)
    return bring(connections, image, engines, progress)


def bring(
    connections: Connections, image: Image, engines: Mapping[str, Engine], progress: Progress
) -> tuple[Pushed, ...]:
    """Send every node the layers that it lacks, whether it runs them or not. Raises PibrambleError as `push` does."""
    lacking = _lacking(connections, image, list(engines))
    check_room(engines, lacking)
    pushed = []
    for layers, group in _groups(lacking):
        pushed += send(connections, image, layers, group, progress)
    order = {node: number for number, node in enumerate(engines)}
    return tuple(sorted(pushed, key=lambda one: order[one.node]))


def check_engines(engines: Mapping[str, Engine]) -> None:
    """Raise MissingError where a node's engine takes no images."""
    stopped = [c for c in health.judge(engines, "") if c.stops]
    wrong = [f"{complaint.node}: {complaint.problem}\n  {complaint.cure}" for complaint in stopped]
    if wrong:
        names = ", ".join(complaint.node for complaint in stopped)
        raise MissingError(f"{names} cannot take an image; nothing was sent", hint="\n".join(wrong))


def check_platform(platform: Platform, engines: Mapping[str, Engine]) -> None:
    """Raise UsageError where an image for that platform does not run on one of the nodes."""
    unfit = [one for one in engines.values() if not runs(one.machine, platform)]
    if unfit:
        machines = ", ".join(sorted({one.machine for one in unfit}))
        raise UsageError(
            f"the image is for {platform}, and {fold(one.node for one in unfit)} is {machines}; nothing was sent",
            hint="take the image for the nodes' platform: docker pull --platform linux/arm/v6 NAME",
        )


def check_room(engines: Mapping[str, Engine], lacking: Mapping[str, Sequence[Layer]]) -> None:
    """Raise PibrambleError where the layers that a node lacks do not fit there."""
    for one in engines.values():
        need_mb = _TIMES_ON_DISK * sum(layer.size for layer in lacking[one.node]) // 1_000_000
        if one.disk_free_mb is not None and need_mb > one.disk_free_mb:
            raise PibrambleError(
                f"{one.node} has {one.disk_free_mb} MB free, and the image needs {need_mb} MB there; nothing was sent",
                hint=f"pibramble exec -w {one.node} -- sudo docker image prune -a",
            )


def _lacking(connections: Connections, image: Image, nodes: Sequence[str]) -> dict[str, tuple[Layer, ...]]:
    outcomes = execute(connections, nodes, _LIST)
    return {node: missing(image, _diff_ids(outcome)) for node, outcome in outcomes.items()}


def _diff_ids(outcome: Outcome) -> list[list[str]]:
    import json

    lines = outcome.stdout.decode(errors="replace").splitlines()
    return [json.loads(words) or [] for _, _, words in (line.partition(" ") for line in lines)]


def _groups(lacking: Mapping[str, tuple[Layer, ...]]) -> list[tuple[tuple[Layer, ...], list[str]]]:
    """Put together the nodes that lack the same: they are sent the same bytes, which are read once."""
    groups: dict[tuple[Layer, ...], list[str]] = {}
    for node, layers in lacking.items():
        groups.setdefault(layers, []).append(node)
    return list(groups.items())


def send(
    connections: Connections, image: Image, layers: tuple[Layer, ...], nodes: Sequence[str], progress: Progress
) -> list[Pushed]:
    """Send these layers of the image to every node, and let their engines load them; say what became of it."""
    size = archive.packed_size(image, layers)
    pieces = -(-size // _PIECE)
    command = _LOAD.format(pieces=pieces, piece=_PIECE)
    pace = Pace()
    writer = _Writer(image, layers)
    title = f"Sending {len(layers)} of {len(image.layers)} layers to {fold(nodes)}"
    try:
        with progress.step(title, size * len(nodes), "B") as step:
            took = partial(_took, pace, step)
            outcomes = execute(connections, nodes, command, stdin=writer.reader, on_output=took, pace=pace)
    finally:
        writer.close()
    if writer.failure:
        raise writer.failure
    sent = sum(layer.size for layer in layers)
    return [Pushed(node, sent, len(layers), _problem(outcome)) for node, outcome in outcomes.items()]


def _problem(outcome: Outcome) -> str:
    if outcome.problem:
        return outcome.problem
    said = outcome.stderr.decode(errors="replace")
    # docker load reports what went wrong on its standard output, and ends with 0 in some of the cases (20.10).
    if outcome.exit_code == 0 and "Loaded image" in said:
        return ""
    if "no space left on device" in said:
        return "the disk is full; what had come of the image was removed"
    return failure(outcome, "docker load").message


def _took(pace: Pace, step: Step, node: str, stream: Stream, said: bytes) -> None:
    if stream is Stream.STDOUT:
        count = said.count(b".") * _PIECE
        pace.arrived(node, count)
        step.advance(count)
    elif b"no space left on device" in said:
        raise Stop("the disk is full; what had come of the image was removed")


class _Writer:
    """Writes the archive into a pipe while it is read."""

    def __init__(self, image: Image, layers: Sequence[Layer]) -> None:
        self.failure: PibrambleError | None = None
        self.reader, self._end = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._write, args=(image, layers), daemon=True)
        self._thread.start()

    def _write(self, image: Image, layers: Sequence[Layer]) -> None:
        with suppress(BrokenPipeError), os.fdopen(self._end, "wb") as stream:
            try:
                for chunk in archive.pack(image, layers):
                    stream.write(chunk)
            except PibrambleError as error:
                self.failure = error

    def close(self) -> None:
        os.close(self.reader)
        self._thread.join()


def _save_here(name: str, target: Path) -> None:
    try:
        proc.run(["docker", "image", "inspect", "--format", "{{.Id}}", name])
    except proc.CommandFailedError as error:
        hint = (
            f"{error.hint}\n--from NODE reads it from a node, and a file that `docker save` wrote may be named as well"
        )
        raise PibrambleError(f"there is no image {name} on this machine", hint=hint, exit_code=Exit.WRONG) from None
    proc.run(["docker", "image", "save", "--output", str(target), name], timeout_s=_SAVE_TIMEOUT_S)


def _save_from(connections: Connections, name: str, source: str, target: Path) -> None:
    with target.open("wb") as stream:

        def keep(_node: str, where: Stream, said: bytes) -> None:
            if where is Stream.STDOUT:
                stream.write(said)
            else:
                words.append(said)

        words: list[bytes] = []
        command = shlex.join(["sudo", "-n", "docker", "image", "save", name])
        outcome = execute(connections, [source], command, on_output=keep, keep_output=False, timeout_s=_SAVE_TIMEOUT_S)[
            source
        ]
    if outcome.exit_code != 0:
        raise failure(attrs.evolve(outcome, stderr=b"".join(words)), f"reading {name}")


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for an archive, that is gone at the end whatever happens."""
    return tempfile.TemporaryDirectory(prefix="pibramble-image-")
