"""What to measure before power comes on for the first time: one step a line, each with what the meter must show."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from pibramble.advise.wiring.model import SIGNALS, At, Harness, Role, level_of
from pibramble.catalog.parts import Level

_EXPECTED = {
    Level.LOGIC_3V3: "2.4 to 3.6 V; more kills a Pi's pin",
    Level.LOGIC_5V: "4 to 5.5 V; never into a Pi",
    Level.RS232: "-3 to -25 V; never into a Pi",
    Level.UNKNOWN: "note it: 2.4 to 3.6 V is 3.3 V logic, 4 to 5.5 V 5 V logic, -3 to -25 V RS-232",
}
_USB = {"VBUS", "D-", "D+"}


@attrs.frozen
class Step:
    """One measurement, or one thing to do."""

    part: str  # the heading that it stands under
    what: str
    expect: str


def steps(harness: Harness) -> tuple[Step, ...]:
    """Return every step in the order in which it is done."""
    return (*_wires(harness), *_shorts(harness), *_alone(harness), *_order(harness))


def _wires(harness: Harness) -> Iterator[Step]:
    part = "Everything unplugged, meter on continuity: the wires"
    for cable in harness.cables:
        ready_made = {harness.pin(wire.left).signal for wire in cable.wires} & _USB
        if ready_made:
            continue  # a USB cable is bought, not soldered
        for wire in cable.wires:
            yield Step(part, f"{cable.name}: {_pin(harness, wire.left)} to {_pin(harness, wire.right)}", "beeps")


def _shorts(harness: Harness) -> Iterator[Step]:
    part = "Everything unplugged, meter on continuity: no shorts"
    for cable in harness.cables:
        nets = {harness.net_of[wire.left] for wire in cable.wires}
        grounds = [net for net in nets if any(harness.pin(at).role is Role.GROUND for at in net)]
        others = sorted(net for net in nets if net not in grounds)
        if grounds and others:
            names = ", ".join(_pin(harness, net[0]) for net in others)
            yield Step(part, f"{cable.name}: ground to each of {names}", "silent")
        if len(others) > 1:
            yield Step(part, f"{cable.name}: each of these to every other", "silent")
        if any(harness.pin(wire.left).signal == "D+" for wire in cable.wires) and not any(
            harness.pin(wire.left).signal == "VBUS" for wire in cable.wires
        ):
            yield Step(part, f"{cable.name}: red contact to red contact, the 5 V wire is cut", "silent")


def _alone(harness: Harness) -> Iterator[Step]:
    part = "Each device alone with its own power, nothing else plugged in, meter on 20 V DC, black on its ground"
    seen: set[At] = set()
    for end in harness.ends:
        for pin in end.connector.pins:
            at = At(end.name, pin.pin)
            if at not in harness.net_of or at in seen:
                continue
            seen.add(at)
            if pin.role is Role.OUTPUT:
                level = level_of(harness, at)
                yield Step(part, f"{_pin(harness, at)} at rest", _EXPECTED[level] if level else "note it")
            elif pin.role is Role.SOURCE and pin.volts is not None:
                yield Step(part, _pin(harness, at), f"{pin.volts * 0.95:.2f} to {pin.volts * 1.05:.2f} V")
            elif pin.role is Role.SINK and end.connector.name == "usb-hub-up":
                yield Step(
                    part, f"{_pin(harness, at)}, with only the hub's supply on", "0 V; else the hub feeds the head"
                )


def _order(harness: Harness) -> Iterator[Step]:
    part = "Then"
    devices = list(dict.fromkeys(end.device for end in harness.ends))
    signals = any(harness.pin(at).role in SIGNALS and harness.pin(at).level for at in harness.net_of)
    if len(devices) > 1 and signals:
        yield Step(part, "all devices on, no signal joined: ground of one to ground of every other", "less than 0.1 V")
        yield Step(part, "all off; join the grounds first, then the signals, power last", "")
    yield Step(part, "power on; after a minute, touch every chip and supply", "warm at most")


def _pin(harness: Harness, at: At) -> str:
    signal = harness.pin(at).signal
    return f"{at.end} {at.pin}" + (f" ({signal})" if signal != at.pin else "")
