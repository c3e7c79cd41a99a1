"""Rules on the wires: which board can have which, and what both ends of it must say."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pibramble.catalog.model import Board, Uart
from pibramble.spec.expand import DEFAULT_ETHERNET_PORT, max_baud, uart_of
from pibramble.spec.findings import Finding, Severity, listed
from pibramble.spec.locate import Path
from pibramble.spec.model import Link
from pibramble.spec.rules.names import interface_wrong
from pibramble.spec.rules.view import GroupView, View, WorkerView

# The rates that Linux' termios has names for (asm-generic/termbits.h). pppd sets others from version 2.5.0 on only, by
# BOTHER (ppp-project/ppp#278); Debian bookworm has 2.4.9, trixie 2.5.2.
# fmt: off
NAMED_RATES = (
    50, 75, 110, 134, 150, 200, 300, 600, 1_200, 1_800, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400,
    460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000,
    4_000_000,
)
# fmt: on

SLOWEST_BAUD = 9_600  # a 1500-byte packet takes 1.6 s there; below it, TCP's and ssh's timers run out
USB_ADDRESSES = 127  # USB 2.0 section 9.4.6: seven bits, hubs included
LONGEST_CABLE_M = 1_000  # what RS-232 does at its slowest is 300; more is a slip of the finger
BRIDGE_PORTS = 1_023  # Linux: BR_PORT_BITS is 10, and there is no port 0

_HEADER_PORT = re.compile(r"/dev/tty(AMA|S)\d+")  # what a board's own UARTs are called


def possible_links(view: View) -> Iterator[Finding]:
    """Check that each board can have its wire."""
    for group in view.groups:
        board = group.board
        if board is None:
            continue
        rests_on = (group.path("board"),)
        if group.link is Link.USB and not board.usb_gadget:
            can = listed(name for name, other in view.boards.items() if other.usb_gadget)
            cure = f"{_other_links(board)}; boards that can: {can}"
            message = f"a {board.name} cannot have the link \"usb\": its USB ports are hosts', never a device's"
            yield Finding("impossible-link", group.path("link"), message, cure, rests_on=rests_on)
        elif group.link is Link.ETHERNET and board.ethernet_mbit is None:
            message = f'a {board.name} cannot have the link "ethernet": it has no such port'
            yield Finding("impossible-link", group.path("link"), message, _other_links(board), rests_on=rests_on)


def head_end(view: View) -> Iterator[Finding]:
    """Check that the head has a place for each wire."""
    head = view.head_board
    if head is None:
        return
    path: Path = ("head", "board")
    on_usb = sum(1 for worker in view.linked(Link.USB) if worker.of.board and worker.of.board.usb_gadget)
    if on_usb and not head.usb_host_ports:
        yield Finding("head-ports", path, f"a {head.name} has no USB port for a worker", "take another board as head")
    elif on_usb > USB_ADDRESSES:
        message = f"{on_usb:,} workers on USB: one USB bus has {USB_ADDRESSES} addresses, hubs included"
        cure = "only a lab can have them; real boards need more heads"
        yield Finding("head-ports", path, message, cure, Severity.WARNING)
    elif on_usb > head.usb_host_ports == 1 and not view.cluster.hubs:
        message = f"{on_usb} workers on USB, and a {head.name} has one USB port"
        cure = "a hub with its own power supply joins them"
        yield Finding("head-ports", path, message, cure, Severity.WARNING)
    bridged = on_usb + sum(1 for _ in view.linked(Link.ETHERNET))
    if bridged > BRIDGE_PORTS:
        message = f"{bridged:,} workers on USB or Ethernet: a Linux bridge has {BRIDGE_PORTS:,} ports"
        yield Finding("head-ports", ("workers",), message, "make two clusters of them")
    uplink = view.cluster.head.uplink
    if head.ethernet_mbit is None and uplink.startswith(("eth", "en")):
        message = f'a {head.name} has no Ethernet port of its own, and the uplink is "{uplink}"'
        cure = 'a USB adapter makes one; or uplink = "wlan0"'
        yield Finding("head-ports", ("head", "uplink"), message, cure, Severity.WARNING, rests_on=(path,))


def ports_given(view: View) -> Iterator[Finding]:
    """Check that every wire says where it ends at the head, one to one with the workers."""
    for group in view.groups:
        if group.ports_wrong:
            yield _uneven(group)
    told: set[int] = set()
    for worker in view.linked(Link.SERIAL):
        if worker.head_port is None and not worker.of.ports_wrong and worker.of.index not in told:
            told.add(worker.of.index)
            yield _portless(worker.of)


def _uneven(group: GroupView) -> Finding:
    ports, names = group.group.head_port or "", len(group.names or ())
    path = group.path("head_port")
    if not re.search(r"[\[\],]", ports) and names > 1:
        message = f'one port "{ports}" for {names} workers: a serial line joins two ends'
        adapters = ports.startswith(("/dev/ttyAMA", "/dev/ttyS"))  # a header has one of them, not a row
        stem = "/dev/ttyUSB" if adapters else ports.rstrip("0123456789")
        return Finding("bad-range", path, message, f'a range as long as the names\': "{stem}[0-{names - 1}]"')
    message = f'"{ports}" does not fit "{group.group.name}": {group.ports_wrong}'
    return Finding("bad-range", path, message, "one port for each worker, in the same order")


def _portless(group: GroupView) -> Finding:
    names = len(group.names or ())
    port = "/dev/ttyAMA0" if names == 1 else f"/dev/ttyUSB[0-{names - 1}]"
    reason = "a serial link"
    cure = f'add head_port = "{port}"'
    if group.group.link is None and group.board:
        reason = f"a {group.board.name} cannot be a USB device, so its link is serial, which"
        cure += ', or link = "ethernet"' if group.board.ethernet_mbit else ""
        return Finding(
            "no-head-port", group.path(), f"{reason} needs head_port, the head's end of it", cure, on_key=True
        )
    message = f"{reason} needs head_port, the head's end of it"
    return Finding("no-head-port", group.path("link"), message, cure, rests_on=(group.path(),))


def ethernet_ports(view: View) -> Iterator[Finding]:
    """Check that the head's end of an Ethernet link is an interface, and not the uplink."""
    told: set[tuple[Path, str]] = set()
    for worker in view.linked(Link.ETHERNET):
        port, path = worker.head_port or DEFAULT_ETHERNET_PORT, worker.value_path("head_port")
        if (path, port) in told:
            continue
        told.add((path, port))
        if port.startswith("/dev/"):
            message = f'"{port}" is a serial device, and this link is "ethernet"'
            yield Finding("head-port", path, message, 'an interface of the head\'s, as "eth1"')
        elif wrong := interface_wrong(port):
            yield Finding("head-port", path, f'"{port}" {wrong}', 'as "eth1"')
        elif port == view.cluster.head.uplink:
            message = f'"{port}" is the uplink; the workers need an interface of their own'
            cure = 'a second one, as head_port = "eth1"'
            yield Finding("head-port", path, message, cure, rests_on=(("head", "uplink"),))


def serial_ports(view: View) -> Iterator[Finding]:
    """Check both ends of each serial line: devices that there are, each in one line only."""
    lines: dict[str, WorkerView] = {}
    told: set[tuple[Path, str]] = set()

    def once(finding: Finding) -> Iterator[Finding]:
        if (finding.path, finding.rule) not in told:
            told.add((finding.path, finding.rule))
            yield finding

    for worker in view.linked(Link.SERIAL):
        for key, port, board in (
            ("head_port", worker.head_port, view.head_board),
            ("worker_port", worker.worker_port, worker.of.board),
        ):
            if port is not None and (found := device(port, board, worker.value_path(key), key)):
                yield from once(found)
        if not worker.head_port:
            continue
        other = lines.setdefault(worker.head_port, worker)
        if other is not worker:
            message = f'the port "{worker.head_port}" is given twice: {other.name} is on it too'
            path = worker.value_path("head_port")
            yield from once(Finding("duplicate-port", path, message, "every worker needs a line of its own"))
    yield from _shared_pins(view, lines)


def device(port: str, board: Board | None, path: Path, key: str) -> Finding | None:
    """Check that `port` is a serial device, and one that the board brings out if it is one of a board's own."""
    if not re.fullmatch(r"/dev/[\w./:-]+", port, re.ASCII) or ".." in port:
        cure = f'as "/dev/{port}"' if re.fullmatch(r"tty\w+", port) else 'as "/dev/ttyAMA0" or "/dev/ttyUSB0"'
        return Finding(key.replace("_", "-"), path, f'"{port}" is no serial device', cure)
    if board is None or not board.firmware or not _HEADER_PORT.fullmatch(port) or uart_of(board, port):
        return None
    devices = [uart.device for uart in board.uarts]
    has = f"it has {listed(devices)}; a USB adapter is /dev/ttyUSB0"
    message = f'a {board.name} brings out no "{port}"'
    return Finding(key.replace("_", "-"), path, message, has)


def _shared_pins(view: View, lines: dict[str, WorkerView]) -> Iterator[Finding]:
    if view.head_board is None:
        return
    used: dict[tuple[int, ...], Uart] = {}
    for device, worker in lines.items():
        uart = uart_of(view.head_board, device)
        if uart is None or not uart.pins:
            continue
        other = used.setdefault(uart.pins, uart)
        if other is not uart:
            pins = " and ".join(map(str, uart.pins))
            message = f'"{device}" comes out of the same pins of the head, {pins}, as "{other.device}"'
            yield Finding("duplicate-port", worker.value_path("head_port"), message, "put one worker on a USB adapter")


def speeds(view: View) -> Iterator[Finding]:
    """Check that both UARTs of each serial line can do its speed."""
    told: set[Path] = set()
    for worker in view.linked(Link.SERIAL):
        baud, path = worker.baud, worker.value_path("baud")
        if baud is None or path in told:
            continue
        ends = [
            ("the head's", view.cluster.head.board, view.head_board, worker.head_port),
            (f"{worker.name}'s", worker.of.group.board, worker.of.board, worker.worker_port),
        ]
        for whose, board_name, board, port in ends:
            uart = uart_of(board, port) if board else None
            wrong = _speed(
                baud, uart, f"{whose} {port} ({board_name})", path, flow_control=worker.of.group.flow_control
            )
            if wrong:
                told.add(path)
                yield wrong
                break


def _speed(baud: int, uart: Uart | None, port: str, path: Path, *, flow_control: bool) -> Finding | None:
    if baud < SLOWEST_BAUD:
        message = f"{baud:,} baud is too slow for a network: {SLOWEST_BAUD:,} is the least"
        return Finding("baud", path, message, f"baud = {SLOWEST_BAUD}")
    limit = max_baud(uart, flow_control=flow_control) if uart else NAMED_RATES[-1]
    if baud > limit:
        without = "" if flow_control or uart is None else " without flow control"
        message = f"{baud:,} baud is more than {port} can do{without}: {limit:,}"
        cure = f"baud = {limit}"
        if uart and not flow_control and baud <= uart.max_baud_flow_control:
            cure += ", or wire RTS and CTS and write flow_control = true"
        return Finding("baud", path, message, cure)
    if baud not in NAMED_RATES:
        below = max(rate for rate in NAMED_RATES if rate <= baud)
        message = f"{baud:,} baud is no standard rate: pppd before 2.5 (Debian trixie) cannot set it"
        return Finding("baud", path, message, f"baud = {below}", Severity.WARNING)
    return None


def lengths(view: View) -> Iterator[Finding]:
    """Check that a cable's length is one."""
    for group in view.groups:
        length_m = group.group.cable_m
        if length_m is not None and not 0 < length_m <= LONGEST_CABLE_M:
            message = f"{length_m:g} m is no length of a serial cable"
            yield Finding("cable-length", group.path("cable_m"), message, "in metres: cable_m = 0.3")


def without_effect(view: View) -> Iterator[Finding]:
    """Say which lines have no effect on the link that a worker has."""
    for group in view.groups:
        for key in _idle_keys(
            group.link, ("head_port", "worker_port", "baud", "flow_control", "cable_m", "usb_console")
        ):
            if getattr(group.group, key):
                yield _idle(group.path(key), group)
    for worker in view.workers:
        for key in _idle_keys(worker.of.link, ("mac", "head_mac", "head_port", "worker_port", "baud")):
            if worker.own and getattr(worker.own, key) is not None:
                yield _idle(("nodes", worker.name, key), worker.of)


def _idle_keys(link: Link | None, keys: tuple[str, ...]) -> Iterator[str]:
    used = {
        None: set(keys),
        Link.USB: {"mac", "head_mac", "usb_console"},
        Link.SERIAL: {"head_port", "worker_port", "baud", "flow_control", "cable_m"},
        Link.ETHERNET: {"mac", "head_mac", "head_port"},
    }[link]
    return (key for key in keys if key not in used)


def _idle(path: Path, group: GroupView) -> Finding:
    link = group.link.value if group.link else ""
    message = f"`{path[-1]}` has no effect on a link of the kind {link}"
    return Finding("no-effect", path, message, "take this line out", Severity.WARNING, on_key=True)


def _other_links(board: Board) -> str:
    links = ["usb"] if board.usb_gadget else []
    links += ["serial"] if board.uarts else []
    links += ["ethernet"] if board.ethernet_mbit else []
    return "it can have " + listed((f'link = "{link}"' for link in links), "or")
