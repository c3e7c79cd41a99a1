"""The lab's wires, decided: how veth pairs stand in for USB cables and UARTs. Pure.

Worker's end: `uplink`. Head's end: the plan's interface, a port of the bridge or a routed /32 with proxy ARP, as on
the boards. Each end is shaped with a token bucket filter to what the wire carries in its direction.
"""

from __future__ import annotations

from pibramble.plan.model import BRIDGE, WORKER_INTERFACE, LinkPlan, NodePlan, Plan
from pibramble.targets.lab.network import End, Head, Port, Shape, Wire

WORLD_INTERFACE = "world"  # the lab's end of the head's uplink
WORLD_HOST = "203.0.113.1"  # a host of the world that is always there (RFC 5737, TEST-NET-3)

_TIMER_HZ = 250  # a bucket must hold what flows between two ticks, or the rate is not reached (tc-tbf(8))
_FRAME_OVERHEAD_BYTES = 14
_QUEUE_S = 0.05  # how much may wait in front of the wire
_QUEUE_FRAMES_MIN = 20  # on a slow wire: about what a UART's driver and pppd keep


def shape(rate_bps: int, mtu: int) -> Shape:
    """Return the token bucket for a wire that carries `rate_bps` in frames of up to `mtu` bytes of payload."""
    frame = mtu + _FRAME_OVERHEAD_BYTES
    burst = max(2 * frame, rate_bps // 8 // _TIMER_HZ)
    queue = max(_QUEUE_FRAMES_MIN * frame, int(rate_bps / 8 * _QUEUE_S))
    return Shape(rate_bps=rate_bps, burst_bytes=burst, limit_bytes=burst + queue)


def head(plan: Plan) -> Head:
    """Return the head's own interfaces: the bridge that holds its address, and the uplink with the world behind it."""
    network = plan.lab.world
    return Head(
        bridge=_end(BRIDGE, str(plan.head.address), plan.subnet.prefixlen, mac=plan.bridge_mac),
        uplink=_end(plan.uplink.interface, str(network[2]), network.prefixlen, gateway=str(network[1])),
        world_interface=WORLD_INTERFACE,
    )


def world(plan: Plan) -> End:
    """Return the world's end of the uplink."""
    network = plan.lab.world
    return _end(WORLD_INTERFACE, str(network[1]), network.prefixlen)


def wire(plan: Plan, worker: NodePlan) -> Wire:
    """Return a worker's wire."""
    link = _link(worker)
    address, gateway = str(worker.address), str(plan.head.address)
    if link.bridged:
        here = _end(WORKER_INTERFACE, address, plan.subnet.prefixlen, mac=link.worker_mac, gateway=gateway)
    else:  # as pppd sets it up: two addresses, no network
        here = _end(WORKER_INTERFACE, address, 32, peer=gateway, gateway=gateway)
    return Wire(
        here=here,
        head_interface=link.head_interface,
        head_mac=link.head_mac,
        mtu=link.mtu,
        shape=shape(link.to_head_bps, link.mtu),
    )


def port(plan: Plan, worker: NodePlan) -> Port:
    """Return the head's end of a worker's wire."""
    link = _link(worker)
    bucket = shape(link.to_worker_bps, link.mtu)
    if link.bridged:
        return Port(end=_end(link.head_interface, None, 0), worker=None, shape=bucket)
    address = str(worker.address)
    end = _end(link.head_interface, str(plan.head.address), 32, peer=address)
    return Port(end=end, worker=address, shape=bucket)


def _end(  # noqa: PLR0913 (an interface has that many properties)
    interface: str,
    address: str | None,
    prefix: int,
    *,
    mac: str | None = None,
    peer: str | None = None,
    gateway: str | None = None,
) -> End:
    return End(interface=interface, mac=mac, address=address, prefix=prefix, peer=peer, gateway=gateway)


def _link(worker: NodePlan) -> LinkPlan:
    if worker.link is None:
        message = f"{worker.name} is no worker"
        raise ValueError(message)
    return worker.link
