"""Every electrical rule: a harness that breaks it, the same harness put right, and the known cables."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from pibramble.advise.wiring import library
from pibramble.advise.wiring.model import At, Cable, Connector, End, Harness, Pin, Role, Wire
from pibramble.advise.wiring.reach import reach_m
from pibramble.advise.wiring.rules import RULES, blocked, check
from pibramble.spec.findings import Severity

THIS = Path(__file__)
LOGIC_5V = Connector(
    "logic-5v",
    "a 5 V board",
    "header",
    (
        Pin("TX", "TXD", Role.OUTPUT, "5 V"),
        Pin("RX", "RXD", Role.INPUT, "5 V"),
        Pin("GND", "GND", Role.GROUND),
        Pin("5V", "5V", Role.SOURCE, volts=5.0, max_ma=500),
    ),
)
CROSSED = "left.6=right.6 left.8=right.10 left.10=right.8"


def joined(wires: str, cable: dict[str, object] | None = None, **ends: str | Connector | End) -> Harness:
    """Return a harness: ends by the names of their connectors, and wires as `left.8=right.10`, one cable for all."""
    made = []
    for name, kind in ends.items():
        if isinstance(kind, End):
            made.append(attrs.evolve(kind, name=name))
        else:
            made.append(End(name, name, library.connectors()[kind] if isinstance(kind, str) else kind))
    pairs = [word.split("=") for word in wires.split()]
    joins = tuple(Wire(At(*left.split(".")), At(*right.split("."))) for left, right in pairs)
    return Harness("test", "test", tuple(made), (Cable("cable", "cable", joins, **(cable or {})),))  # type: ignore[arg-type]


def rules(harness: Harness) -> list[str]:
    return sorted({fault.rule for fault in check(harness)})


def device(connector: str, name: str, **options: object) -> End:
    return End(name, name, library.connectors()[connector], **options)  # type: ignore[arg-type]


def test_two_headers_crossed_keep_every_rule() -> None:
    assert check(joined(CROSSED, left="pi-uart", right="pi-uart")) == ()


def test_tx_on_tx() -> None:
    found = joined("left.6=right.6 left.8=right.8 left.10=right.10", left="pi-uart", right="pi-uart")
    assert rules(found) == ["rx-undriven", "tx-on-tx"]


def test_rx_undriven() -> None:
    assert rules(joined("left.6=right.6 left.8=right.10", left="pi-uart", right="pi-uart")) == ["rx-undriven"]


def test_no_common_ground() -> None:
    assert rules(joined("left.8=right.10 left.10=right.8", left="pi-uart", right="pi-uart")) == ["no-common-ground"]


def test_a_ground_that_goes_by_another_way_is_one() -> None:
    usb = joined(
        "left.8=right.10 left.10=right.8 hub.4=left.6 hub.4=right.6", left="pi-uart", right="pi-uart", hub="usb-host"
    )
    assert rules(usb) == []


def test_rs232_into_logic_and_logic_into_rs232() -> None:
    found = joined("pi.6=pc.5 pi.8=pc.2 pi.10=pc.3", pi="pi-uart", pc="db9-dte")
    assert rules(found) == ["logic-into-rs232", "rs232-into-logic"]
    assert "the pin dies" in str(check(found))


def test_5v_into_3v3() -> None:
    found = joined("pi.6=old.GND pi.8=old.RX pi.10=old.TX", pi="pi-uart", old=LOGIC_5V)
    assert rules(found) == ["5v-into-3v3"]


def test_a_max3232_at_5v_drives_5v_into_the_pi() -> None:
    good = library.cables()["pi-max3232-db9"]
    assert check(good) == ()
    first, *rest = good.cables
    five = tuple(attrs.evolve(wire, left=At("pi", "2")) if wire.left == At("pi", "1") else wire for wire in first.wires)
    bad = attrs.evolve(good, cables=(attrs.evolve(first, wires=five), *rest))
    assert rules(bad) == ["5v-into-3v3"]
    dark = tuple(wire for wire in first.wires if wire.left != At("pi", "1"))
    assert rules(attrs.evolve(good, cables=(attrs.evolve(first, wires=dark), *rest))) == ["level-unknown"]


def test_level_unknown_blocks_until_it_is_measured() -> None:
    ipaq = library.cables()["ipaq-3600"]
    assert rules(ipaq) == ["level-unknown"]
    assert blocked(check(ipaq))
    assert check(library.measured(ipaq, {At("ipaq", "7"): -5.6})) == ()


def test_what_is_measured_decides() -> None:
    gps = library.cables()["igps-m-rs232"]
    assert rules(library.measured(gps, {At("gps", "TX"): -6.0})) == []
    assert rules(library.measured(gps, {At("gps", "TX"): 3.3})) == ["logic-into-rs232", "rs232-into-logic"]
    with pytest.raises(ValueError, match="no level of a serial line"):
        library.measured(gps, {At("gps", "TX"): 1.0})
    with pytest.raises(KeyError):
        library.measured(gps, {At("gps", "7"): 3.3})


def test_two_supplies() -> None:
    assert rules(joined(CROSSED + " left.1=right.1", left="pi-uart", right="pi-uart")) == ["two-supplies"]
    wires = "host.1=b.1 host.2=b.2 host.3=b.3 host.4=b.4"
    assert rules(joined(wires, host="usb-host", b="usb-gadget-a")) == ["two-supplies"]
    assert rules(joined(wires.removeprefix("host.1=b.1 "), host="usb-host", b="usb-gadget-a")) == []


def test_supply_on_a_signal() -> None:
    found = joined("left.6=right.6 left.1=right.10", left="pi-uart", right="pi-uart")
    assert "supply-on-signal" in rules(found)
    pc = joined("gps.GND=pc.5 gps.5V=pc.9", gps="igps-pads", pc="db9-phantom")
    assert rules(pc) == ["supply-on-signal"]  # the receiver does not declare it


def test_phantom_power_that_both_ends_declare_is_allowed() -> None:
    wires = "dev.5=pc.5 dev.2=pc.2 dev.3=pc.3 dev.9=pc.9"
    assert rules(joined(wires, dev="db9-phantom-device", pc="db9-phantom")) == []


def test_a_source_on_a_plain_ri_pin_is_found() -> None:
    found = joined("pc.5=modem.5 pc.9=modem.9", pc="db9-phantom", modem="db9-dce")
    assert "supply-on-signal" in rules(found)


def test_supply_voltage() -> None:
    found = joined("pi.2=spi.VCC pi.6=spi.GND", pi="pi-uart", spi="bridge-spi")
    assert rules(found) == ["supply-voltage"]  # 5 V into a chip for 3.6 V at most
    assert rules(joined("pi.1=spi.VCC pi.6=spi.GND", pi="pi-uart", spi="bridge-spi")) == []


def test_overload() -> None:
    hungry = Connector(
        "hungry", "x", "header", (Pin("V", "3V3", Role.SINK, volts=3.6, load_ma=51), Pin("G", "GND", Role.GROUND))
    )
    assert rules(joined("pi.1=x.V pi.6=x.G", pi="pi-uart", x=hungry)) == ["overload"]
    less = attrs.evolve(hungry, pins=(attrs.evolve(hungry.pins[0], load_ma=50), hungry.pins[1]))
    assert rules(joined("pi.1=x.V pi.6=x.G", pi="pi-uart", x=less)) == []


def bridges(*kinds: str, load_ma: int = 10) -> Harness:
    """Return a head's header with an SPI bridge on each of these connectors of it."""
    spi = library.connectors()["bridge-spi"]
    hungry = tuple(attrs.evolve(pin, load_ma=load_ma) if pin.role is Role.SINK else pin for pin in spi.pins)
    ends, cables = [], []
    for number, kind in enumerate(kinds):
        ends.append(attrs.evolve(device(kind, f"head{number}", socket="header"), device="head"))
        ends.append(End(f"chip{number}", f"chip{number}", attrs.evolve(spi, pins=hungry)))
        wires = tuple(
            Wire(At(f"head{number}", pin.pin), At(f"chip{number}", "VCC" if pin.signal == "3V3" else pin.signal))
            for pin in library.connectors()[kind].pins
        )
        cables.append(Cable(f"spi{number}", "spi", wires))
    return Harness("test", "test", tuple(ends), tuple(cables))


def test_pin_twice_two_bridges_on_one_chip_select() -> None:
    assert check(bridges("pi-spi", "pi-spi-ce1")) == ()  # the bus is shared, CS and IRQ are not
    found = check(bridges("pi-spi", "pi-spi-ce1", "pi-spi-ce1"))
    assert [fault.rule for fault in found] == ["pin-twice", "pin-twice"]
    said = " ".join(fault.message for fault in found)
    assert "pin 26 of head is wired twice: CS to chip1 pin CS and CS to chip2 pin CS" in said
    assert "pin 18 of head is wired twice: IRQ to chip1 pin IRQ and IRQ to chip2 pin IRQ" in said


def test_pin_twice_a_uart_on_the_pins_of_a_bridge() -> None:
    spi = bridges("pi-spi")
    uart = library.connectors()["pi-uart"]
    moved = {"TXD": "24", "RXD": "21"}  # /dev/ttyAMA4 of a Pi 4
    pins = tuple(attrs.evolve(pin, pin=moved.get(pin.signal, pin.pin)) for pin in uart.pins)
    head = End("uart", "head", attrs.evolve(uart, pins=pins), socket="header")
    mate = device("pi-uart", "mate")
    line = Cable(
        "line", "line", tuple(Wire(At("uart", a), At("mate", b)) for a, b in (("6", "6"), ("24", "10"), ("21", "8")))
    )
    both = attrs.evolve(spi, ends=(*spi.ends, head, mate), cables=(*spi.cables, line))
    assert rules(both) == ["pin-twice"]
    assert rules(attrs.evolve(both, cables=(line,))) == []
    elsewhere = attrs.evolve(head, socket="")  # pin 24 of another connector of the same device is another pin
    assert rules(attrs.evolve(both, ends=(*spi.ends, elsewhere, mate))) == []


def test_pin_twice_one_output_for_two_devices() -> None:
    wires = "pi.6=a.6 pi.6=b.6 pi.8=a.10 pi.8=b.10 pi.10=a.8"
    assert "pin-twice" in rules(joined(wires, pi="pi-uart", a="pi-uart", b="pi-uart"))
    assert rules(joined("pc.5=pc2.5 pc.2=pc2.3 pc.3=pc2.2 pc.4=pc2.6 pc.4=pc2.1", pc="db9-dte", pc2="db9-dte")) == []


def test_overload_of_the_3_3_v_pins_of_one_board_together() -> None:
    assert rules(bridges("pi-spi", "pi-spi-ce1", load_ma=25)) == []
    [fault] = check(bridges("pi-spi", "pi-spi-ce1", load_ma=26))
    assert fault.rule == "overload"
    assert "take 52 mA, and the 3.3 V pin 17 of head gives 50 in all" in fault.message
    spi = bridges("pi-spi", load_ma=26)  # pin 17 and pin 1 are one supply
    shifter = device("max3232-logic", "shifter")
    hungry = tuple(attrs.evolve(pin, load_ma=26) if pin.role is Role.SINK else pin for pin in shifter.connector.pins)
    uart = attrs.evolve(device("pi-uart", "uart", socket="header"), device="head")
    wires = (Wire(At("uart", "1"), At("shifter", "VCC")), Wire(At("uart", "6"), At("shifter", "GND")))
    full = attrs.evolve(shifter, connector=attrs.evolve(shifter.connector, pins=hungry))
    both = attrs.evolve(spi, ends=(*spi.ends, uart, full), cables=(*spi.cables, Cable("power", "power", wires)))
    assert "the 3.3 V pins 1 and 17 of head give 50 in all" in str(check(both))


def test_back_power() -> None:
    wires = "host.1=zero.1 host.2=zero.2 host.3=zero.3 host.4=zero.5"
    zero = device("usb-gadget-micro", "zero", own_supply=True)
    assert rules(joined(wires, host="usb-host", zero=zero)) == ["back-power"]
    assert rules(joined(wires, host="usb-host", zero="usb-gadget-micro")) == []


@pytest.mark.parametrize(
    ("left", "right", "wires", "wrong"),
    [
        ("db9-dte", "db9-dte", "left.5=right.5 left.2=right.3 left.3=right.2", False),
        ("db9-dte", "db9-dte", "left.5=right.5 left.2=right.2 left.3=right.3", True),
        ("db9-dte", "db9-dce", "left.5=right.5 left.2=right.2 left.3=right.3", False),
        ("db9-dte", "db9-dce", "left.5=right.5 left.2=right.3 left.3=right.2", True),
    ],
)
def test_crossing(left: str, right: str, wires: str, wrong: bool) -> None:  # noqa: FBT001 (a case's outcome)
    assert ("crossing" in rules(joined(wires, left=left, right=right))) == wrong


def test_rj45_scheme() -> None:
    straight = " ".join(f"left.{pin}=right.{pin}" for pin in range(1, 9))
    assert "rj45-scheme" in rules(joined(straight, left="rj45-cisco", right="rj45-eia561"))
    assert "rj45-scheme" in rules(joined("left.3=right.3", left="rj45-cisco", right="rj45-ethernet"))
    assert "rj45-scheme" not in rules(joined(straight, left="rj45-cisco", right="rj45-cisco"))


def test_flow_control_unwired() -> None:
    profile: dict[str, object] = {"flow_control": True, "baud": 921_600}
    assert rules(joined(CROSSED, profile, left="pi-uart", right="pi-uart")) == ["flow-control-unwired"]
    half = joined(CROSSED + " left.11=right.36", profile, left="pi-uart", right="pi-uart")
    assert rules(half) == ["flow-control-unwired"]
    assert rules(joined(CROSSED + " left.11=right.36 left.36=right.11", profile, left="pi-uart", right="pi-uart")) == []


def test_baud_limit_of_a_transceiver() -> None:
    fast = attrs.evolve(library.cables()["pi-max3232-db9"])
    cables = tuple(attrs.evolve(cable, baud=460_800) for cable in fast.cables)
    assert rules(attrs.evolve(fast, cables=cables)) == ["baud-limit"]


def test_baud_limit_of_a_uart() -> None:
    left = device("pi-uart", "left", max_baud=460_800)
    assert rules(joined(CROSSED, {"baud": 921_600}, left=left, right="pi-uart")) == ["baud-limit"]
    assert rules(joined(CROSSED, {"baud": 460_800}, left=left, right="pi-uart")) == []


def test_baud_times_length() -> None:
    modem = library.cables()["null-modem"]
    for baud, metres, wrong in ((19_200, 15, False), (19_200, 16, True), (115_200, 3, True), (115_200, 2, False)):
        cables = tuple(attrs.evolve(cable, baud=baud, length_m=metres) for cable in modem.cables)
        assert (rules(attrs.evolve(modem, cables=cables)) == ["baud-length"]) == wrong
    assert reach_m(9_600, rs232=True) == 150
    assert reach_m(921_600, rs232=False) == 1


def test_usb_swapped() -> None:
    wires = "host.1=zero.1 host.2=zero.3 host.3=zero.2 host.4=zero.5"
    assert rules(joined(wires, host="usb-host", zero="usb-gadget-micro")) == ["usb-swapped"]


def test_mini_uart() -> None:
    left = device("pi-uart", "left", uart="mini")
    found = joined(CROSSED, left=left, right="pi-uart")
    assert rules(found) == ["mini-uart"]
    assert not blocked(check(found))


def test_errors_come_first() -> None:
    left = device("pi-uart", "left", uart="mini")
    faults = check(joined("left.8=right.10 left.10=right.8", left=left, right="pi-uart"))
    assert [fault.severity for fault in faults] == [Severity.ERROR, Severity.WARNING]


@pytest.mark.parametrize("name", library.cables())
def test_a_known_cable_is_right_or_says_what_to_measure(name: str) -> None:
    assert set(rules(library.cables()[name])) <= {"level-unknown"}


def test_every_rule_is_broken_by_a_test() -> None:
    source = Path(check.__code__.co_filename).read_text(encoding="utf-8")
    text = THIS.read_text(encoding="utf-8")
    named = set(re.findall(r'(?:_error|Fault)\(\s*"([\w-]+)"', source))
    assert len(named) >= len(RULES)
    assert {name for name in named if f'"{name}"' not in text} == set()
