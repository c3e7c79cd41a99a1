"""The plan's types: every name, address, MAC, route and port of the cluster, decided."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import attrs

from pibramble.catalog.model import Board
from pibramble.spec.model import EmulatorSection, Engine, LabSection, Link

BRIDGE = "bramble"  # the head's bridge: USB and Ethernet workers are its ports, and it holds the head's address
NODE_PROFILE = "raspberry-pi"  # how a node's console is spoken to
USB_MAKER, USB_PRODUCT = "pibramble", "worker"  # what a USB worker with a console says that it is
USB_ID = f"usb-{USB_MAKER}_{USB_PRODUCT}"  # and what the head's udev makes of it, before the node's name
WORKER_INTERFACE = "uplink"  # every worker's only interface, whatever its wire


class Role(StrEnum):
    """What a node is in the cluster."""

    HEAD = "head"
    WORKER = "worker"


@attrs.frozen
class LinkPlan:
    """One wire, seen from both ends."""

    kind: Link
    head_interface: str  # the network interface at the head, at most 15 bytes
    bridged: bool  # a port of the head's bridge; otherwise routed, with proxy ARP
    head_mac: str | None  # usb: g_ether's host_addr; ethernet: of the head's own port (lab only); serial: None
    worker_mac: str | None  # usb: g_ether's dev_addr; ethernet: the worker's own; serial: None
    head_port: str | None  # the serial device at the head, or for ethernet the head's own interface
    worker_port: str | None  # serial: the device at the worker
    baud: int | None
    flow_control: bool
    to_worker_bps: int  # what the wire carries, head to worker, bit/s of IP packets
    to_head_bps: int
    rate_verified: bool  # false: nobody has measured this rate on these boards
    mtu: int
    console: str | None = None  # usb: the serial device at the head that is the worker's console, if it has one there


@attrs.frozen
class NodePlan:
    """One node."""

    name: str
    role: Role
    board: Board
    address: IPv4Address
    link: LinkPlan | None  # None: the head
    image: str | None = None  # what its card is made from, as the cluster file names it; None: Debian, or no card


@attrs.frozen
class Uplink:
    """The head's way to the world."""

    interface: str
    address: IPv4Interface | None  # None: by DHCP
    gateway: IPv4Address | None


@attrs.frozen
class GpsPlan:
    """The GPS receiver on the head."""

    port: str  # its serial device
    baud: int | None  # None: gpsd finds out
    pps: str | None  # the device of its pulse per second
    lag_ms: int | None  # how late its sentences come; None: nobody has measured it
    share_position: bool  # the whole cluster may ask gpsd

    @property
    def name(self) -> str:
        """Return the last part of the device's path, by which gpsd and chronyd name their sockets."""
        return self.port.rpartition("/")[2]


@attrs.frozen
class ConsolePlan:
    """A serial line of the head that the cluster file names: a switch, a router, a worker's UART."""

    name: str  # a worker's name: its own UART
    port: str  # its serial device
    profile: str
    settings: str  # speed and framing; empty: the profile's
    tcp_port: int | None = None  # where it is offered by RFC 2217, on the head's loopback


@attrs.frozen
class ContainersPlan:
    """What the container engine is told."""

    engine: Engine
    bridges: IPv4Network  # of networks within one node
    overlays: IPv4Network  # of networks between nodes
    labels: Mapping[str, Mapping[str, str]]  # by node name: what a stack's placement may ask for
    registry: str = ""  # ADDRESS:PORT of the head, where nodes read images; empty: there is none


@attrs.frozen
class Plan:
    """The whole cluster, resolved. Nodes keep the order of the cluster file, the head first."""

    name: str
    id: str
    user: str
    subnet: IPv4Network
    nameservers: tuple[IPv4Address, ...]
    ntp: tuple[str, ...]
    console_login: bool  # whoever sits at a board's serial console is logged in
    clock_limit_ms: int  # how far the nodes' clocks may be apart before anybody is warned
    authorized_keys: tuple[str, ...]
    bridge_mac: str
    uplink: Uplink
    head: NodePlan
    workers: tuple[NodePlan, ...]
    lab: LabSection
    emulator: EmulatorSection
    gps: GpsPlan | None = None
    consoles: tuple[ConsolePlan, ...] = ()
    web_uplink: bool = False  # the consoles' pages are for the uplink's network, too
    containers: ContainersPlan | None = None  # None: no engine
    # The cluster file's text, for the head's card. Another comment in it is no other plan.
    source: str = attrs.field(default="", eq=False, repr=False, metadata={"plain": False})

    @cached_property
    def node_consoles(self) -> Mapping[str, str]:
        """Return the serial devices of the head that are workers' consoles, by the workers' names."""
        return {worker.name: worker.link.console for worker in self.workers if worker.link and worker.link.console}

    @property
    def serves_consoles(self) -> bool:
        """Tell whether the head has serial lines to serve."""
        return bool(self.consoles or self.node_consoles)

    @cached_property
    def nodes(self) -> tuple[NodePlan, ...]:
        """Return the head and the workers."""
        return (self.head, *self.workers)

    @cached_property
    def _by_name(self) -> Mapping[str, NodePlan]:
        return {node.name: node for node in self.nodes}

    def node(self, name: str) -> NodePlan:
        """Return the node of that name. Raises KeyError."""
        return self._by_name[name]
