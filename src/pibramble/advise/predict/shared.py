"""What the messages of several workers share on their way: the head's USB buses, the hubs, the head's Ethernet ports.

A message goes up to the head and down again, over every stretch of it: between two workers on one hub it takes that
hub's plug twice. A switch alone passes a message on by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import cycle
from types import MappingProxyType

import attrs

from pibramble.advise.power import Feeding
from pibramble.advise.predict.wires import payload_share
from pibramble.plan.model import LinkPlan, Plan
from pibramble.spec.model import Link

# Bulk transactions: 13 of 512 bytes in a microframe of 125 us at high speed (USB 2.0, table 5-10), 19 of 64 bytes in a
# frame of 1 ms at full speed (table 5-9).
USB_BUS_BPS = 13 * 512 * 8 * 8000
USB_FULL_SPEED_BPS = 19 * 64 * 8 * 1000


class Kind(StrEnum):
    """What is shared."""

    BUS = "bus"  # of the head's USB 2.0
    HUB = "hub"  # the plug of one
    PORT = "port"  # an Ethernet port of the head, with the switch behind it where several workers have one port


@attrs.frozen
class Trunk:
    """A stretch of the way to the head that several workers share."""

    name: str
    kind: Kind
    above: str | None  # the next one towards the head; None: it ends in the head
    bytes_per_s: float  # of USB both ways together, of Ethernet each way


@attrs.frozen
class Tree:
    """All that is shared, and which worker's wire ends where."""

    trunks: Mapping[str, Trunk] = MappingProxyType({})
    ends: Mapping[str, str] = MappingProxyType({})  # worker -> trunk; a wire that is not here ends in the head itself

    def way(self, worker: str) -> Iterator[Trunk]:
        """Yield the stretches between a worker's wire and the head."""
        name = self.ends.get(worker)
        while name is not None:
            yield self.trunks[name]
            name = self.trunks[name].above

    def of_kind(self, kind: Kind) -> tuple[Trunk, ...]:
        """Return all of one kind."""
        return tuple(trunk for trunk in self.trunks.values() if trunk.kind is kind)


NOTHING_SHARED = Tree()


def tree(feeding: Feeding, plan: Plan) -> Tree:
    """Return what a plan's workers share. Which bus of several a plug of the head is on nobody says: each in turn."""
    head = plan.head.board
    buses = [Trunk(f"bus {number + 1}", Kind.BUS, None, USB_BUS_BPS / 8) for number in range(head.usb_buses)]
    plugged = dict(zip(feeding.head_plugs, cycle(bus.name for bus in buses), strict=False))
    for hub in feeding.hubs.values():
        plugged.update(dict.fromkeys(hub.taken, hub.name))
    hubs = [
        Trunk(hub.name, Kind.HUB, plugged[hub.name], (USB_FULL_SPEED_BPS if hub.hub.full_speed else USB_BUS_BPS) / 8)
        for hub in feeding.hubs.values()
    ]
    ports: dict[str, Trunk] = {}
    ends: dict[str, str] = {}
    for worker in plan.workers:
        link = worker.link
        if link is not None and link.kind is Link.ETHERNET:
            device = str(link.head_port)
            own = buses[0].name if head.ethernet_on_usb and device not in feeding.devices else None
            port = _port(link, plugged.get(device, own))
            ends[worker.name] = port.name
            ports[port.name] = max(port, ports.get(port.name, port), key=lambda trunk: trunk.bytes_per_s)
            continue
        plug = link.head_port if link is not None and link.kind is Link.SERIAL else worker.name  # an adapter, a cable
        if plug in plugged:
            ends[worker.name] = plugged[plug]
    return Tree({trunk.name: trunk for trunk in (*buses, *hubs, *ports.values())}, ends)


def _port(link: LinkPlan, above: str | None) -> Trunk:
    # The plan knows what the wires behind a port carry; the port carries what the fastest of them does.
    return Trunk(f"port {link.head_port}", Kind.PORT, above, link.to_head_bps / 8 * payload_share(link))
