"""A lab's wires, made: what the builder does to the network namespaces of the head, the workers and the world.

Standard library only, like the builder. What the wires are is decided in links.py.
"""

from __future__ import annotations

import os
from typing import TypedDict

from pibramble.targets.lab.rtnetlink import Rtnetlink, VethEnd

_MTU = 1500  # of the uplink


class Shape(TypedDict):
    """A token bucket: what may leave through an interface (tc-tbf(8))."""

    rate_bps: int
    burst_bytes: int
    limit_bytes: int


class End(TypedDict):
    """One end of a wire."""

    interface: str
    mac: str | None
    address: str | None  # None: a port of a bridge
    prefix: int
    peer: str | None  # the other end's address, on a wire that is no network
    gateway: str | None


class Wire(TypedDict):
    """A worker's wire: its own end, the head's end as it is made (plugged in later), and its shape."""

    here: End
    head_interface: str
    head_mac: str | None
    mtu: int
    shape: Shape


class Port(TypedDict):
    """The head's end of a worker's wire: a port of the bridge, or routed, with proxy ARP for the worker."""

    end: End
    worker: str | None  # the address to answer for; None: bridged
    shape: Shape


class Head(TypedDict):
    """The head's own interfaces."""

    bridge: End
    uplink: End
    world_interface: str


def make_head(head: Head, ground: str) -> None:
    """Make the head's interfaces in this network namespace; the uplink's other end goes to namespace `ground`."""
    kernel = Rtnetlink()
    kernel.set_up("lo")
    bridge, uplink = head["bridge"], head["uplink"]
    kernel.add_bridge(bridge["interface"], bridge["mac"] or "")
    _configure(kernel, bridge)
    there = os.open(ground, os.O_RDONLY)
    kernel.add_veth(VethEnd(uplink["interface"], uplink["mac"]), VethEnd(head["world_interface"]), _MTU, there)
    os.close(there)
    _configure(kernel, uplink)
    kernel.close()


def make_world(end: End, host: str) -> None:
    """Set up the world's end of the uplink in this network namespace, and the host that is always there.

    There is no route back into the cluster: without NAT at the head nothing returns.
    """
    kernel = Rtnetlink()
    kernel.set_up("lo")
    kernel.add_address("lo", host, 32)
    _configure(kernel, end)
    kernel.close()


def make_wire(wire: Wire, head: str) -> None:
    """Make a worker's wire in this network namespace and put the other end into namespace `head`."""
    kernel = Rtnetlink()
    kernel.set_up("lo")
    here = wire["here"]
    there = os.open(head, os.O_RDONLY)
    ends = VethEnd(here["interface"], here["mac"]), VethEnd(wire["head_interface"], wire["head_mac"])
    kernel.add_veth(*ends, wire["mtu"], there)
    os.close(there)
    _configure(kernel, here)
    _shape(kernel, here["interface"], wire["shape"])
    kernel.close()


def plug_in(ports: list[Port], bridge: str) -> None:
    """Connect the workers' wires in the head's network namespace, which this process must be in."""
    kernel = Rtnetlink()
    for port in ports:
        _configure(kernel, port["end"], bridge=None if port["worker"] else bridge)
        if port["worker"]:
            kernel.answer_for(bridge, port["worker"])  # what pppd's `proxyarp` does
        _shape(kernel, port["end"]["interface"], port["shape"])
    kernel.close()


def _configure(kernel: Rtnetlink, end: End, bridge: str | None = None) -> None:
    kernel.set_up(end["interface"], master=bridge)
    if end["address"]:
        kernel.add_address(end["interface"], end["address"], end["prefix"], peer=end["peer"])
    if end["gateway"]:
        kernel.add_default_route(end["interface"], end["gateway"])


def _shape(kernel: Rtnetlink, interface: str, shape: Shape) -> None:
    kernel.shape(interface, shape["rate_bps"], shape["burst_bytes"], shape["limit_bytes"])
