"""From a judged cluster file to the plan: every default decided, nothing left to chance.

Pure: no clock, no network, no randomness; the same cluster gives the same plan on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence

from pibramble.catalog.load import boards
from pibramble.catalog.model import Board
from pibramble.plan import addresses, containers, interfaces, macs
from pibramble.plan.macs import End
from pibramble.plan.model import (
    BRIDGE,
    NODE_PROFILE,
    USB_ID,
    WORKER_INTERFACE,
    ConsolePlan,
    GpsPlan,
    LinkPlan,
    NodePlan,
    Plan,
    Role,
    Uplink,
)
from pibramble.spec.expand import WorkerSpec, expand
from pibramble.spec.model import Auto, Cluster, ConsoleSection, GpsSection, Link

_MBIT = 1_000_000
_ANY_PROFILE = "raw"  # of a console about which the file says nothing

# What udev calls a worker's serial console (60-serial.rules): by its maker, product and serial number, which
# files/gadget.py gives it, and by the number of the interface, after the two of the network adapter.
_ACM_INTERFACE = 2

# One MTU for every wire. A serial frame of 1,500 bytes holds the line for 15 ms at 1 Mbaud and a smaller one would
# answer sooner, but USB and serial workers share one subnet: bridged nodes take every neighbour's MTU for their own,
# and a head that has to cut their packets up for a slower wire costs more than the wait.
_MTU = 1500


def resolve(cluster: Cluster, source: str = "") -> Plan:
    """Decide every name, address, MAC, route and port. Raises nothing for a cluster that was judged.

    `source` is the cluster file's text, which the plan passes on.
    """
    section = cluster.cluster
    identity = section.id or section.name
    workers = expand(cluster)
    head_board = boards(cluster.catalog)[cluster.head.board]
    head_address, worker_addresses = addresses.assign(
        section.subnet, cluster.head.address, [worker.address for worker in workers]
    )
    ports = {worker.head_port for worker in workers if worker.link is Link.ETHERNET and worker.head_port}
    names = interfaces.link_names(
        [worker.name for worker in workers], {cluster.head.uplink, BRIDGE, WORKER_INTERFACE, *ports}
    )
    return Plan(
        name=section.name,
        id=identity,
        user=section.user,
        subnet=section.subnet,
        nameservers=section.nameservers,
        ntp=section.ntp,
        console_login=section.console_login,
        clock_limit_ms=section.clock_limit_ms,
        authorized_keys=section.authorized_keys,
        bridge_mac=macs.derive(identity, cluster.head.name, End.BRIDGE),
        uplink=Uplink(cluster.head.uplink, cluster.head.uplink_address, cluster.head.uplink_gateway),
        head=NodePlan(
            cluster.head.name,
            Role.HEAD,
            head_board,
            head_address,
            link=None,
            image=cluster.head.image or cluster.cards.image if head_board.firmware else None,
        ),
        workers=tuple(
            NodePlan(
                *(worker.name, Role.WORKER, worker.board, address),
                link=_link(worker, interface, identity, head_board),
                image=worker.image,
            )
            for worker, address, interface in zip(workers, worker_addresses, names, strict=True)
        ),
        lab=cluster.lab,
        emulator=cluster.emulator,
        gps=_gps(cluster.gps) if cluster.gps else None,
        consoles=tuple(
            ConsolePlan(section.name, section.port, _profile(section, workers), section.settings, section.tcp_port)
            for section in cluster.consoles
        ),
        web_uplink=cluster.web.uplink and (bool(cluster.consoles) or any(worker.usb_console for worker in workers)),
        containers=containers.resolve(cluster, workers, head_board, head_address),
        source=source,
    )


def _profile(section: ConsoleSection, workers: Sequence[WorkerSpec]) -> str:
    if section.profile is not None:
        return section.profile
    return NODE_PROFILE if section.name in {worker.name for worker in workers} else _ANY_PROFILE


def _gps(section: GpsSection) -> GpsPlan:
    baud = None if isinstance(section.baud, Auto) else section.baud
    return GpsPlan(section.port, baud, section.pps, section.lag_ms, section.share_position)


def _link(worker: WorkerSpec, interface: str, identity: str, head: Board) -> LinkPlan:
    to_worker_bps, to_head_bps = _rates_bps(worker, head)
    serial = worker.link is Link.SERIAL
    return LinkPlan(
        kind=worker.link,
        head_interface=interface,
        bridged=not serial,
        head_mac=None if serial else worker.head_mac or macs.derive(identity, worker.name, End.HEAD),
        worker_mac=None if serial else worker.mac or macs.derive(identity, worker.name, End.WORKER),
        head_port=worker.head_port,
        worker_port=worker.worker_port,
        baud=worker.baud,
        flow_control=worker.flow_control,
        to_worker_bps=to_worker_bps,
        to_head_bps=to_head_bps,
        # A UART's rate follows from its clock and Ethernet's from the standard; a gadget's must have been measured.
        rate_verified=worker.link is not Link.USB or worker.board.gadget_measured,
        mtu=_MTU,
        console=f"/dev/serial/by-id/{USB_ID}_{worker.name}-if{_ACM_INTERFACE:02}" if worker.usb_console else None,
    )


def _rates_bps(worker: WorkerSpec, head: Board) -> tuple[int, int]:
    """Return what the wire carries to the worker and to the head, in bit/s."""
    match worker.link:
        case Link.USB:
            return (
                int((worker.board.gadget_from_head_mbit or 0) * _MBIT),
                int((worker.board.gadget_to_head_mbit or 0) * _MBIT),
            )
        case Link.SERIAL:
            # 8N1: ten bits on the wire carry a byte. PPP's own framing (RFC 1662: some 8 bytes a packet, half a percent
            # of a full one) and its escapes depend on the data and are left out.
            bps = (worker.baud or 0) * 8 // 10
            return bps, bps
        case Link.ETHERNET:
            # A head without a port of its own has an adapter here, whose rate the worker's port decides.
            bps = min(mbit for mbit in (worker.board.ethernet_mbit, head.ethernet_mbit) if mbit) * _MBIT
            return bps, bps
