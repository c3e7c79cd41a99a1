"""What the links really carry: iperf3 between the head and each worker, each way, one after the other.

One after the other, because all links end at the head: measured together they would take each other's share.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs

from pibramble.operate.execute import execute
from pibramble.operate.outcome import Outcome
from pibramble.plan.model import LinkPlan, NodePlan, Plan
from pibramble.targets.base import Connections

_PORT = 52010  # not iperf3's own: somebody may use that
_SECONDS = 2.0
_SECONDS_SLOW = 6.0  # a slow link's buffers hold a second or so, which must not count
_SLOW_BPS = 10_000_000
_TIMEOUT_S = 40.0
_NO_IPERF3 = 127  # as sh(1) has it

# Serves one measurement, and is gone after that or when none comes. 0A is LISTEN (Linux, tcp_states.h).
_SERVER = f"""
command -v iperf3 >/dev/null || exit {_NO_IPERF3}
timeout {_TIMEOUT_S:g} iperf3 -s -1 -p {_PORT} </dev/null >/dev/null 2>&1 &
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
    grep -q ':{_PORT:04X} [0-9A-F]*:0000 0A' /proc/net/tcp /proc/net/tcp6 2>/dev/null && exit 0
    sleep 0.1
done
echo "iperf3 does not listen" >&2
exit 1
"""


@attrs.frozen
class Measured:
    """A link as measured, beside the plan. Rates are those of TCP's payload, which is 3 to 8 % less than the wire's."""

    node: str
    to_worker_mbit: float | None
    to_head_mbit: float | None
    to_worker_percent: float | None  # of the planned rate
    to_head_percent: float | None
    problem: str = ""


def measure(
    plan: Plan, worker: NodePlan, connections: Connections, on_way: Callable[[str], None] = lambda _: None
) -> Measured:
    """Measure one worker's link, both ways; `on_way` is told which one is at hand. Trouble is part of the answer."""
    assert worker.link is not None  # noqa: S101 (for mypy: workers have links)
    rates: list[float] = []  # Mbit/s
    for reverse, way, planned in (
        (False, f"{plan.head.name} to {worker.name}", worker.link.to_worker_bps),
        (True, f"{worker.name} to {plan.head.name}", worker.link.to_head_bps),
    ):
        on_way(way)
        rate, problem = _one_way(plan, worker, connections, planned_bps=planned, reverse=reverse)
        if rate is None:
            return Measured(worker.name, rates[0] if rates else None, None, None, None, problem)
        rates.append(rate / 1e6)
    return _beside_plan(worker.name, rates[0], rates[1], worker.link)


def _beside_plan(node: str, to_worker_mbit: float, to_head_mbit: float, link: LinkPlan) -> Measured:
    return Measured(
        node,
        to_worker_mbit,
        to_head_mbit,
        100 * to_worker_mbit * 1e6 / link.to_worker_bps,
        100 * to_head_mbit * 1e6 / link.to_head_bps,
    )


def _one_way(
    plan: Plan, worker: NodePlan, connections: Connections, *, planned_bps: int, reverse: bool
) -> tuple[float | None, str]:
    """Return what arrived, in bit/s, or None and why there is nothing."""
    served = execute(connections, [worker.name], _SERVER, timeout_s=_TIMEOUT_S)[worker.name]
    if problem := _trouble(served, worker.name):
        return None, problem
    slow = planned_bps < _SLOW_BPS
    # 128 KiB at a time, as is usual, would be more than a second of a serial line.
    size = "-l 1K -w 8K" if slow else ""
    command = (
        f"command -v iperf3 >/dev/null || exit {_NO_IPERF3}; "
        f"exec iperf3 -J -c {worker.address} -p {_PORT} -t {_SECONDS_SLOW if slow else _SECONDS:g} -O 1 {size}"
    ) + (" -R" if reverse else "")
    head = plan.head.name
    outcome = execute(connections, [head], command, timeout_s=_TIMEOUT_S)[head]
    return read(outcome, head)


def read(outcome: Outcome, node: str) -> tuple[float | None, str]:
    """Read iperf3's JSON: what arrived, in bit/s, or None and why there is nothing."""
    try:
        report: dict[str, Any] = json.loads(outcome.stdout)
    except ValueError:
        return None, _trouble(outcome, node) or "iperf3 said nothing that could be understood"
    if "error" in report:
        return None, f"iperf3: {report['error']}"
    try:
        return float(report["end"]["sum_received"]["bits_per_second"]), ""
    except (KeyError, TypeError, ValueError):
        return None, "iperf3 does not say what arrived"


def _trouble(outcome: Outcome, node: str) -> str:
    if outcome.exit_code is None:
        return outcome.problem
    if outcome.exit_code == _NO_IPERF3:
        return f"there is no iperf3 on {node}: `pibramble exec -w {node} -- sudo apt-get install -y iperf3`"
    if outcome.exit_code:
        lines = outcome.stderr.decode(errors="replace").strip().splitlines()
        return f"{node}: {lines[-1] if lines else f'exit code {outcome.exit_code}'}"
    return ""
