"""The types of what only advice needs: power, speeds, prices, and the parts around the boards.

Their data files are read when a verb asks for them, never on the way of every command. `None` stands for a figure that
no source gives.
"""

from __future__ import annotations

from enum import StrEnum

import attrs


class Level(StrEnum):
    """What a signal's voltage means."""

    LOGIC_3V3 = "3.3 V"  # a Pi's pins; more than 3.3 V kills them
    LOGIC_5V = "5 V"
    RS232 = "RS-232"  # idles at -3 to -25 V, and is inverted against logic
    USB = "USB"  # D+ and D-
    UNKNOWN = "unknown"  # to be measured before anything is joined to it


@attrs.frozen
class Power:
    """What a board draws from its 5 V supply, and what it hands on to its USB ports."""

    idle_ma: int | None = None
    stress_ma: int | None = None  # all cores at work
    max_ma: int | None = None  # the most that must be reckoned with, nothing plugged in
    supply_ma: int | None = None  # the supply that is recommended
    supply: str = ""  # a part that fits its power input
    gadget_cord: str = ""  # the cable from its gadget port to a head's port
    usb_port_ma: int | None = None  # what one USB port may give
    usb_total_ma: int | None = None  # and all together
    backfeeds: bool = False  # current that comes in by a USB port gets past the board's fuse to its 5 V
    feeds_from_usb: bool = False  # its gadget port is also a power input: a head's port can feed it


@attrs.frozen
class Speed:
    """How fast one board of a kind computes: High Performance Linpack on all its cores."""

    gflops: float
    blas: str  # the library decides as much as the board: worth ten times on a Pi 1
    source: str
    verified: bool = True  # false: taken from a board with the same chip


@attrs.frozen
class Price:
    """What a part costs."""

    amount: float
    currency: str = "USD"
    date: str = ""  # year and month that it was true in
    source: str = ""
    verified: bool = True  # false: an assumption, no source


@attrs.frozen
class Hub:
    """A USB hub."""

    title: str
    ports: int
    port_ma: int  # what one port gives
    own_ma: int = 100  # what it takes for itself (USB 2.0 section 7.2.1: a bus-powered hub's own unit load)
    supply_ma: int | None = None  # what its own supply gives; None: it lives on what the port above it gives
    full_speed: bool = False  # USB 1.1: 12 Mbit/s in all
    backfeeds: bool | None = None  # its supply pushes current up into the port above it; None: nobody has looked


@attrs.frozen
class Supply:
    """A 5 V supply."""

    title: str
    max_ma: int  # in all
    outlets: int = 1
    outlet_ma: int | None = None  # what one outlet gives; None: all of it
    plug: str = ""


@attrs.frozen
class Cord:
    """A cable to buy; how one is wired stands in cables.toml."""

    title: str
    plugs: tuple[str, str]
    max_ma: int | None = None  # None: it carries no power, or nobody said how much


@attrs.frozen
class EthernetAdapter:
    """An Ethernet port on a USB plug."""

    title: str
    mbit: int
    draw_ma: int = 500  # what any USB 2.0 device may take (7.2.1)


@attrs.frozen
class Switch:
    """An Ethernet switch."""

    title: str
    ports: int
    mbit: int


@attrs.frozen
class Bridge:
    """A chip that makes UARTs out of an SPI bus."""

    title: str
    ports: int
    max_baud: int
    crystal_hz: int  # what its usual module has
    sampling: int  # clock cycles a bit
    fractional_bits: int = 0  # of its divisor
    pll_factors: tuple[int, ...] = ()  # by which its clock can be multiplied
    level: Level = Level.LOGIC_3V3
    fifo_bytes: int = 64
    driver: str = ""
    driver_in_debian: bool = True  # in the kernel of the boards' Debian
    draw_ma: int = 10  # at 3.3 V; no source of ours says it for any of these chips
    supply_min_v: float | None = None
    supply_max_v: float | None = None


@attrs.frozen
class Shifter:
    """A level shifter between logic and RS-232."""

    title: str
    channels: int  # each a driver and a receiver
    max_baud: int
    supply_min_v: float
    supply_max_v: float


@attrs.frozen
class MemoryCard:
    """A memory card."""

    title: str
    capacity_gb: int
    size: str = "microSD"  # or SD, which a Pi 1 A and B takes; a microSD card fits there with its adapter


@attrs.frozen
class SerialAdapter:
    """A UART on a USB plug."""

    title: str
    level: Level
    max_baud: int
    serial_number: bool  # false: two of them can be told apart by their place on the bus only
    chip: str = ""
    draw_ma: int = 100  # what a low-power USB device takes at most (USB 2.0 section 7.2.1)


@attrs.frozen
class Receiver:
    """A GPS receiver."""

    title: str
    level: Level  # of its serial lines; USB where it has nothing else
    baud: int
    draw_ma: int = 100  # as a low-power USB device
    pps: bool = False  # brings out the pulse that marks a second
