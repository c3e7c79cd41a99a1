"""Rules on the head's header: a pin carries one signal of one device, and a bridge has a chip select of its own.

Two UARTs on the very same pins are found where the ports are judged; here is what bridges and flow control take beside.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from pibramble.catalog import header
from pibramble.catalog.model import Board, Uart
from pibramble.catalog.sections import Catalogue
from pibramble.spec.expand import RangeError, expand_names, fold, uart_of
from pibramble.spec.findings import Finding, listed
from pibramble.spec.locate import Path
from pibramble.spec.model import Link
from pibramble.spec.rules.view import View


@attrs.frozen
class _Claim:
    """What one device takes of the header."""

    who: str
    path: Path
    pins: dict[int, str]  # what for
    uart: Uart | None = None  # None: a bridge


def pins(view: View) -> Iterator[Finding]:
    """Check that no pin of the head's header is taken twice. Only where there are bridges, or RTS and CTS."""
    board = view.head_board
    if board is None or not (view.cluster.bridges or any(worker.of.group.flow_control for worker in view.workers)):
        return
    if view.cluster.bridges and not board.firmware:
        message = f"a {board.name} has no header for a bridge: its SPI bus is a Raspberry Pi's"
        yield Finding("bridge-pins", ("bridges", 0, "model"), message, "a Raspberry Pi as head, or USB serial adapters")
        return
    yield from _selects(view)
    yield from _taken_twice(view, board)


def _selects(view: View) -> Iterator[Finding]:
    """Find the bridges for which the header has no chip select, and no interrupt pin."""
    room = len(header.SPI)
    bridges = view.cluster.bridges
    if len(bridges) <= room:
        return
    selects = listed(
        str(pin) for number in range(room) for pin, what in header.of_bridge(number).items() if what == "CS"
    )
    message = f"{len(bridges)} bridges, and the head's header has {room} chip selects (pins {selects}): "
    message += f"bridge {room + 1} would share its select and its interrupt with another"
    yield Finding("bridge-pins", ("bridges", room, "model"), message, _fewer_bridges(view, room))


def _fewer_bridges(view: View, room: int) -> str:
    known = Catalogue(view.cluster.catalog).bridges
    ports = {port for section in view.cluster.bridges for port in _ports(section.ports)}
    on_bridges = [worker.name for worker in view.linked(Link.SERIAL) if worker.head_port in ports]
    largest = max(known, key=lambda name: known[name].ports)
    most = room * known[largest].ports
    if not on_bridges:
        return "take the others out"
    if len(on_bridges) <= most:
        return f"{room} bridges are enough for {fold(on_bridges)}: a {largest} has {known[largest].ports} ports"
    over = on_bridges[most:]
    adapters = "/dev/ttyUSB0" if len(over) == 1 else f"/dev/ttyUSB[0-{len(over) - 1}]"
    cure = f"{room} bridges carry {most} lines at most ({largest}): take {fold(over)} off them\n"
    return f'{cure}onto USB serial adapters, head_port = "{adapters}", or to a head of their own'


def _taken_twice(view: View, board: Board) -> Iterator[Finding]:
    owners: dict[int, _Claim] = {}
    for claim in _claims(view, board):
        for pin, signal in claim.pins.items():
            other = owners.setdefault(pin, claim)
            what = other.pins[pin]
            if other is claim or (claim.uart and other.uart and claim.uart.pins == other.uart.pins):
                continue  # the second is told as a port that is given twice
            if claim.uart is None and other.uart is None and signal == what and signal in header.SHARED:
                continue
            message = f"pin {pin} of the head carries {what} of {other.who}, and is to carry {signal} of {claim.who}"
            message += ": a pin has one signal"
            yield Finding("pin-twice", claim.path, message, _free_port(view, board), rests_on=(other.path,))
            break


def _claims(view: View, board: Board) -> Iterator[_Claim]:
    """Yield who takes which pins: bridges first, as they can be nowhere else."""
    for number, section in enumerate(view.cluster.bridges[: len(header.SPI)]):
        yield _Claim(
            f"bridge {number + 1} ({section.model})", ("bridges", number, "model"), {**header.of_bridge(number)}
        )
    lines: list[tuple[str, str | None, Path, bool]] = [
        (f"the link to {w.name}", w.head_port, w.value_path("head_port"), w.of.group.flow_control)
        for w in view.linked(Link.SERIAL)
    ]
    lines += [("the GPS receiver", view.cluster.gps.port, ("gps", "port"), False)] if view.cluster.gps else []
    lines += [
        (f'the console "{section.name}"', section.port, ("consoles", number, "port"), "rtscts" in section.settings)
        for number, section in enumerate(view.cluster.consoles)
    ]
    for who, port, path, flow_control in lines:
        uart = uart_of(board, port)
        if uart is not None and uart.pins:
            yield _Claim(
                f"{uart.device} ({who})", path, {**header.of_uart(uart, board, flow_control=flow_control)}, uart
            )


def _free_port(view: View, board: Board) -> str:
    """Return where a serial line could go instead."""
    taken = {pin for claim in _claims(view, board) for pin in claim.pins}
    free = next((uart for uart in board.uarts if uart.pins and not taken & set(uart.pins)), None)
    adapter = "a USB serial adapter, as /dev/ttyUSB0"
    return f"{free.device} is free (pins {listed(map(str, free.pins))}); or {adapter}" if free else adapter


def _ports(text: str) -> tuple[str, ...]:
    try:
        return expand_names(text)
    except RangeError:
        return ()
