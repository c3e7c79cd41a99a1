"""Connectors, cables and harnesses as frozen types. What a pin is for is seen from the device that it sits in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property

import attrs

from pibramble.catalog.parts import Level
from pibramble.spec.findings import Severity


class Role(StrEnum):
    """What a pin does electrically."""

    OUTPUT = "output"
    INPUT = "input"
    BOTH = "both"  # data both ways
    GROUND = "ground"
    SOURCE = "source"  # gives power
    SINK = "sink"  # takes power
    OPEN = "open"  # leads nowhere


SIGNALS = frozenset({Role.OUTPUT, Role.INPUT, Role.BOTH})
FOLLOWS_SUPPLY = "supply"  # the level of a pin that has the voltage of its device's sink


@attrs.frozen
class Pin:
    """One contact."""

    pin: str  # its number or label
    signal: str  # TXD, GND, VBUS ...
    role: Role
    level: str = ""  # a Level, FOLLOWS_SUPPLY, or empty for what is no signal against ground
    volts: float | None = None  # a source's voltage; the most that a sink takes
    least_volts: float | None = None  # the least that a sink needs
    max_ma: int | None = None  # what a source gives
    load_ma: int | None = None  # what a sink takes


@attrs.frozen(slots=False)  # cached_property needs a __dict__
class Connector:
    """A kind of connector, with what its pins do in the device that it belongs to."""

    name: str
    title: str
    shape: str  # DB9, RJ45, header ...
    pins: tuple[Pin, ...]
    gender: str = ""
    scheme: str = ""  # which of several pinouts this plug has
    equipment: str = ""  # DTE or DCE
    phantom: tuple[str, ...] = ()  # pins that carry power beside signals, and are meant to
    max_baud: int | None = None  # of the transceiver behind it

    @cached_property
    def by_pin(self) -> Mapping[str, Pin]:
        """Return the pins by number."""
        return {pin.pin: pin for pin in self.pins}

    def signal(self, name: str) -> Pin | None:
        """Return the first pin of a signal."""
        return next((pin for pin in self.pins if pin.signal == name), None)


@attrs.frozen(order=True)
class At:
    """A pin of one end of a harness."""

    end: str
    pin: str

    def __str__(self) -> str:
        """Return it as people write it in cables.toml."""
        return f"{self.end}.{self.pin}"


@attrs.frozen
class End:
    """A connector in a device."""

    name: str
    device: str  # connectors of one device share its ground and its supply
    connector: Connector
    socket: str = ""  # ends of one device with the same one are parts of one connector, as a header is: they share pins
    own_supply: bool = False  # the device has another way to its power
    may_feed: bool = False  # nobody has measured whether its supply comes out here
    uart: str = ""  # pl011 or mini, where it is a UART of a board
    max_baud: int | None = None  # of that UART, as it is wired

    @property
    def place(self) -> tuple[str, str]:
        """Return what tells its pins from those of other connectors: the device, and which of its connectors."""
        return self.device, self.socket or f"{self.name}'s own"


@attrs.frozen
class Wire:
    """One wire."""

    left: At
    right: At
    color: str = ""  # two letters, IEC 60757


@attrs.frozen
class Cable:
    """Wires in one jacket, or a handful of jumpers."""

    name: str
    title: str
    wires: tuple[Wire, ...]
    sheet: str = ""  # which drawing it belongs to
    baud: int | None = None  # of the serial line that it carries
    flow_control: bool = False
    length_m: float | None = None


@attrs.frozen(slots=False)
class Harness:
    """Everything that is wired together and must be judged together."""

    name: str
    title: str
    ends: tuple[End, ...]
    cables: tuple[Cable, ...]
    phantom: tuple[At, ...] = ()  # sinks that are meant to be fed by a pin among signals
    notes: tuple[str, ...] = ()
    source: str = ""  # where the pinout comes from

    @cached_property
    def by_name(self) -> Mapping[str, End]:
        """Return the ends by name."""
        return {end.name: end for end in self.ends}

    def pin(self, at: At) -> Pin:
        """Return a pin. Raises KeyError."""
        return self.by_name[at.end].connector.by_pin[at.pin]

    @cached_property
    def nets(self) -> tuple[tuple[At, ...], ...]:
        """Return what the wires make one: pins that are joined, however many wires lie between."""
        return groups((wire.left, wire.right) for cable in self.cables for wire in cable.wires)

    @cached_property
    def net_of(self) -> Mapping[At, tuple[At, ...]]:
        """Return the net of each pin that is wired."""
        return {at: net for net in self.nets for at in net}


@attrs.frozen
class Fault:
    """One thing that is wrong, or unknown, about a harness."""

    rule: str
    severity: Severity  # an error: nothing may be plugged in
    message: str
    cure: str
    at: tuple[At, ...] = ()


def groups(pairs: Iterable[tuple[At, At]]) -> tuple[tuple[At, ...], ...]:
    """Return the sets that pairs make, each sorted, in order."""
    leader: dict[At, At] = {}

    def find(at: At) -> At:
        leader.setdefault(at, at)
        while leader[at] != at:
            leader[at] = leader[leader[at]]
            at = leader[at]
        return at

    for left, right in pairs:
        leader[find(left)] = find(right)
    found: dict[At, list[At]] = {}
    for at in leader:
        found.setdefault(find(at), []).append(at)
    return tuple(sorted(tuple(sorted(net)) for net in found.values()))


def level_of(harness: Harness, at: At) -> Level | None:
    """Return what a signal's voltage means at a pin; None for what is no signal against ground."""
    pin = harness.pin(at)
    if pin.role not in SIGNALS or not pin.level:
        return None
    if pin.level != FOLLOWS_SUPPLY:
        return Level(pin.level)
    return {3.3: Level.LOGIC_3V3, 5.0: Level.LOGIC_5V}.get(_supply_volts(harness, at.end) or 0.0, Level.UNKNOWN)


def _supply_volts(harness: Harness, end: str) -> float | None:
    """Return the voltage that feeds the device of an end, where the harness says so."""
    device = harness.by_name[end].device
    for other in harness.ends:
        for pin in other.connector.pins if other.device == device else ():
            if pin.role is Role.SINK:
                for at in harness.net_of.get(At(other.name, pin.pin), ()):
                    if harness.pin(at).role is Role.SOURCE:
                        return harness.pin(at).volts
    return None
