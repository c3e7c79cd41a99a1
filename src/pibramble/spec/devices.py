"""What else is plugged into the head's USB ports, beside workers and hubs: adapters, and a GPS receiver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

import attrs

from pibramble.catalog.model import Board
from pibramble.spec.expand import DEFAULT_ETHERNET_PORT, USB_SERIAL
from pibramble.spec.locate import Path
from pibramble.spec.model import Cluster, Link

_OWN_ETHERNET = ("eth0", "end0")  # what Linux calls the port on a board


class DeviceKind(StrEnum):
    """What a device in a USB port is for."""

    ETHERNET = "Ethernet adapter"
    SERIAL = "serial adapter"
    RECEIVER = "GPS receiver"


@attrs.frozen
class Device:
    """One plug, called as the head's Linux calls it."""

    name: str  # /dev/ttyUSB0, eth1
    kind: DeviceKind
    path: Path  # where the cluster file says it, or what makes it needed


@attrs.frozen
class Line:
    """The head's end of one worker's wire."""

    link: Link | None
    head_port: str | None
    path: Path


def usb_devices(cluster: Cluster, board: Board | None, lines: Iterable[Line]) -> Mapping[str, Device]:
    """Return every adapter and receiver in a USB port of the head, by its name."""
    lines = tuple(lines)
    found: dict[str, Device] = {}
    for device in (*_ethernet(cluster, board, lines), *_serial(cluster, lines)):
        found.setdefault(device.name, device)
    return found


def _serial(cluster: Cluster, lines: Iterable[Line]) -> Iterator[Device]:
    ends = [(line.head_port, DeviceKind.SERIAL, line.path) for line in lines if line.link is Link.SERIAL]
    if cluster.gps:
        ends.append((cluster.gps.port, DeviceKind.RECEIVER, ("gps", "port")))
    for number, section in enumerate(cluster.consoles):
        ends.append((section.port, DeviceKind.SERIAL, ("consoles", number, "port")))
    for port, kind, path in ends:
        if port and port.startswith(USB_SERIAL):
            yield Device(port, kind, path)


def _ethernet(cluster: Cluster, board: Board | None, lines: Iterable[Line]) -> Iterator[Device]:
    """Yield the Ethernet interfaces that the head needs, less the one that its board has."""
    wired: dict[str, Path] = {}
    if cluster.head.uplink.startswith(("eth", "en")):
        wired[cluster.head.uplink] = ("head", "uplink")
    for line in lines:
        if line.link is Link.ETHERNET:
            wired.setdefault(line.head_port or DEFAULT_ETHERNET_PORT, line.path)
    own = ""
    if board is not None and board.ethernet_mbit is not None:
        own = next((name for name in (*_OWN_ETHERNET, *wired) if name in wired), "")
    for name, path in wired.items():
        if name != own:
            yield Device(name, DeviceKind.ETHERNET, path)
