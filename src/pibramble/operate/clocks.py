"""The nodes' clocks: how far apart they are, and what each of them follows.

Two answers to two questions. What chronyd on a node says of its clock (`chronyc -c tracking`, chronyc(1)) is good to
microseconds, and worth nothing where chronyd is dead or follows a wrong time. What the node's shell says, held against
ours, is as good as the connection is quick, and needs nothing on the node. Pure: the answers come with a node's others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Self

import attrs

from pibramble.chronyc import Tracking, is_report
from pibramble.operate.nodeset import fold
from pibramble.plan.model import Plan

# What a node is asked, besides whatever else it is asked at that moment.
# bash knows it by itself: no process is started for it. In some languages it has a comma.
READ_CLOCK = 'echo "clock ${EPOCHREALTIME:-$(date +%s.%N)}"\n'
# `timeout`: chronyc waits 7 s for a chronyd that hangs. By loopback and not by its socket, which is root's.
READ_TRACKING = """\
if command -v chronyc >/dev/null; then
    echo "tracking $(timeout 3 chronyc -n -h 127.0.0.1 -c tracking 2>&1)"
else
    echo "tracking none"
fi
"""

_UNITS = (
    (1e-3, 1e-6, "us"),
    (1, 1e-3, "ms"),
    (120, 1, "s"),
    (7_200, 60, "min"),
    (172_800, 3_600, "h"),
)  # below, size, name


@attrs.frozen
class Reading:
    """A node's clock held against this machine's."""

    ahead_s: float  # negative: it is behind
    doubt_s: float  # the truth is at most so far from that

    @classmethod
    def read(cls, said: str, heard_s: float, took_s: float) -> Self | None:
        """Take the clock out of a node's answer, which came at `heard_s` (since 1970), `took_s` after the question."""
        found = re.search(r"^clock (\d+)[.,](\d+)$", said, re.MULTILINE)
        if found is None:
            return None
        return cls(float(f"{found[1]}.{found[2]}") - heard_s + took_s / 2, took_s / 2)

    def against(self, other: Reading) -> Reading:
        """Return how far this clock is ahead of another one that was held against this machine's, too."""
        return Reading(self.ahead_s - other.ahead_s, self.doubt_s + other.doubt_s)

    def surely_over(self, limit_s: float) -> bool:
        """Say whether the two clocks are farther apart than that, however slow the answer was."""
        return abs(self.ahead_s) - self.doubt_s > limit_s


@attrs.frozen
class Clock:
    """What chronyd says of a node's clock."""

    problem: str = ""  # why it says nothing; then the rest means nothing
    source: str = ""  # what it follows: a node's name, an address, GPS; empty: nothing
    ahead_s: float | None = None  # of what it follows; negative: behind
    doubt_s: float | None = None  # how far its source may itself be from the truth
    stratum: int | None = None

    @classmethod
    def read(cls, said: str, plan: Plan) -> Self | None:
        """Take chronyd's word out of a node's answer; None where nobody asked."""
        found = re.search(r"^tracking(?: (.*))?$", said, re.MULTILINE)
        if found is None:
            return None
        line = found[1] or ""
        if line == "none":
            return cls(problem="there is no chrony")
        if not is_report(line):
            return cls(problem="chronyd does not answer")
        tracking = Tracking.read(line)
        if tracking is None:
            return cls(problem="chronyd's answer makes no sense")
        if not tracking.follows:
            return cls(stratum=tracking.stratum or None)
        names = {str(node.address): node.name for node in plan.nodes}
        return cls(
            source=names.get(tracking.reference, tracking.reference),
            ahead_s=tracking.offset_s,
            doubt_s=tracking.doubt_s,
            stratum=tracking.stratum,
        )


@attrs.frozen
class Astray:
    """A node whose clock is farther from the others' than it may be."""

    node: str
    ahead_s: float  # negative: it is behind


def astray(
    readings: Mapping[str, Reading | None], head: str, limit_s: float, clocks: Mapping[str, Clock | None] | None = None
) -> tuple[Astray, ...]:
    """Return the nodes whose clocks are surely farther off than `limit_s`: from the head's, or by chronyd's own word.

    The head's clock is the cluster's time. Without the head among them it is the middle one's: the one that is wrong is
    seldom most of them.
    """
    known = {node: reading for node, reading in readings.items() if reading is not None}
    found: dict[str, Astray] = {}
    for node, clock in (clocks or {}).items():
        if clock and clock.ahead_s is not None and abs(clock.ahead_s) > limit_s:
            found[node] = Astray(node, clock.ahead_s)
    if known:
        middle = sorted(known.values(), key=lambda reading: reading.ahead_s)[len(known) // 2]
        of = known.get(head, middle)
        for node, reading in known.items():
            apart = reading.against(of)
            if reading is not of and apart.surely_over(limit_s):
                found[node] = Astray(node, apart.ahead_s)
    return tuple(found[node] for node in readings if node in found)


def complaint(nodes: Sequence[Astray], limit_s: float) -> str:
    """Return for people which clocks are off, those that are off alike together, and what to do; empty if none is."""
    if not nodes:
        return ""
    alike: dict[str, list[str]] = {}
    for node in nodes:
        alike.setdefault(standing(node.ahead_s), []).append(node.node)
    told = ", ".join(f"{fold(names)} {how}" for how, names in alike.items())
    what = "one clock is" if len(nodes) == 1 else f"{len(nodes)} clocks are"
    why = "times of files and logs will not fit together; `pibramble status` shows what each clock follows"
    return f"{what} more than {span(limit_s)} off: {told}\n  {why}"


def span(seconds: float) -> str:
    """Return a span of time in a unit that people can see it in: `12 us`, `3.4 ms`, `1.2 s`, `5 min`, `365 d`."""
    size = abs(seconds)
    unit_s, unit = next(((unit_s, unit) for below_s, unit_s, unit in _UNITS if size < below_s), (86_400, "d"))
    value = size / unit_s
    whole = unit in {"us", "d"} or value >= 100  # noqa: PLR2004 (three digits)
    return f"{value:.0f} {unit}" if whole else f"{value:.3g} {unit}"


def standing(seconds: float) -> str:
    """Return how a clock stands: `3.4 ms ahead`, `365 d behind`."""
    return f"{span(seconds)} {'ahead' if seconds >= 0 else 'behind'}"
