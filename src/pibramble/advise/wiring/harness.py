"""The harness of a cluster: its USB cables and hubs, serial lines and bridges, and the supplies that the file names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from pibramble.advise.power import Feeding
from pibramble.advise.wiring.library import connectors
from pibramble.advise.wiring.model import At, Cable, Connector, End, Harness, Pin, Role, Wire
from pibramble.catalog import header
from pibramble.catalog.model import Board
from pibramble.catalog.parts import Bridge
from pibramble.spec.expand import WorkerSpec, expand_names, max_baud, uart_of
from pibramble.spec.hubs import PlacedHub
from pibramble.spec.model import Link

_GADGETS = {
    "usb-a-to-micro-b": "usb-gadget-micro",
    "usb-a-to-a": "usb-gadget-a",
    "usb-a-to-c": "usb-gadget-c",
}
_USB_COLORS = {"VBUS": "RD", "D-": "WH", "D+": "GN", "GND": "BK"}  # USB 2.0 section 6.6.2
_SERIAL_COLORS = {"GND": "BK", "TXD": "OG", "RXD": "YE", "RTS": "GN", "CTS": "BU"}
_SPI_COLORS = {"3V3": "RD", "GND": "BK", "MOSI": "OG", "MISO": "YE", "SCLK": "GN", "CS": "BU", "IRQ": "VT"}
_OTHER_SIDE = {"GND": "GND", "TXD": "RXD", "RXD": "TXD", "RTS": "CTS", "CTS": "RTS"}
_HEADER = "header"  # of which every UART and SPI end of a board is a part


def harness_of(feeding: Feeding) -> Harness:
    """Return everything that is wired in a cluster."""
    maker = _Maker(feeding)
    maker.usb()
    maker.serial()
    maker.supplies()
    cluster = feeding.cluster.cluster
    return Harness(cluster.name, f"{cluster.name}: all its wires", tuple(maker.ends.values()), tuple(maker.cables))


class _Maker:
    def __init__(self, feeding: Feeding) -> None:
        self.feeding = feeding
        self.ends: dict[str, End] = {}
        self.cables: list[Cable] = []
        self._ports: dict[str, int] = {}

    def usb(self) -> None:
        """Wire the workers and hubs on USB."""
        feeding = self.feeding
        head_limit = feeding.power(feeding.head).usb_port_ma
        for worker in feeding.in_the_head:
            self._gadget(feeding.head, head_limit, worker)
        for name in feeding.root_hubs:
            self._hub_plug(feeding.head, head_limit, feeding.hubs[name])
        for hub in feeding.hubs.values():
            for worker in hub.workers:
                self._gadget(hub.name, hub.hub.port_ma, worker)
            for name in hub.hubs:
                self._hub_plug(hub.name, hub.hub.port_ma, feeding.hubs[name])

    def serial(self) -> None:
        """Wire the serial lines, and the bridges that some end in."""
        bridges: dict[str, str] = {}
        for number, section in enumerate(self.feeding.cluster.bridges, 1):
            module = f"{section.model}-{number}"
            bridges |= dict.fromkeys(expand_names(section.ports), module)
            self._spi(module, number, self.feeding.catalogue.bridges[section.model])
        for worker in self.feeding.workers.values():
            if worker.link is Link.SERIAL and worker.head_port and worker.worker_port:
                left = self._serial_head(worker, bridges)
                right = self._header(worker.name, worker.board, worker.worker_port, worker)
                self._join_serial(worker, left, right)

    def supplies(self) -> None:
        """Wire the supplies that the file names."""
        for source in self.feeding.sources:
            name = f"supply{source.index + 1}"
            plug = _evolved(connectors()["supply-5v"], Role.SOURCE, max_ma=source.supply.max_ma)
            self._end(name, name, plug)
            for fed in source.feeds:
                load = self.feeding.below(self.feeding.hubs[fed]) if fed in self.feeding.hubs else None
                drawn = load or self.feeding.own_load(fed)
                drawn += self.feeding.head_ports if fed == self.feeding.head else type(drawn)()
                socket = _evolved(connectors()["board-power"], Role.SINK, load_ma=drawn.worst_ma)
                self._end(f"{fed}-power", fed, socket)
                wires = (
                    Wire(At(name, "+"), At(f"{fed}-power", "+"), "RD"),
                    Wire(At(name, "-"), At(f"{fed}-power", "-"), "BK"),
                )
                self.cables.append(Cable(f"{name}-{fed}", "power", wires, "power"))

    def _gadget(self, owner: str, limit_ma: int | None, worker: str) -> None:
        feeding = self.feeding
        cord = feeding.cluster.parts.cord or feeding.power(worker).gadget_cord or "usb-a-to-micro-b"
        kind = connectors()[_GADGETS.get(cord, "usb-gadget-micro")]
        load = feeding.own_load(worker).worst_ma
        end = self._end(f"{worker}-usb", worker, _evolved(kind, Role.SINK, load_ma=load))
        self.ends[end.name] = attrs.evolve(end, own_supply=not feeding.fed_by_its_cable(worker))
        left = self._usb_port(owner, limit_ma)
        self._join_usb(left, self.ends[end.name], f"usb-{worker}", owner, power=worker not in feeding.cut)

    def _hub_plug(self, owner: str, limit_ma: int | None, hub: PlacedHub) -> None:
        powered = self.feeding.powered(hub)
        backfeeds = powered and hub.backfeeds is True
        kind = connectors()["usb-hub-up-backfeeding" if backfeeds else "usb-hub-up"]
        load = 0 if powered else self.feeding.upwards(hub.name).worst_ma
        end = self._end(f"{hub.name}-plug", hub.name, _evolved(kind, Role.SINK, load_ma=load))
        end = self.ends[end.name] = attrs.evolve(end, may_feed=powered and hub.backfeeds is None)
        self._join_usb(self._usb_port(owner, limit_ma), end, f"usb-{hub.name}", owner, power=True)

    def _usb_port(self, owner: str, limit_ma: int | None) -> End:
        number = self._ports[owner] = self._ports.get(owner, 0) + 1
        return self._end(
            f"{owner}-usb{number}", owner, _evolved(connectors()["usb-host"], Role.SOURCE, max_ma=limit_ma)
        )

    def _join_usb(self, left: End, right: End, name: str, owner: str, *, power: bool) -> None:
        wires = [
            Wire(At(left.name, pin.pin), At(right.name, other.pin), _USB_COLORS[pin.signal])
            for pin in left.connector.pins
            if (other := right.connector.signal(pin.signal)) and (power or pin.signal != "VBUS")
        ]
        title = "USB cable" if power else "USB cable, its 5 V wire cut"
        self.cables.append(Cable(name, title, tuple(wires), f"usb-{owner}"))

    def _serial_head(self, worker: WorkerSpec, bridges: dict[str, str]) -> End:
        feeding, port = self.feeding, worker.head_port or ""
        if module := bridges.get(port):
            return self._end(f"{module}-{_short(port)}", module, connectors()["bridge-uart"])
        board = feeding.catalogue.boards[feeding.board(feeding.head)]
        uart = uart_of(board, port)
        if uart is not None and uart.pins:
            return self._header(feeding.head, board, port, worker)
        return self._end(f"adapter-{_short(port)}", f"adapter-{_short(port)}", connectors()["usb-uart"])

    def _header(self, node: str, board: Board, port: str, worker: WorkerSpec) -> End:
        """Return a header's UART, on the pins that it has; an adapter where the header has no such port."""
        uart = uart_of(board, port)
        name = f"{node}-{_short(port)}"
        if uart is None or not uart.pins:
            return self._end(name, f"adapter-{name}", connectors()["usb-uart"])
        kind = connectors()["pi-uart"]
        if not header.has_flow_control(uart, board):
            moved = {"TXD": str(uart.pins[0]), "RXD": str(uart.pins[1])}
            pins = tuple(
                attrs.evolve(pin, pin=moved.get(pin.signal, pin.pin))
                for pin in kind.pins
                if pin.signal not in {"RTS", "CTS"}
            )
            kind = attrs.evolve(kind, pins=pins)
        limit = max_baud(uart, flow_control=worker.flow_control)
        end = self._end(name, node, kind)
        self.ends[name] = attrs.evolve(end, socket=_HEADER, own_supply=True, uart=uart.kind, max_baud=limit)
        return self.ends[name]

    def _join_serial(self, worker: WorkerSpec, left: End, right: End) -> None:
        wanted = ["GND", "TXD", "RXD"] + (["RTS", "CTS"] if worker.flow_control else [])
        wires = []
        for signal in wanted:
            pin, other = left.connector.signal(signal), right.connector.signal(_OTHER_SIDE[signal])
            if pin and other:
                wires.append(Wire(At(left.name, pin.pin), At(right.name, other.pin), _SERIAL_COLORS[signal]))
        said = worker.baud, worker.flow_control, worker.cable_m
        self.cables.append(Cable(f"serial-{worker.name}", "jumper wires", tuple(wires), "serial", *said))

    def _spi(self, module: str, number: int, bridge: Bridge) -> None:
        """Wire a bridge to the head's SPI bus; each has a chip select and an interrupt pin of its own."""
        head, kind = self.feeding.head, connectors()[header.SPI[number - 1]]  # no more bridges pass the file's rules
        left = self._end(f"{head}-spi{number}", head, kind)
        left = self.ends[left.name] = attrs.evolve(left, socket=_HEADER)
        supplied = _evolved(connectors()["bridge-spi"], Role.SINK, load_ma=bridge.draw_ma)
        right = self._end(f"{module}-spi", module, supplied)
        wires = []
        for pin in left.connector.pins:
            other = right.connector.signal("VCC" if pin.signal == "3V3" else pin.signal)
            if other:
                wires.append(Wire(At(left.name, pin.pin), At(right.name, other.pin), _SPI_COLORS[pin.signal]))
        self.cables.append(Cable(f"spi-{module}", "jumper wires, as short as can be", tuple(wires), "serial"))

    def _end(self, name: str, device: str, connector: Connector) -> End:
        return self.ends.setdefault(name, End(name, device, connector))


def sheets(harness: Harness) -> Iterator[tuple[str, Harness]]:
    """Yield each drawing's name, and the part of the harness that it shows."""
    for sheet in dict.fromkeys(cable.sheet for cable in harness.cables):
        cables = tuple(cable for cable in harness.cables if cable.sheet == sheet)
        used = {at.end for cable in cables for wire in cable.wires for at in (wire.left, wire.right)}
        ends = tuple(end for end in harness.ends if end.name in used)
        yield sheet, attrs.evolve(harness, name=sheet, ends=ends, cables=cables)


def _evolved(connector: Connector, role: Role, **figures: int | None) -> Connector:
    """Return the connector with the figures of this very device on its power pin."""
    pins: Sequence[Pin] = [
        attrs.evolve(pin, **figures) if pin.role is role else pin  # type: ignore[arg-type]  # figures of the pin's own
        for pin in connector.pins
    ]
    return attrs.evolve(connector, pins=tuple(pins))


def _short(port: str) -> str:
    return port.rpartition("/")[2]
