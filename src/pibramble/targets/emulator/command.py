"""QEMU's command line for one node: pure, from the plan and the names of files and sockets."""

from __future__ import annotations

import socket
from ipaddress import IPv4Network
from pathlib import Path

import attrs

from pibramble.errors import UsageError
from pibramble.plan.model import NodePlan, Plan, Role
from pibramble.spec.model import Link
from pibramble.targets.emulator import extras
from pibramble.targets.emulator.machines import Machine

_SSH = 22
_DHCP_HOST = 15  # slirp's first lease
# The uplink's network, unless the plan has a fixed address there: slirp's usual one, or one that the plan leaves free.
_UPLINKS = (IPv4Network("10.0.2.0/24"), IPv4Network("172.31.213.0/24"), IPv4Network("192.168.213.0/24"))
_NS_AN_INSTRUCTION_LOG2 = 1  # 2 ns: 500 million a second, about what an ARM1176 at 700 MHz does
_PL011 = "/dev/ttyAMA0"
_USB_ADAPTER = "/dev/ttyUSB"


@attrs.frozen
class Places:
    """One node's files and sockets. Sockets lie in a short folder: their paths may have 107 bytes."""

    folder: Path
    sockets: Path
    node: str

    @property
    def disk(self) -> Path:
        """Return the throw-away layer over the card."""
        return self.folder / "disk.qcow2"

    @property
    def kernel(self) -> Path:
        """Return the card's kernel."""
        return self.folder / "kernel"

    @property
    def initramfs(self) -> Path:
        """Return the card's initramfs, with the emulator's archive behind it."""
        return self.folder / "initramfs"

    @property
    def device_tree(self) -> Path:
        """Return the card's device tree, with the second UART switched on."""
        return self.folder / "board.dtb"

    @property
    def log(self) -> Path:
        """Return where everything goes that the console says."""
        return self.folder / "console.log"

    @property
    def console(self) -> Path:
        """Return the socket of the console."""
        return self.sockets / f"{self.node}.console"


@attrs.frozen
class Uplink:
    """The network that the head's uplink leads to: QEMU's user-mode network, where this machine is a router."""

    network: IPv4Network
    router: str
    head: str
    ssh_port: int  # of this machine's loopback; leads to the head's SSH
    socket: Path  # where a machine of the world may be plugged in: Ethernet frames, as QEMU's -netdev stream


def uplink(plan: Plan, ssh_port: int, socket: Path) -> Uplink:
    """Return the head's uplink network: that of its fixed address, else one that nothing in the plan overlaps."""
    fixed = plan.uplink.address
    if fixed is not None:
        router = plan.uplink.gateway or next(host for host in fixed.network.hosts() if host != fixed.ip)
        return Uplink(fixed.network, str(router), str(fixed.ip), ssh_port, socket)
    network = next(candidate for candidate in _UPLINKS if not candidate.overlaps(plan.subnet))
    return Uplink(network, str(network[2]), str(network[_DHCP_HOST]), ssh_port, socket)


@attrs.frozen
class Cord:
    """One end of a serial link: a device of the node, and the relay's socket that it is wired to."""

    device: str
    socket: Path


def cords(plan: Plan, node: NodePlan, sockets: Path) -> list[Cord]:
    """Return the ends of serial links that a node has."""
    if node.role is Role.HEAD:
        ends = [
            (worker.link.head_port, f"{worker.name}.head")
            for worker in plan.workers
            if worker.link and _is_serial(worker)
        ]
    else:
        ends = [(node.link.worker_port, f"{node.name}.worker")] if node.link and _is_serial(node) else []
    return [Cord(device or "", sockets / name) for device, name in ends]


@attrs.frozen
class Port:
    """A serial port of the head's that leads out of the emulator: a receiver's, a switch's."""

    use: str  # whose it is in the cluster file: `gps`, or a console's name
    device: str
    socket: Path | None  # where to put what hangs on it; None: the emulated head has no such device


def ports(plan: Plan, sockets: Path) -> list[Port]:
    """Return the serial ports that the plan has beside links and nodes' consoles.

    A head has its UART, unless a link is on it, and USB adapters, numbered in their order, those of links first.
    """
    wanted = [
        *([("gps", plan.gps.port)] if plan.gps else []),
        *((console.name, console.port) for console in plan.consoles),
    ]
    taken = {cord.device for cord in cords(plan, plan.head, sockets)}
    has = {_PL011} - taken
    adapters = sum(device.startswith(_USB_ADAPTER) for device in taken)
    while (following := f"{_USB_ADAPTER}{adapters}") in {device for _, device in wanted}:
        has.add(following)
        adapters += 1
    return [
        Port(use, device, sockets / f"{plan.head.name}.{device.rpartition('/')[2]}" if device in has else None)
        for use, device in wanted
    ]


def command(  # noqa: PLR0913, PLR0917 (what a machine is made of)
    plan: Plan, node: NodePlan, machine: Machine, places: Places, words: str, up: Uplink
) -> list[str]:
    """Return the command line. Raises UsageError for a wire that the machine cannot have."""
    argv = [
        *(machine.program, "-name", f"{plan.name}-{node.name}", "-machine", machine.machine),
        *(["-cpu", machine.processor] if machine.processor else []),
        # One core, however many the board has: see `differences`. Of several that take turns on one thread, QEMU before
        # 8.1 lets one that polls use up all the time to the next timer (fixed by its commit 83ecdb18eb65): the others,
        # and with them sshd and pppd, then stood still (so it seems; decisions.md) while an MPI program polled.
        *([] if machine.is_board else ["-smp", "1"]),
        *("-m", str(machine.memory_mb), "-display", "none", "-monitor", "none", "-no-reboot", "-nodefaults"),
        *("-kernel", str(places.kernel), "-initrd", str(places.initramfs), "-append", words),
        *(["-dtb", str(places.device_tree)] if machine.device_tree else []),
        # The guest's time passes with its instructions, not with ours: however busy this machine is, its timers do not
        # run out before it has looked at them. (QEMU's bcm2835_systmr takes one that has for one in 71 minutes.)
        *("-icount", f"shift={_NS_AN_INSTRUCTION_LOG2},sleep=on"),
        *_disk(machine, places.disk),
    ]
    argv += _serial_ports(plan, node, machine, places)
    if node.role is Role.HEAD:
        argv += _uplink(plan, machine, up)
    if extras.has_backplane(plan, node):
        network = f"net={extras.NETWORK},host={extras.HOST},dns={extras.NETWORK[3]},dhcpstart={extras.GUEST},ipv6=off"
        adapter = f"{_adapter(machine)},netdev=backplane,mac={extras.backplane_mac(plan, node)}"
        argv += ["-netdev", f"user,id=backplane,{network}", "-device", adapter]
    return argv


def _disk(machine: Machine, disk: Path) -> list[str]:
    # Written through: QEMU's SD cards never flush, so a QEMU that is killed would take along where it has put what the
    # board wrote, and the disk would be damaged as no card is. This machine's own crash need not be outlived: no fsync.
    drive = f"file={_escaped(disk)},format=qcow2,cache.writeback=off,cache.no-flush=on"
    if machine.is_board:
        return ["-drive", f"{drive},if=sd"]
    return ["-drive", f"{drive},if=none,id=card", "-device", "virtio-blk-pci,drive=card"]


def _serial_ports(plan: Plan, node: NodePlan, machine: Machine, places: Places) -> list[str]:
    """Wire the first UART to a link, the console to its socket, and USB serial adapters to further links."""
    listen = f"socket,id=console,path={_escaped(places.console)},server=on,wait=off"
    console = f"{listen},logfile={_escaped(places.log)},logappend=on"
    argv = ["-chardev", console]
    first, adapters = "null", 0
    for number, (device, chardev) in enumerate(_wires(plan, node, places.sockets)):
        argv += ["-chardev", f"socket,id=link{number},{chardev}"]
        if device == _PL011:
            first = f"chardev:link{number}"
        elif device == f"{_USB_ADAPTER}{adapters}":
            # A board's machine has its own controller for them.
            argv += ["-device", "qemu-xhci"] if not (machine.is_board or adapters) else []
            # Else it is plugged in when somebody connects to its other end, and adapters change their order.
            argv += ["-device", f"usb-serial,chardev=link{number},always-plugged=on"]
            adapters += 1
        else:
            raise UsageError(
                f"{node.name} has a link on {device}, which the emulated {node.board.name} has not",
                hint=f"it has {_PL011} and USB adapters in their order: {_USB_ADAPTER}{adapters} is next",
            )
    second = ["-serial", "chardev:console"] if machine.is_board else ["-device", "pci-serial,chardev=console"]
    return [*argv, "-serial", first, *second]


def _wires(plan: Plan, node: NodePlan, sockets: Path) -> list[tuple[str, str]]:
    """Return what is at each serial device of a node, as QEMU's words; USB adapters in their order."""
    wires = [
        (cord.device, f"path={_escaped(cord.socket)},server=off,reconnect=1") for cord in cords(plan, node, sockets)
    ]
    if node.role is Role.HEAD:
        own = {port.device: port.socket for port in ports(plan, sockets) if port.socket}
        wires += [(device, f"path={_escaped(path)},server=on,wait=off") for device, path in sorted(own.items())]
    return wires


def _uplink(plan: Plan, machine: Machine, up: Uplink) -> list[str]:
    """Join the head's uplink, QEMU's user-mode network and a socket for the world's machines in one hub."""
    forward = f"hostfwd=tcp:127.0.0.1:{up.ssh_port}-{up.head}:{_SSH}"
    user = f"user,id=router,net={up.network},host={up.router},dns={_dns(up)},dhcpstart={up.head},ipv6=off,{forward}"
    return [
        *("-netdev", user, "-netdev", "hubport,id=router-port,hubid=0,netdev=router"),
        *("-netdev", f"stream,id=world,server=on,addr.type=unix,addr.path={_escaped(up.socket)}"),
        *("-netdev", "hubport,id=world-port,hubid=0,netdev=world"),
        *("-netdev", "hubport,id=uplink,hubid=0"),
        *("-device", f"{_adapter(machine)},netdev=uplink,mac={extras.uplink_mac(plan)}"),
    ]


def _dns(up: Uplink) -> str:
    """Return an address for slirp's name server, which must be in the network and nobody's."""
    taken = {up.router, up.head}
    return next(str(host) for host in up.network.hosts() if str(host) not in taken)


def _adapter(machine: Machine) -> str:
    # Without a ROM to boot from the network with: Debian has it in a package of its own, and QEMU insists on it.
    return "usb-net" if machine.is_board else "virtio-net-pci,romfile="


def _is_serial(node: NodePlan) -> bool:
    return node.link is not None and node.link.kind is Link.SERIAL


def _escaped(path: Path) -> str:
    """Return a path for QEMU's options, where a comma ends a value unless there are two."""
    return str(path).replace(",", ",,")


def free_port() -> int:
    """Return a port of the loopback that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
