"""From groups to single workers: ranges expanded, overrides applied, defaults filled in."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address

import attrs

from pibramble.catalog.load import boards
from pibramble.catalog.model import Board, Uart
from pibramble.spec.model import Cluster, Link, NodeOverride, WorkerGroup

DEFAULT_BAUD = 921_600  # what a Raspberry Pi engineer advises at most without flow control [pi-bluetooth#6]
DEFAULT_ETHERNET_PORT = "eth1"  # eth0 is the uplink's
MOST_NAMES = 65_534  # what a /16 holds; a range beyond it is a typing error, and expanding it would eat the memory

USB_SERIAL = ("/dev/ttyUSB", "/dev/ttyACM", "/dev/serial/")  # serial devices that sit in a USB port

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_RANGE = re.compile(r"(\d+)(?:-(\d+)(?:/(\d+))?)?", re.ASCII)


class RangeError(ValueError):
    """A range that cannot be expanded; the text says why, in words for people."""


@attrs.frozen
class WorkerSpec:
    """One worker as the cluster file means it, with nothing left to default but its address and MACs."""

    name: str
    board: Board
    link: Link
    head_port: str | None  # serial: the head's device; ethernet: the head's interface; usb: None
    worker_port: str | None  # serial: the worker's device
    baud: int | None  # serial only
    flow_control: bool
    cable_m: float | None  # serial only; None: nobody said
    usb_console: bool  # a USB gadget with a serial console beside the network adapter
    address: IPv4Address | None  # None: the plan gives one
    mac: str | None
    head_mac: str | None
    group: int  # which [[workers]] it comes from, from 0
    image: str | None  # what its card is made from, as the cluster file names it; None: Debian


def expand(cluster: Cluster) -> tuple[WorkerSpec, ...]:
    """Return every worker, in the order of the file. The cluster must have been judged."""
    known = boards(cluster.catalog)
    head = known[cluster.head.board]
    workers: list[WorkerSpec] = []
    for number, group in enumerate(cluster.workers):
        group = attrs.evolve(group, image=group.image or cluster.cards.image)  # noqa: PLW2901 (the default filled in)
        workers += _expand_group(number, group, known[group.board], head, cluster.nodes)
    return tuple(workers)


def _expand_group(
    number: int, group: WorkerGroup, board: Board, head: Board, overrides: Mapping[str, NodeOverride]
) -> list[WorkerSpec]:
    link = group.link or default_link(board)
    names = expand_names(group.name)
    ports: Sequence[str | None] = head_ports(group, link, len(names))
    plain = NodeOverride()
    workers = []
    for index, (name, head_port) in enumerate(zip(names, ports, strict=True)):
        own = overrides.get(name, plain)
        head_port = own.head_port or head_port  # noqa: PLW2901 (the override is the same thing, said more precisely)
        worker_port = own.worker_port or group.worker_port
        baud = own.baud or group.baud
        if link is Link.SERIAL:
            worker_port = worker_port or (board.uarts[0].device if board.uarts else None)
            baud = baud or default_baud(head, head_port, board, worker_port, flow_control=group.flow_control)
        workers.append(
            WorkerSpec(
                name=name,
                board=board,
                link=link,
                head_port=head_port if link is not Link.USB else None,
                worker_port=worker_port if link is Link.SERIAL else None,
                baud=baud if link is Link.SERIAL else None,
                flow_control=group.flow_control if link is Link.SERIAL else False,
                cable_m=group.cable_m if link is Link.SERIAL else None,
                usb_console=group.usb_console and link is Link.USB,
                address=own.address or (group.address + index if group.address else None),
                mac=own.mac.lower() if own.mac else None,
                head_mac=own.head_mac.lower() if own.head_mac else None,
                group=number,
                image=group.image if board.firmware else None,
            )
        )
    return workers


def head_ports(group: WorkerGroup, link: Link, count: int) -> Sequence[str | None]:
    """Return the head's end of each wire of a group of `count` workers, one to one with its names.

    A single Ethernet interface serves them all (through a switch). Raises RangeError when the numbers differ.
    """
    if link is Link.USB:
        return [None] * count
    if group.head_port is None:
        return [DEFAULT_ETHERNET_PORT if link is Link.ETHERNET else None] * count
    ports = expand_names(group.head_port)
    if link is Link.ETHERNET and len(ports) == 1:
        return ports * count
    if len(ports) != count:
        message = f"{_count(len(ports), 'port')} for {_count(count, 'worker')}"
        raise RangeError(message)
    return ports


def default_link(board: Board) -> Link:
    """Return the wire that a board has when the file names none: usb, else serial."""
    return Link.USB if board.usb_gadget else Link.SERIAL


def default_baud(
    head: Board, head_port: str | None, worker: Board, worker_port: str | None, *, flow_control: bool
) -> int:
    """Return 921,600, or what the slower end of the wire allows."""
    ends = [uart_of(head, head_port), uart_of(worker, worker_port)]
    return min([DEFAULT_BAUD, *(max_baud(uart, flow_control=flow_control) for uart in ends if uart)])


def uart_of(board: Board, device: str | None) -> Uart | None:
    """Return what is known about a serial device of a board; None when the catalogue does not know it."""
    if device is None:
        return None
    if device.startswith(USB_SERIAL):
        return attrs.evolve(boards()["pc"].uarts[0], device=device)  # an adapter is the same on every board
    return next((uart for uart in board.uarts if uart.device == device), None)


def max_baud(uart: Uart, *, flow_control: bool) -> int:
    """Return the highest speed that a UART is good for, in baud."""
    return uart.max_baud_flow_control if flow_control else uart.max_baud


def expand_names(expression: str) -> tuple[str, ...]:
    """Expand a ClusterShell range (`zero[1-4]`, `zero[01-16,20]`, `a[1-2],b`) in the order in which it is written.

    Raises RangeError.
    """
    if not re.search(r"[\[\],]", expression):
        return (expression,)
    check_brackets(expression)
    if (count := count_names(expression)) > MOST_NAMES:
        message = f"that is {count:,} names; {MOST_NAMES:,} is the most"
        raise RangeError(message)
    return tuple(itertools.chain.from_iterable(map(_expand_one, _split(expression))))


def fold(names: Iterable[str]) -> str:
    """Return the short form of these names: `zero[1-4]`."""
    names = tuple(names)
    if len(names) < 2:  # noqa: PLR2004 (nothing to fold)
        return "".join(names)
    # 20 ms on a PC, a second on the smallest board: only where there is something to fold or to expand.
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet  # type: ignore[import-untyped]

    return str(NodeSet.fromlist(names, resolver=RESOLVER_NOGROUP))


def check_brackets(expression: str) -> None:
    """Raise RangeError, in words for people, unless `expression` is a range that ClusterShell expands."""
    depth = 0
    for character in expression:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth not in {0, 1}:
            break
    if depth != 0:
        raise RangeError("a bracket is not closed, or never opened")
    if not all(_split(expression)):
        raise RangeError("there is a comma with nothing on one side")
    for inside in _BRACKETS.findall(expression):
        for part in inside.split(","):
            _check_part(part)


def _check_part(part: str) -> None:
    found = _RANGE.fullmatch(part)
    if not found:
        message = f'"{part}" is no range' if part else "there is nothing in the brackets, or beside a comma"
        raise RangeError(message)
    first, last, step = found.groups()
    if last is None:
        return
    if int(last) < int(first):
        message = f"{part} runs backwards"
        raise RangeError(message)
    if step is not None and int(step) == 0:
        message = f"{part} has a step of 0"
        raise RangeError(message)
    if len(first) != len(last) and (first.startswith("0") or last.startswith("0")) and first != "0":
        message = f"{part} pads one end with zeros and not the other"
        raise RangeError(message)


def count_names(expression: str) -> int:
    """Return how many names a range has, without making them. The range must be well formed."""
    total = 0
    for one in _split(expression):
        product = 1
        for inside in _BRACKETS.findall(one):
            product *= sum(_count_part(part) for part in inside.split(","))
        total += product
    return total


def _count_part(part: str) -> int:
    first, _, rest = part.partition("-")
    last, _, step = rest.partition("/")
    return (int(last or first) - int(first)) // int(step or 1) + 1


def _split(expression: str) -> list[str]:
    """Split at the commas that stand outside brackets."""
    return re.split(r",(?![^\[]*\])", expression)


def _expand_one(pattern: str) -> list[str]:
    """Expand a pattern without outer commas. RangeSet sorts, so each `first-last/step` is given to it on its own."""
    if "[" not in pattern:
        return [pattern]
    from ClusterShell.RangeSet import RangeSet  # type: ignore[import-untyped]  # slow to import, seldom needed

    literals_and_insides = _BRACKETS.split(pattern)
    choices = [
        [number for part in inside.split(",") for number in RangeSet(part).striter()] if position % 2 else [inside]
        for position, inside in enumerate(literals_and_insides)
    ]
    return ["".join(choice) for choice in itertools.product(*choices)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
