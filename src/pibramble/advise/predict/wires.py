"""How long a message takes on the way between two workers: from what the wires carry, or from what was measured.

SimGrid's model of a message of s bytes is   latency x lat_factor(s) + s / (bandwidth x bw_factor(s))   with the factors
in steps. A worker's wire has half of the latency and all of the bandwidth; a message takes two wires, through the head.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import attrs

from pibramble.advise.predict.calibration import Calibration, Curve, Traffic
from pibramble.errors import PibrambleError
from pibramble.plan.model import LinkPlan, Plan
from pibramble.spec.model import Link

# RFC 9293 and RFC 791 with the timestamps that Linux sends (RFC 7323); a gadget carries Ethernet's 14 bytes, too.
_IP_TCP_BYTES = 20 + 20 + 12
_ETHERNET_BYTES = 14
ENVELOPE_BYTES = 16  # that SMPI 3.32 adds to every message of a program, as MPI itself adds some
_PPP_BYTES = 8  # RFC 1662: flag, address, control, protocol and checksum, uncompressed

# One way over one wire, beside the time of the bits: half of the 0.47 to 0.65 ms that a ping takes between a Zero 2 W
# and its host over g_ether (ThomasKaiser/Knowledge, read 2026-11); slower boards and MPI will add to it: unverified.
_LATENCY_S: Mapping[Link, float] = {Link.USB: 0.00028, Link.SERIAL: 0.0, Link.ETHERNET: 0.00028}


class Step(NamedTuple):
    """From so many bytes on, so much of the latency and of the bandwidth."""

    from_bytes: int
    latency: float
    bandwidth: float


@attrs.frozen
class WireModel:
    """One kind of wire."""

    latency_s: float  # of one wire
    to_head_bytes_per_s: float  # of a program's own data
    to_worker_bytes_per_s: float


@attrs.frozen
class Wires:
    """The wires of a cluster, and how times depend on the size of a message."""

    models: Mapping[str, WireModel]  # by worker
    steps: Mapping[Link, tuple[Step, ...]]  # the slowest kind first
    measured: frozenset[Link]  # the kinds whose figures were measured, not taken from the plan

    def steps_for(self, kinds: Iterable[Link]) -> tuple[Step, ...]:
        """Return the factors where these kinds of wire are in use.

        SimGrid has one set of factors for all of a platform: that of the slowest wire, which a program waits for.
        """
        used = set(kinds)
        return next((steps for kind, steps in self.steps.items() if kind in used), (Step(0, 1, 1),))


def wires(plan: Plan, calibration: Calibration, traffic: Traffic = Traffic.BOTH_WAYS) -> Wires:
    """Return the wires of a plan. Raises PibrambleError for one that carries nothing: SimGrid would abort."""
    links = {worker.name: worker.link for worker in plan.workers if worker.link}
    for name, link in links.items():
        if min(link.to_head_bps, link.to_worker_bps) <= 0:
            raise PibrambleError(
                f"nobody knows what the wire of {name} carries",
                hint="gadget_to_head_mbit and gadget_from_head_mbit in [catalog.boards.NAME] say it",
            )
    known = calibration.curves(traffic).items()
    curves = {kind: curve for (kind, other), curve in known if kind == other and len(curve) > 1}
    models = {name: _model(link, curves.get(link.kind)) for name, link in links.items()}
    slowest: dict[Link, LinkPlan] = {}  # of each kind
    for link in sorted(links.values(), key=lambda link: link.to_head_bps):
        slowest.setdefault(link.kind, link)
    return Wires(
        models,
        {kind: _steps(link, curves.get(kind)) for kind, link in slowest.items()},
        frozenset(kind for kind in slowest if kind in curves),
    )


def _model(link: LinkPlan, curve: Curve | None) -> WireModel:
    if curve is None:
        share = payload_share(link)
        latency = _LATENCY_S[link.kind] + _overhead_bytes(link) * 8 / min(link.to_head_bps, link.to_worker_bps)
        return WireModel(latency, link.to_head_bps / 8 * share, link.to_worker_bps / 8 * share)
    rate = bandwidth(curve)
    return WireModel(curve[0].median_s / 2, rate, rate)


def payload_share(link: LinkPlan) -> float:
    """Return how much of what a wire carries is a program's own data, when packets are full."""
    # The plan's rate is that of IP packets; the frame around them is on top, in the lab's shaping, too.
    return (link.mtu - _IP_TCP_BYTES) / (link.mtu + _frame_bytes(link))


def _overhead_bytes(link: LinkPlan) -> int:
    return _IP_TCP_BYTES + _frame_bytes(link)


def _frame_bytes(link: LinkPlan) -> int:
    return _PPP_BYTES if link.kind is Link.SERIAL else _ETHERNET_BYTES


def bandwidth(curve: Curve) -> float:
    """Return the bandwidth that a measured ping-pong shows, in bytes a second: the slope between its largest sizes."""
    large, largest = curve[-2:]
    seconds = largest.median_s - large.median_s
    if seconds <= 0:  # a measurement so disturbed that more took less
        return largest.size_bytes / largest.median_s
    return (largest.size_bytes - large.size_bytes) / seconds


def _steps(link: LinkPlan, curve: Curve | None) -> tuple[Step, ...]:
    model = _model(link, curve)
    return tuple(_fitted(curve, model)) if curve else _store_and_forward(link, model)


def _store_and_forward(link: LinkPlan, model: WireModel) -> tuple[Step, ...]:
    """Return what forwarding costs: the head has a packet whole before it passes it on.

    A message of one packet takes its time twice; of a longer one only the first packet does.
    """
    slower = min(link.to_head_bps, link.to_worker_bps) / 8
    first_packet = 2 * _LATENCY_S[link.kind] + (link.mtu + _frame_bytes(link)) / slower
    one_packet = Step(0, 1, 0.5 / payload_share(link))  # its headers are in the latency already
    return one_packet, Step(link.mtu - _IP_TCP_BYTES, first_packet / (2 * model.latency_s), 1)


def _fitted(curve: Curve, model: WireModel) -> Iterable[Step]:
    """Yield factors that give each measured size its time; a step ends half-way (on a log scale) to the next."""
    latency, rate = 2 * model.latency_s, model.to_head_bytes_per_s
    for sample, begins in zip(curve, _boundaries([sample.size_bytes for sample in curve]), strict=True):
        size = sample.size_bytes + ENVELOPE_BYTES
        rest = sample.median_s - size / rate
        if rest >= 0:
            yield Step(begins, rest / latency, 1)
        else:  # faster than the wire: a short burst that buffers took
            yield Step(begins, 0, size / rate / sample.median_s)


def _boundaries(sizes: Sequence[int]) -> list[int]:
    return [0, *(math.isqrt(low * high) + ENVELOPE_BYTES for low, high in pairwise(sizes))]
