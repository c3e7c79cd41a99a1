"""What is wrong with the nodes' engines, with its cure. Pure: it judges what they said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import attrs

from pibramble.operate.nodeset import fold
from pibramble.operate.swarm.engine import Engine

OLDEST = (20, 10)  # the first whose engine knows cgroup v2, and what the tests run; Debian trixie has 26.1
LEAST_DISK_MB = 200  # an image is unpacked beside itself
MOST_APART_S = 60  # certificates are backdated by an hour at most, tasks' times are compared


@attrs.frozen
class Complaint:
    """One thing that is wrong with one node's engine."""

    node: str
    problem: str
    cure: str
    stops: bool  # nothing can be run there


def judge(engines: Mapping[str, Engine], head: str) -> tuple[Complaint, ...]:
    """Return all that is wrong, node by node. Clocks are held against the head's."""
    clock_s = engines[head].clock_s if head in engines else None
    return tuple(complaint for engine in engines.values() for complaint in _of(engine, clock_s, head))


def told(complaints: Sequence[Complaint]) -> tuple[str, ...]:
    """Return the complaints for people, those that are alike of several nodes in one: what is wrong, and the cure."""
    alike: dict[tuple[str, str], list[str]] = {}
    for one in complaints:
        alike.setdefault((one.problem, one.cure.replace(f"-w {one.node} ", "-w NODES ")), []).append(one.node)
    return tuple(
        f"{fold(nodes)}: {problem}\n  {cure.replace('-w NODES ', f'-w {fold(nodes)} ')}"
        for (problem, cure), nodes in alike.items()
    )


def _of(engine: Engine, head_clock_s: int | None, head: str) -> Sequence[Complaint]:
    def complaint(problem: str, cure: str, *, stops: bool = True) -> Complaint:
        return Complaint(engine.node, problem, cure, stops)

    on = f"pibramble exec -w {engine.node} --"
    if not engine.reachable:
        return [complaint(engine.problem, engine.hint or "`pibramble up` opens its connection again")]
    if not engine.installed:
        cure = f'{on} sudo apt-get install -y docker.io; cards made with [containers] engine = "docker-swarm" have it'
        return [complaint("docker is not installed", cure)]
    found = []
    if not engine.version:
        found.append(complaint(f"its engine does not answer: {engine.problem}", f"{on} sudo systemctl restart docker"))
    elif _numbers(engine.version) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        cure = f"{on} sudo apt-get install -y docker.io"
        found.append(complaint(f"docker {engine.version} is too old: {wanted} is the oldest", cure))
    if head_clock_s is not None and engine.clock_s is not None and abs(engine.clock_s - head_clock_s) > MOST_APART_S:
        apart = engine.clock_s - head_clock_s
        said = f"its clock is {_duration(abs(apart))} {'ahead of' if apart > 0 else 'behind'} {head}'s"
        cure = f"{on} sudo chronyc makestep"
        found.append(complaint(f"{said}: Swarm's certificates would not be valid", cure))
    if engine.disk_free_mb is not None and engine.disk_free_mb < LEAST_DISK_MB:
        said = f"{engine.disk_free_mb} MB are left for images"
        found.append(complaint(said, f"{on} sudo docker image prune -a", stops=False))
    if engine.version and not engine.memory_limit:
        said = "its kernel does not count containers' memory: no limit holds"
        cure = "`cgroup_enable=memory` in /boot/firmware/cmdline.txt, and start it anew"
        found.append(complaint(said, cure, stops=False))
    return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _duration(seconds: int) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:,} {unit}"
    return f"{seconds} s"
