"""What hangs on the head besides its workers: the GPS receiver, and what joins the consoles to it.

The cluster file names ports, not models, so each is the plainest part of its kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from pibramble.catalog.model import Board
from pibramble.spec.expand import uart_of
from pibramble.spec.model import Cluster

USB_RECEIVER, UART_RECEIVER = "usb-gps", "gps-module"
LOGIC_ADAPTER, RS232_ADAPTER, SHIFTER, WIRES = "usb-uart-3v3", "usb-rs232", "max3232", "jumper-wires"
LOGIC_PROFILE = "raspberry-pi"  # the one profile whose line has a board's levels; all others are taken for RS-232


@attrs.frozen
class Beside:
    """The parts, and how many of them sit in a USB port of the head."""

    parts: Mapping[str, int] = MappingProxyType({})
    plugs: int = 0


NOTHING_BESIDE = Beside()


def beside(cluster: Cluster, head: Board) -> Beside:
    """Return what a cluster file's receiver and consoles need."""
    found: Counter[str] = Counter()
    plugs = 0
    if cluster.gps:
        by_usb = on_usb(head, cluster.gps.port)
        found[USB_RECEIVER if by_usb else UART_RECEIVER] += 1
        plugs += by_usb
    for console in cluster.consoles:
        rs232 = console.profile != LOGIC_PROFILE
        if on_usb(head, console.port):
            found[RS232_ADAPTER if rs232 else LOGIC_ADAPTER] += 1
            plugs += 1
        elif head.firmware:  # on its header; a PC's own serial port is RS-232, and ready
            found[WIRES] += 1
            found[SHIFTER] += rs232
    return Beside(+found, plugs)


def on_usb(head: Board, device: str) -> bool:
    """Tell whether a serial device sits in a USB port."""
    uart = uart_of(head, device)
    return uart is not None and uart.kind == "usb"
