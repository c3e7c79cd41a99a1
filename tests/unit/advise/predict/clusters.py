"""Clusters to predict, made of the types alone, and a stand-in for SimGrid's sums."""

from __future__ import annotations

from pibramble.advise.predict.calibration import NOTHING_MEASURED, Calibration
from pibramble.advise.predict.wires import ENVELOPE_BYTES, Wires, wires
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ClusterSection, HeadSection, Link, WorkerGroup

USB = (WorkerGroup(name="zero[1-4]"),)
SERIAL = (
    WorkerGroup(name="ser[1-2]", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyMAX[0-1]", baud=921_600),
)
FOUR_CORES = (WorkerGroup(name="fast", board="pi-zero-2w"),)


def plan(*workers: WorkerGroup) -> Plan:
    return resolve(Cluster(cluster=ClusterSection(name="c"), head=HeadSection(board="pi-4b"), workers=workers))


def boards(*workers: WorkerGroup, calibration: Calibration = NOTHING_MEASURED) -> Wires:
    return wires(plan(*workers), calibration, shared_bus=True)


def one_way_s(modelled: Wires, sender: str, receiver: str, size: int) -> float:
    """Return what SimGrid takes for a message, by the formula at the top of wires.py."""
    size += ENVELOPE_BYTES
    one, other = modelled.models[sender], modelled.models[receiver]
    [kind] = modelled.steps
    step = next(step for step in reversed(modelled.steps[kind]) if step.from_bytes < size)
    rate = min(one.to_head_bytes_per_s, other.to_worker_bytes_per_s, modelled.bus_bytes_per_s or 1e18)
    return (one.latency_s + other.latency_s) * step.latency + size / (rate * step.bandwidth)
