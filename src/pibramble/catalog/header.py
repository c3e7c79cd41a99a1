"""The pins of a board's header that serial lines and UART bridges take, out of the connectors' data file."""

from __future__ import annotations

from collections.abc import Mapping

from pibramble.catalog import load
from pibramble.catalog.model import Board, Uart

# The header's connectors for UART bridges, one for each chip select of its SPI bus, in the order in which bridges get
# them. There is no third: further buses need overlays that no source of ours describes for these chips.
SPI = ("pi-spi", "pi-spi-ce1")

# Signals that several chips share. What singles one of them out, a chip select or an interrupt, is not among them.
SHARED = frozenset({"MOSI", "MISO", "SCLK", "SDA", "SCL"})

WITH_FLOW_CONTROL = (8, 10)  # the UART whose RTS and CTS the connector `pi-uart` has
USUAL_PINS = 40


def pins_of(board: Board) -> int:
    """Return how many pins a board's header has."""
    count: int = load.raw("connectors.toml")["header_pins"].get(board.name, USUAL_PINS)
    return count


def of_bridge(number: int) -> Mapping[int, str]:
    """Return the pins that a bridge takes, and for what; `number` counts from 0. Power and ground are for all."""
    return _signals(SPI[number])


def of_uart(uart: Uart, board: Board, *, flow_control: bool) -> Mapping[int, str]:
    """Return the pins that a UART takes, and for what; none where it is not on the header."""
    found = dict(zip(uart.pins, ("TXD", "RXD"), strict=True)) if uart.pins else {}
    return {**found, **_handshake()} if flow_control and has_flow_control(uart, board) else found


def has_flow_control(uart: Uart, board: Board) -> bool:
    """Tell whether the header brings out a UART's RTS and CTS. The first boards' 26 pins end before CTS."""
    return uart.pins == WITH_FLOW_CONTROL and max(_handshake()) <= pins_of(board)


def _handshake() -> Mapping[int, str]:
    return {pin: signal for pin, signal in _signals("pi-uart").items() if signal in {"RTS", "CTS"}}


def _signals(connector: str) -> Mapping[int, str]:
    pins = load.raw("connectors.toml")["connectors"][connector]["pins"]
    return {int(pin["pin"]): pin["signal"] for pin in pins if pin["role"] in {"input", "output"}}
