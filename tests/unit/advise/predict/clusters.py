"""Clusters to predict, made of the types alone, and a stand-in for SimGrid's sums."""

from __future__ import annotations

from pibramble.advise.power import Feeding
from pibramble.advise.predict.calibration import NOTHING_MEASURED, Calibration
from pibramble.advise.predict.shared import USB_BUS_BPS, Tree, tree
from pibramble.advise.predict.wires import ENVELOPE_BYTES, Wires, wires
from pibramble.catalog.model import Additions
from pibramble.catalog.sections import Catalogue
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ClusterSection, HeadSection, HubSection, Link, WorkerGroup

USB = (WorkerGroup(name="zero[1-4]"),)
SERIAL = (
    WorkerGroup(name="ser[1-2]", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyMAX[0-1]", baud=921_600),
)
FOUR_CORES = (WorkerGroup(name="fast", board="pi-zero-2w"),)


FULL_SPEED = Additions({"hubs": {"old": {"title": "a hub of 1999", "ports": 16, "port_ma": 500, "full_speed": True}}})


def cluster(*workers: WorkerGroup, head: str = "pi-4b", hubs: tuple[HubSection, ...] = ()) -> Cluster:
    """Return a cluster whose head has its uplink by air, so that its Ethernet port is the workers'."""
    first = HeadSection(board=head, uplink="wlan0")
    return Cluster(cluster=ClusterSection(name="c"), head=first, workers=workers, hubs=hubs, catalog=FULL_SPEED)


def plan(*workers: WorkerGroup) -> Plan:
    return resolve(cluster(*workers))


def boards(*workers: WorkerGroup, calibration: Calibration = NOTHING_MEASURED) -> Wires:
    return wires(plan(*workers), calibration)


def shared(of: Cluster) -> Tree:
    return tree(Feeding(of, Catalogue(of.catalog)), resolve(of))


def one_way_s(modelled: Wires, sender: str, receiver: str, size: int) -> float:
    """Return what SimGrid takes for a message, by the formula at the top of wires.py."""
    size += ENVELOPE_BYTES
    one, other = modelled.models[sender], modelled.models[receiver]
    [kind] = modelled.steps
    step = next(step for step in reversed(modelled.steps[kind]) if step.from_bytes < size)
    rate = min(one.to_head_bytes_per_s, other.to_worker_bytes_per_s, USB_BUS_BPS / 8 / 2)
    return (one.latency_s + other.latency_s) * step.latency + size / (rate * step.bandwidth)
