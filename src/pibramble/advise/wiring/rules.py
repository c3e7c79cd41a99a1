"""The electrical rule check: each rule a function from a harness to its faults. An error means: do not plug in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pibramble.advise.wiring.model import (
    SIGNALS,
    At,
    Cable,
    Fault,
    Harness,
    Pin,
    Role,
    groups,
    level_of,
)
from pibramble.advise.wiring.reach import reach_m
from pibramble.catalog import header
from pibramble.catalog.parts import Level
from pibramble.spec.findings import Severity, listed

_LOGIC = frozenset({Level.LOGIC_3V3, Level.LOGIC_5V})


def check(harness: Harness) -> tuple[Fault, ...]:
    """Return everything that is wrong or unknown, errors first."""
    faults = [fault for rule in RULES for fault in rule(harness)]
    return tuple(sorted(faults, key=lambda fault: fault.severity is not Severity.ERROR))


def blocked(faults: tuple[Fault, ...]) -> bool:
    """Tell whether something must be put right, or measured, before power comes on."""
    return any(fault.severity is Severity.ERROR for fault in faults)


def tx_on_tx(harness: Harness) -> Iterator[Fault]:
    """Find outputs that drive against each other."""
    for net in harness.nets:
        if len(drivers := _with(harness, net, Role.OUTPUT)) > 1:
            message = f"{_names(harness, drivers)} are outputs, and joined: each drives against the other"
            yield _error("tx-on-tx", message, "cross the wires: what one sends, the other receives", drivers)


def rx_undriven(harness: Harness) -> Iterator[Fault]:
    """Find receivers that hear nobody: wired to no output, or left out where their own output is wired."""
    for end in harness.ends:
        pin, own = end.connector.signal("RXD"), end.connector.signal("TXD")
        receiver = next((p for p in (pin, own) if p and p.role is Role.INPUT), None)
        sender = next((p for p in (pin, own) if p and p.role is Role.OUTPUT), None)
        if receiver is None or (sender is None and At(end.name, receiver.pin) not in harness.net_of):
            continue
        at = At(end.name, receiver.pin)
        wired = at in harness.net_of or (sender is not None and At(end.name, sender.pin) in harness.net_of)
        net = harness.net_of.get(at, ())
        heard = any(harness.pin(other).role in {Role.OUTPUT, Role.BOTH, Role.OPEN} for other in net if other != at)
        if wired and not heard:
            message = f"{_name(harness, at)} receives from nobody"
            yield _error("rx-undriven", message, "wire it to the other side's TXD", (at,))


def no_common_ground(harness: Harness) -> Iterator[Fault]:
    """Find devices that share a signal and no ground: its voltage means nothing then."""
    grounds = _joined_devices(harness, {Role.GROUND})
    told: set[tuple[str, str]] = set()
    for net in harness.nets:
        signals = [at for at in net if harness.pin(at).role in SIGNALS and harness.pin(at).level]
        for left, right in itertools.combinations(signals, 2):
            pair = tuple(sorted((harness.by_name[left.end].device, harness.by_name[right.end].device)))
            if (
                pair[0] != pair[1]
                and grounds.get(pair[0], pair[0]) != grounds.get(pair[1], pair[1])
                and pair not in told
            ):
                told.add((pair[0], pair[1]))
                message = f"{pair[0]} and {pair[1]} share a signal, and no ground"
                yield _error("no-common-ground", message, "join their grounds before anything else", (left, right))


def rs232_into_logic(harness: Harness) -> Iterator[Fault]:
    """Find RS-232 that drives logic: it rests at -3 to -25 V, which kills the pin."""
    for driver, receiver in _driven(harness):
        if level_of(harness, driver) is Level.RS232 and level_of(harness, receiver) in _LOGIC:
            message = f"{_name(harness, driver)} rests at -3 to -25 V (RS-232), and {_name(harness, receiver)} is logic"
            yield _error(
                "rs232-into-logic", f"{message}: the pin dies", "put a MAX3232 between them", (driver, receiver)
            )


def five_volts_into_three(harness: Harness) -> Iterator[Fault]:
    """Find 5 V logic that drives a 3.3 V pin."""
    for driver, receiver in _driven(harness):
        if (level_of(harness, driver), level_of(harness, receiver)) == (Level.LOGIC_5V, Level.LOGIC_3V3):
            message = f"{_name(harness, driver)} drives 5 V into {_name(harness, receiver)}, which bears 3.3 V"
            cure = "feed its chip with 3.3 V where that is allowed, or put a divider (1 and 2 kOhm) in the wire"
            yield _error("5v-into-3v3", message, cure, (driver, receiver))


def logic_into_rs232(harness: Harness) -> Iterator[Fault]:
    """Find logic that drives RS-232: it is inverted, and too low."""
    for driver, receiver in _driven(harness):
        if level_of(harness, driver) in _LOGIC and level_of(harness, receiver) is Level.RS232:
            message = (
                f"{_name(harness, driver)} is logic, and {_name(harness, receiver)} wants RS-232, which is inverted"
            )
            yield _error("logic-into-rs232", message, "put a MAX3232 between them", (driver, receiver))


def level_unknown(harness: Harness) -> Iterator[Fault]:
    """Find wired signals whose level nobody knows."""
    for net in harness.nets:
        unknown = [at for at in net if level_of(harness, at) is Level.UNKNOWN]
        if unknown and len(net) > 1:
            message = f"the level of {_names(harness, unknown)} is not known"
            first = next((at for at in unknown if harness.pin(at).role is Role.OUTPUT), None)
            cure = (
                f"measure it at rest against ground, unplugged, then --measured {first}=VOLTS"
                if first
                else "measure the output beside it: one chip makes both"
            )
            yield _error("level-unknown", message, cure, tuple(unknown))


def two_supplies(harness: Harness) -> Iterator[Fault]:
    """Find supplies that are joined."""
    for net in harness.nets:
        if len(sources := _with(harness, net, Role.SOURCE)) > 1:
            message = f"{_names(harness, sources)} both give power, and are joined: the stronger feeds the weaker"
            yield _error("two-supplies", message, "leave this wire out: ground and signals are enough", sources)


def supply_on_signal(harness: Harness) -> Iterator[Fault]:
    """Find power on a signal's pin, unless both ends declare it."""
    for net in harness.nets:
        sources = _with(harness, net, Role.SOURCE)
        signals = [at for at in net if harness.pin(at).role in SIGNALS]
        if sources and signals:
            volts = _volts(harness, sources[0])
            message = f"{_names(harness, sources)} puts {volts} V on {_names(harness, signals)}, a signal"
            yield _error("supply-on-signal", message, "take this wire out", (*sources, *signals))
        for source in sources:
            connector = harness.by_name[source.end].connector
            for sink in _with(harness, net, Role.SINK):
                meant = sink in harness.phantom or sink.pin in harness.by_name[sink.end].connector.phantom
                given = source.pin in connector.phantom
                if given != meant:
                    only, other = (source, sink) if given else (sink, source)
                    message = (
                        f"{_name(harness, only)} has power beside signals, and {_name(harness, other)} does not say so"
                    )
                    cure = "both ends must be made for phantom power: measure, then declare it"
                    yield _error("supply-on-signal", message, cure, (source, sink))


def supply_voltage(harness: Harness) -> Iterator[Fault]:
    """Find devices that are fed with a voltage that they do not take."""
    for net in harness.nets:
        for source, sink in itertools.product(_with(harness, net, Role.SOURCE), _with(harness, net, Role.SINK)):
            volts, pin = harness.pin(source).volts, harness.pin(sink)
            least, most = pin.least_volts or 0.0, pin.volts
            if volts is not None and most is not None and not least <= volts <= most:
                takes = f"{_name(harness, sink)} takes {least:g} to {most:g} V"
                message = f"{_name(harness, source)} gives {volts:g} V, and {takes}"
                yield _error("supply-voltage", message, "take another supply pin", (source, sink))


def overload(harness: Harness) -> Iterator[Fault]:
    """Find supplies that give less than is taken. Pins of one connector with the same voltage are one supply."""
    for rail, sources in _rails(harness).items():
        sinks = tuple(sink for source in sources for sink in _with(harness, harness.net_of[source], Role.SINK))
        taken = sum(harness.pin(sink).load_ma or 0 for sink in dict.fromkeys(sinks))
        given = max((pin.max_ma for pin in map(harness.pin, sources) if pin.max_ma is not None), default=None)
        if given is not None and taken > given:
            take = "take" if len(sinks) > 1 else "takes"
            places = {(harness.by_name[at.end].device, at.pin) for at in sources}
            gives = f"{_name(harness, sources[0])} gives {given}"
            if len(sources) > 1:
                pins = f"pin{'s' * (len(places) > 1)} {listed(sorted({at.pin for at in sources}))}"
                gives = f"the {rail.volts:g} V {pins} of {rail.device} give{'s' * (len(places) == 1)} {given} in all"
            message = f"{_names(harness, sinks)} {take} {taken} mA, and {gives}"
            yield _error("overload", message, "feed some of them from elsewhere", (*sources, *sinks))


class _Rail(NamedTuple):
    device: str
    connector: str
    volts: float | None


def _rails(harness: Harness) -> Mapping[_Rail, list[At]]:
    """Return the wired sources, those together that give of one budget."""
    found: dict[_Rail, list[At]] = {}
    for end in harness.ends:
        for pin in end.connector.pins:
            at = At(end.name, pin.pin)
            if pin.role is Role.SOURCE and at in harness.net_of:
                found.setdefault(_Rail(*end.place, pin.volts), []).append(at)
    return found


def pin_twice(harness: Harness) -> Iterator[Fault]:
    """Find pins with two signals, or with one for two devices: only ground, supplies and a bus are for several."""
    partners = _partners(harness)
    for ats in _places(harness).values():
        pins = [harness.pin(at) for at in ats]
        signals = {pin.signal for pin in pins}
        power = {pin.role for pin in pins} in ({Role.GROUND}, {Role.SOURCE}, {Role.SINK})
        if power or (len(signals) == 1 and signals <= header.SHARED):
            continue
        joins = [(at, other) for at in ats for other in partners[at]]
        if len(signals) > 1 or len({harness.by_name[other.end].device for _, other in joins}) > 1:
            ways = listed(dict.fromkeys(f"{harness.pin(at).signal} to {_name(harness, other)}" for at, other in joins))
            message = f"pin {ats[0].pin} of {harness.by_name[ats[0].end].device} is wired twice: {ways}"
            cure = "each chip select, interrupt and data line has a pin of its own: another port, or fewer devices"
            yield _error("pin-twice", message, cure, tuple(at for join in joins for at in join))


def _places(harness: Harness) -> Mapping[tuple[str, str, str], list[At]]:
    """Return the wired pins by where they really are: ends that are parts of one connector share them."""
    found: dict[tuple[str, str, str], list[At]] = {}
    for at in harness.net_of:
        found.setdefault((*harness.by_name[at.end].place, at.pin), []).append(at)
    return found


def _partners(harness: Harness) -> Mapping[At, list[At]]:
    """Return what each pin is wired to."""
    found: dict[At, list[At]] = {}
    for wire in (wire for cable in harness.cables for wire in cable.wires):
        found.setdefault(wire.left, []).append(wire.right)
        found.setdefault(wire.right, []).append(wire.left)
    return found


def back_power(harness: Harness) -> Iterator[Fault]:
    """Find devices that have a supply of their own and are fed by a wire as well."""
    for net in harness.nets:
        for source, sink in itertools.product(_with(harness, net, Role.SOURCE), _with(harness, net, Role.SINK)):
            end = harness.by_name[sink.end]
            if end.may_feed:
                into = _name(harness, source)
                message = f"{end.device} has a supply, and whether it pushes its 5 V into {into} is not known"
                cure = "measure its plug with only its supply on: 0 V is good, then write backfeeds = false"
                yield Fault("back-power", Severity.WARNING, message, cure, (source, sink))
            elif end.own_supply and harness.by_name[source.end].device != end.device:
                message = f"{end.device} has its own supply, and {_name(harness, source)} feeds it as well"
                yield _error("back-power", message, f"leave the wire to {sink} out, or its own supply", (source, sink))


def crossing(harness: Harness) -> Iterator[Fault]:
    """Hold the crossings against the roles: like equipment needs an odd number of them, unlike an even one."""
    for net in harness.nets:
        data = [
            at for at in net if harness.pin(at).signal in {"TXD", "RXD"} and harness.by_name[at.end].connector.equipment
        ]
        for left, right in itertools.combinations(data, 2):
            alike = harness.by_name[left.end].connector.equipment == harness.by_name[right.end].connector.equipment
            crossed = harness.pin(left).signal != harness.pin(right).signal
            if alike != crossed:
                kinds = " and ".join(harness.by_name[at.end].connector.equipment for at in (left, right))
                message = f"{_name(harness, left)} meets {_name(harness, right)}: {kinds} need"
                need = "an odd number of crossings" if alike else "a straight cable, or an even number of crossings"
                yield _error("crossing", f"{message} {need}", "add or take out one null modem", (left, right))


def rj45_scheme(harness: Harness) -> Iterator[Fault]:
    """Find RJ45 plugs of different schemes that are joined: they fit, and mean something else."""
    told: set[tuple[str, str]] = set()
    for cable in harness.cables:
        for wire in cable.wires:
            left, right = harness.by_name[wire.left.end], harness.by_name[wire.right.end]
            schemes = left.connector.scheme, right.connector.scheme
            if all(schemes) and schemes[0] != schemes[1] and (left.name, right.name) not in told:
                told.add((left.name, right.name))
                schemes_said = f"{left.name} is wired as {schemes[0]}, {right.name} as {schemes[1]}"
                message = f"{schemes_said}: the plugs fit, the pins do not"
                yield _error("rj45-scheme", message, "an adapter made for these two", (wire.left, wire.right))


def flow_control_unwired(harness: Harness) -> Iterator[Fault]:
    """Find lines whose profile has RTS and CTS, and whose cable has not."""
    for cable in harness.cables:
        if not cable.flow_control:
            continue
        pairs = [(harness.pin(wire.left).signal, harness.pin(wire.right).signal) for wire in cable.wires]
        crossed = {("RTS", "CTS"), ("CTS", "RTS")} <= set(pairs)
        straight = {("RTS", "RTS"), ("CTS", "CTS")} <= set(pairs)  # to unlike equipment
        if not crossed and not straight:
            message = f"{cable.name} is to run with RTS and CTS, and they are not wired both ways"
            cure = "wire RTS to CTS and CTS to RTS, or leave flow control out and go slower"
            yield Fault("flow-control-unwired", Severity.WARNING, message, cure, _first(cable))


def baud_limits(harness: Harness) -> Iterator[Fault]:
    """Hold each line's speed against its transceivers and its length."""
    for cable in harness.cables:
        if cable.baud is None:
            continue
        ends = dict.fromkeys(at.end for wire in cable.wires for at in (wire.left, wire.right))
        for end in (harness.by_name[name] for name in ends):
            limits = [limit for limit in (end.max_baud, end.connector.max_baud) if limit is not None]
            if limits and cable.baud > min(limits):
                message = f"{cable.name} runs at {cable.baud:,} baud, and {end.name} does {min(limits):,}"
                yield Fault("baud-limit", Severity.WARNING, message, f"baud = {min(limits)}", _first(cable))
        reach = reach_m(cable.baud, rs232=any(level_of(harness, at) is Level.RS232 for at in _pins(cable)))
        if cable.length_m is not None and cable.length_m > reach:
            message = f"{cable.name} is {cable.length_m:g} m long: at {cable.baud:,} baud it reaches {reach:.2g} m"
            yield Fault("baud-length", Severity.WARNING, message, "go slower, or make it shorter", _first(cable))


def usb_swapped(harness: Harness) -> Iterator[Fault]:
    """Find USB data wires that are swapped."""
    for net in harness.nets:
        data = [at for at in net if harness.pin(at).signal in {"D+", "D-"}]
        if len({harness.pin(at).signal for at in data}) > 1:
            message = f"{_names(harness, data)} are joined: D+ and D- are swapped"
            yield _error("usb-swapped", message, "white is D-, green is D+", tuple(data))


def mini_uart(harness: Harness) -> Iterator[Fault]:
    """Find lines on a mini UART."""
    for end in harness.ends:
        if end.uart == "mini" and any(at.end == end.name for at in harness.net_of):
            message = f"{end.name} is a mini UART: its speed follows the core clock, and it reports no framing errors"
            yield Fault("mini-uart", Severity.WARNING, message, "the PL011 does better: dtoverlay=disable-bt", ())


RULES = (
    tx_on_tx,
    rx_undriven,
    no_common_ground,
    rs232_into_logic,
    five_volts_into_three,
    logic_into_rs232,
    level_unknown,
    two_supplies,
    supply_on_signal,
    supply_voltage,
    overload,
    pin_twice,
    back_power,
    crossing,
    rj45_scheme,
    flow_control_unwired,
    baud_limits,
    usb_swapped,
    mini_uart,
)


def _error(rule: str, message: str, cure: str, at: tuple[At, ...]) -> Fault:
    return Fault(rule, Severity.ERROR, message, cure, at)


def _with(harness: Harness, net: tuple[At, ...], role: Role) -> tuple[At, ...]:
    return tuple(at for at in net if harness.pin(at).role is role)


def _driven(harness: Harness) -> Iterator[tuple[At, At]]:
    """Yield each output with each input that it drives."""
    for net in harness.nets:
        yield from itertools.product(_with(harness, net, Role.OUTPUT), _with(harness, net, Role.INPUT))


def _joined_devices(harness: Harness, roles: set[Role]) -> dict[str, str]:
    """Return one name for all devices that are joined by wires of such pins."""
    pairs = []
    for net in harness.nets:
        devices = [harness.by_name[at.end].device for at in net if harness.pin(at).role in roles]
        pairs += [(At(devices[0], ""), At(device, "")) for device in devices]
    return {at.end: group[0].end for group in groups(pairs) for at in group}


def _pins(cable: Cable) -> Iterator[At]:
    return (at for wire in cable.wires for at in (wire.left, wire.right))


def _first(cable: Cable) -> tuple[At, ...]:
    return (cable.wires[0].left, cable.wires[0].right) if cable.wires else ()


def _volts(harness: Harness, at: At) -> str:
    volts = harness.pin(at).volts
    return "?" if volts is None else f"{volts:g}"


def _name(harness: Harness, at: At) -> str:
    pin: Pin = harness.pin(at)
    return f"{at.end} pin {at.pin}" + (f" ({pin.signal})" if pin.signal != at.pin else "")


def _names(harness: Harness, ats: Iterator[At] | tuple[At, ...] | list[At]) -> str:
    return listed(_name(harness, at) for at in ats)
