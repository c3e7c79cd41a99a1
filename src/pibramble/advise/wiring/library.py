"""The known cables, and the connectors that they and the cluster's own harness are made of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import attrs

from pibramble.advise.wiring.model import At, Cable, Connector, End, Harness, Pin, Role, Wire
from pibramble.catalog import load
from pibramble.catalog.parts import Level


@cache
def connectors() -> Mapping[str, Connector]:
    """Return every kind of connector by name."""
    return {name: _connector(name, said) for name, said in load.raw("connectors.toml")["connectors"].items()}


@cache
def cables() -> Mapping[str, Harness]:
    """Return every known cable as a harness of its own."""
    return {name: _harness(name, said) for name, said in load.raw("cables.toml")["cables"].items()}


def measured(harness: Harness, volts: Mapping[At, float]) -> Harness:
    """Return the harness with levels that were measured: the voltage of an output at rest against ground.

    Raises ValueError for a voltage that is no level's, and KeyError for a pin that there is not.
    """
    found: dict[At, Level] = {}
    for at, value in volts.items():
        harness.pin(at)
        found[at] = level_at_rest(value)
    ends = []
    for end in harness.ends:
        here = {at.pin: level for at, level in found.items() if at.end == end.name}
        if not here:
            ends.append(end)
            continue
        level = next(iter(here.values()))  # an output's driver and the receiver beside it are one chip's
        pins = tuple(
            attrs.evolve(pin, level=here.get(pin.pin, level).value) if pin.level == Level.UNKNOWN else pin
            for pin in end.connector.pins
        )
        ends.append(attrs.evolve(end, connector=attrs.evolve(end.connector, pins=pins)))
    return attrs.evolve(harness, ends=tuple(ends))


def level_at_rest(volts: float) -> Level:
    """Return whose level an output's voltage at rest is. Raises ValueError when it is none's."""
    bounds = (
        (-25.0, -3.0, Level.RS232),
        (2.4, 3.6, Level.LOGIC_3V3),
        (4.0, 5.5, Level.LOGIC_5V),
    )  # TIA-232; LVTTL; TTL
    for least, most, level in bounds:
        if least <= volts <= most:
            return level
    message = f"{volts:g} V at rest is no level of a serial line: RS-232 rests at -3 to -25 V, logic at 3.3 or 5 V"
    raise ValueError(message)


def _connector(name: str, said: Mapping[str, Any]) -> Connector:
    pins = tuple(Pin(**{**pin, "role": Role(pin["role"])}) for pin in said["pins"])
    return Connector(**{**said, "name": name, "pins": pins, "phantom": tuple(said.get("phantom", ()))})


def _harness(name: str, said: Mapping[str, Any]) -> Harness:
    devices = said.get("devices", {})
    ends = tuple(End(end, devices.get(end, end), connectors()[kind]) for end, kind in said["ends"].items())
    wires = tuple(Wire(_at(left), _at(right), color) for left, right, color in said["wires"])
    keys = {key: said[key] for key in ("baud", "flow_control", "length_m") if key in said}
    # One drawn cable for each pair of ends: a jacket does not go round a module.
    pairs = dict.fromkeys((wire.left.end, wire.right.end) for wire in wires)
    parts = tuple(
        Cable(
            f"{name}-{number}" if len(pairs) > 1 else name,
            said["title"],
            tuple(wire for wire in wires if (wire.left.end, wire.right.end) == pair),
            name,
            **keys,
        )
        for number, pair in enumerate(pairs, 1)
    )
    phantom = tuple(map(_at, said.get("phantom", ())))
    return Harness(name, said["title"], ends, parts, phantom, tuple(said.get("notes", ())), said["source"])


def _at(text: str) -> At:
    end, _, pin = text.partition(".")
    return At(end, pin)
