"""The cluster file as frozen types: what a person may write, with defaults for all the rest.

The reference page of the docs and the JSON Schema for editors are generated from these classes: each field's
`metadata["help"]` is the sentence that people read there.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import attrs

from pibramble.catalog.model import Additions


class Link(StrEnum):
    """The wire between the head and one worker."""

    USB = "usb"  # gadget Ethernet on a USB cable
    SERIAL = "serial"  # PPP on a UART
    ETHERNET = "ethernet"  # a second Ethernet port of the head, with a switch or a cable


class Auto(StrEnum):
    """A choice that is left to whoever knows when the time has come."""

    AUTO = "auto"


class Engine(StrEnum):
    """What runs containers on the nodes."""

    NONE = "none"
    DOCKER_SWARM = "docker-swarm"


class Kind(StrEnum):
    """What a text stands for; the JSON Schema and the reference page tell people and editors."""

    LABEL = "host name"
    IDENTITY = "letters and digits"
    NAMES = "host name or range"
    BOARD = "board"
    USER = "user name"
    INTERFACE = "interface"
    PORT = "port or range"
    DEVICE = "device"
    MAC = "MAC address"
    BAUD = "baud"
    RECEIVER_BAUD = 'baud or "auto"'
    MILLISECONDS = "ms"
    METRES = "m"
    PROFILE = "profile"
    SETTINGS = "speed and framing"
    TCP_PORT = "TCP port"
    MEGABYTES = "MB"
    PART = "part"
    IMAGE = "image file"
    TEXT = ""


def _field(help_text: str, kind: Kind = Kind.TEXT, **options: Any) -> Any:  # noqa: ANN401 (attrs.field's own type)
    return attrs.field(metadata={"help": help_text, "kind": kind}, **options)


@attrs.frozen(kw_only=True)
class ClusterSection:
    """`[cluster]`: what holds for every node."""

    name: str = _field("The cluster's name: a host name label.", kind=Kind.LABEL, default="bramble")
    id: str = _field(
        "Tells this cluster from others of the same name; MAC addresses are derived from it. "
        "`pibramble new` writes a random one. Default: the name.",
        kind=Kind.IDENTITY,
        default="",
    )
    user: str = _field("The account that works on every node.", kind=Kind.USER, default="pi")
    subnet: IPv4Network = _field("The network of all nodes.", default=IPv4Network("192.168.7.0/24"))
    nameservers: tuple[IPv4Address, ...] = _field("DNS servers that the nodes ask.", default=(IPv4Address("9.9.9.9"),))
    ntp: tuple[str, ...] = _field(
        "Time servers that the head asks; the workers ask the head.", default=("pool.ntp.org",)
    )
    clock_limit_ms: int = _field(
        "How far the nodes' clocks may be apart before `run` and `status` warn.", kind=Kind.MILLISECONDS, default=1000
    )
    console_login: bool = _field(
        "Whoever sits at a board's serial console is logged in as the user: no account has a password, and who has the "
        "wire in hand has the card, too. false: nobody gets in there.",
        default=True,
    )
    authorized_keys: tuple[str, ...] = _field(
        "Public keys that may log in to the head besides the cluster's own.", default=()
    )


@attrs.frozen(kw_only=True)
class HeadSection:
    """`[head]`: the one board (or PC) with the uplink."""

    name: str = _field("Its host name.", kind=Kind.LABEL, default="head")
    board: str = _field("Its board, by catalogue name.", kind=Kind.BOARD, default="pi-1b")
    uplink: str = _field("The interface that leads to the world.", kind=Kind.INTERFACE, default="eth0")
    uplink_address: IPv4Interface | None = _field(
        "A fixed address on the uplink, as 192.168.1.10/24. Default: by DHCP.", default=None
    )
    uplink_gateway: IPv4Address | None = _field("The gateway that goes with a fixed address.", default=None)
    address: IPv4Address | None = _field("Its address in the cluster. Default: the subnet's first.", default=None)
    image: str | None = _field(
        "An image of Raspberry Pi OS for its card, instead of the one in [cards].", kind=Kind.IMAGE, default=None
    )


@attrs.frozen(kw_only=True)
class WorkerGroup:
    """`[[workers]]`: one worker, or a range of like ones."""

    name: str = _field("A host name, or a ClusterShell range of them: zero[1-4].", kind=Kind.NAMES)
    board: str = _field("The board, by catalogue name.", kind=Kind.BOARD, default="pi-zero")
    link: Link | None = _field(
        "The wire to the head: usb, serial or ethernet. Default: usb where the board can be a USB device, "
        "else serial where it has a UART.",
        default=None,
    )
    head_port: str | None = _field(
        "The head's end of the wire: a serial device (a range for a range of workers), or for ethernet the head's "
        "interface. Needed for serial; ethernet's default is eth1; usb needs none.",
        kind=Kind.PORT,
        default=None,
    )
    worker_port: str | None = _field(
        "The worker's serial device. Default: the board's first UART.", kind=Kind.DEVICE, default=None
    )
    baud: int | None = _field(
        "The speed of a serial link, in baud. Default: 921600 or the UART's limit.", kind=Kind.BAUD, default=None
    )
    flow_control: bool = _field("RTS and CTS are wired on a serial link.", default=False)
    cable_m: float | None = _field(
        "How long the serial cable of each is. `pibramble wiring` holds it against the speed. Default: not looked at.",
        kind=Kind.METRES,
        default=None,
    )
    usb_console: bool = _field(
        "A USB worker is a serial console as well, on the same cable; at the head it has the worker's name. Whoever is "
        "at that end is logged in (console_login). Seen in nothing yet.",
        default=False,
    )
    address: IPv4Address | None = _field("The address of a single worker, or of the range's first.", default=None)
    image: str | None = _field(
        "An image of Raspberry Pi OS for their cards, instead of the one in [cards].", kind=Kind.IMAGE, default=None
    )


@attrs.frozen(kw_only=True)
class NodeOverride:
    """`[nodes.NAME]`: what is different about one node of a range."""

    address: IPv4Address | None = _field("Its address.", default=None)
    mac: str | None = _field("The MAC address of its own end of the link.", kind=Kind.MAC, default=None)
    head_mac: str | None = _field("The MAC address of the head's end of its USB link.", kind=Kind.MAC, default=None)
    head_port: str | None = _field("The head's end of its wire.", kind=Kind.PORT, default=None)
    worker_port: str | None = _field("Its serial device.", kind=Kind.DEVICE, default=None)
    baud: int | None = _field("The speed of its serial link.", kind=Kind.BAUD, default=None)


@attrs.frozen(kw_only=True)
class GpsSection:
    """`[gps]`: a GPS receiver on the head, which gives the cluster its time."""

    port: str = _field(
        "The serial device that it is on; of a USB receiver best the name that is always the same, "
        "`/dev/serial/by-id/...`.",
        kind=Kind.DEVICE,
    )
    baud: int | Auto = _field(
        "Its speed. `auto`: gpsd tries one after the other, which may take half a minute at every start.",
        kind=Kind.RECEIVER_BAUD,
        default=Auto.AUTO,
    )
    pps: str | None = _field(
        "The device of its pulse per second, as `/dev/pps0`. Default: its sentences alone tell the time.",
        kind=Kind.DEVICE,
        default=None,
    )
    lag_ms: int | None = _field(
        "How late its sentences come after the second that they tell, where you have measured it against another "
        "clock. Default: nobody knows, so the time may be half a second off.",
        kind=Kind.MILLISECONDS,
        default=None,
    )
    share_position: bool = _field(
        "All nodes may ask the head's gpsd where they are; otherwise only programs on the head may.", default=False
    )


@attrs.frozen(kw_only=True)
class LabSection:
    """`[lab]`: how the virtual lab on a PC stands in for the boards."""

    disk_mb: int = _field(
        "The most that a node may write to its disk (it is memory of the PC).", kind=Kind.MEGABYTES, default=512
    )
    world: IPv4Network = _field(
        "The network between the head's uplink and the lab's stand-in for the world.",
        default=IPv4Network("10.213.7.0/30"),
    )


@attrs.frozen(kw_only=True)
class HubSection:
    """`[[hubs]]`: a USB hub between the head and its workers."""

    name: str = _field("What the others call it. Default: hub1, hub2 and so on.", kind=Kind.LABEL, default="")
    model: str = _field("What it is, by catalogue name.", kind=Kind.PART, default="hub-7-powered")
    port: str = _field('Where its plug is: "head", or another hub\'s name.', kind=Kind.LABEL, default="head")
    workers: str = _field(
        "The workers on it. Default: the USB workers that no other hub has, as many as it has ports.",
        kind=Kind.NAMES,
        default="",
    )
    devices: str = _field(
        "The head's adapters and receivers on it, as \"eth1,/dev/ttyUSB[0-1]\". Default: they sit in the head's "
        "own ports.",
        kind=Kind.PORT,
        default="",
    )
    backfeeds: bool | None = _field(
        "Its supply pushes current up into the port above it, as you measured. Default: the catalogue's word.",
        default=None,
    )


@attrs.frozen(kw_only=True)
class SupplySection:
    """`[[supplies]]`: a 5 V supply that feeds nodes or hubs.

    What nobody feeds has a supply of its own, of the size that its makers recommend; a USB worker is fed by its cable.
    """

    model: str = _field("What it is, by catalogue name.", kind=Kind.PART, default="supply-5v-2a5")
    feeds: str = _field("The nodes and hubs that hang on it.", kind=Kind.NAMES, default="")


@attrs.frozen(kw_only=True)
class BridgeSection:
    """`[[bridges]]`: a chip at the head that makes UARTs out of its SPI bus."""

    model: str = _field("What it is, by catalogue name.", kind=Kind.PART, default="max14830")
    ports: str = _field("Its serial devices at the head.", kind=Kind.PORT, default="/dev/ttyMAX[0-3]")


@attrs.frozen(kw_only=True)
class PartsSection:
    """`[parts]`: which parts the bill takes where this file names none."""

    card: str = _field("Every node's memory card.", kind=Kind.PART, default="microsd-8")
    cord: str = _field("The USB cable of each worker. Default: what fits its board.", kind=Kind.PART, default="")
    cut_5v: str = _field("The USB workers whose cable has its 5 V wire cut.", kind=Kind.NAMES, default="")
    hub: str = _field("The hubs that are needed. Default: the cheapest that do.", kind=Kind.PART, default="")
    switch: str = _field("The Ethernet switches. Default: the cheapest that do.", kind=Kind.PART, default="")


@attrs.frozen(kw_only=True)
class MpiSection:
    """`[mpi]`: the MPICH on the cards."""

    source: str = _field(
        "A release of MPICH, as mpich-4.2.3.tar.gz, to be compiled on this PC for every kind of board; a path from the "
        "cluster file's folder. Default: Debian's MPICH.",
        default="",
    )


@attrs.frozen(kw_only=True)
class CardsSection:
    """`[cards]`: what the boards boot from."""

    image: str | None = _field(
        "An image of Raspberry Pi OS bullseye, bookworm or trixie (.img, .img.xz, .img.gz, .img.zst), which the cards "
        "are made from; a path from the cluster file's folder. Default: Debian, made from its packages.",
        kind=Kind.IMAGE,
        default=None,
    )


@attrs.frozen(kw_only=True)
class EmulatorSection:
    """`[emulator]`: how QEMU stands in for the boards."""

    paced: bool = _field("Serial links are no faster than their baud rate.", default=False)


@attrs.frozen(kw_only=True)
class ConsoleSection:
    """`[[consoles]]`: a serial line of the head that `pibramble console` serves: a switch, a router, a board."""

    name: str = _field(
        "What people call it: a host name label. A worker's name: this line is that worker's own UART.", kind=Kind.LABEL
    )
    port: str = _field(
        "Its serial device; best a name that stays the same, of /dev/serial/by-path/ or by-id/.", kind=Kind.DEVICE
    )
    profile: str | None = _field(
        "How it is spoken to: the name of a profile. Default: raw, for a worker's UART raspberry-pi.",
        kind=Kind.PROFILE,
        default=None,
    )
    settings: str = _field(
        'Speed and framing, where they are not the profile\'s: "9600 8N1", "115200 8N1 rtscts".',
        kind=Kind.SETTINGS,
        default="",
    )
    tcp_port: int | None = _field(
        "Where `pibramble serve` offers it by RFC 2217, on 127.0.0.1 alone. Default: nowhere.",
        kind=Kind.TCP_PORT,
        default=None,
    )


@attrs.frozen(kw_only=True)
class ContainersSection:
    """`[containers]`: containers beside MPI."""

    engine: Engine = _field("What runs containers on the nodes: none, or docker-swarm.", default=Engine.NONE)
    addresses: IPv4Network | None = _field(
        "The network that containers get their addresses from. Default: one that collides with no other of this file.",
        default=None,
    )
    registry: bool = _field(
        "The head keeps images, and the nodes take them from there when a task needs one.", default=False
    )


@attrs.frozen(kw_only=True)
class WebSection:
    """`[web]`: the pages of `pibramble serve` on the head's card."""

    uplink: bool = _field(
        "They are for the uplink's network, too: TCP port 8470, over TLS, for those who log in "
        "(`pibramble serve user add`). Default: for the head alone, by ssh -L.",
        default=False,
    )


@attrs.frozen(kw_only=True)
class Cluster:
    """A whole cluster file. Ranges are not yet expanded: that is the plan's work."""

    cluster: ClusterSection = _field("What holds for every node.", factory=ClusterSection)
    head: HeadSection = _field("The head.", factory=HeadSection)
    workers: tuple[WorkerGroup, ...] = _field("The workers.", default=())
    nodes: dict[str, NodeOverride] = _field("Overrides for single nodes, by name.", factory=dict)
    cards: CardsSection = _field("The cards of the boards.", factory=CardsSection)
    mpi: MpiSection = _field("The MPICH on the cards.", factory=MpiSection)
    gps: GpsSection | None = _field("The GPS receiver on the head.", default=None)
    lab: LabSection = _field("The virtual lab.", factory=LabSection)
    emulator: EmulatorSection = _field("The emulator.", factory=EmulatorSection)
    containers: ContainersSection = _field("Containers.", factory=ContainersSection)
    hubs: tuple[HubSection, ...] = _field("The USB hubs.", default=())
    supplies: tuple[SupplySection, ...] = _field("The supplies.", default=())
    bridges: tuple[BridgeSection, ...] = _field("The UART bridges.", default=())
    consoles: tuple[ConsoleSection, ...] = _field("The serial lines of the console.", default=())
    web: WebSection = _field("The pages of the consoles.", factory=WebSection)
    parts: PartsSection = _field("The choice of parts.", factory=PartsSection)
    catalog: Additions = _field("Parts that the catalogue lacks, or of which you know better.", factory=Additions)
