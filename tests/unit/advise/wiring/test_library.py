"""The pinouts that the facts name are the ones in the library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pibramble.advise.wiring.library import cables, connectors, level_at_rest
from pibramble.advise.wiring.model import Role
from pibramble.catalog import load
from pibramble.catalog.parts import Level


def wired(name: str) -> set[tuple[str, str]]:
    return {(str(wire.left), str(wire.right)) for cable in cables()[name].cables for wire in cable.wires}


def joins(left: str, right: str, table: str) -> set[tuple[str, str]]:
    """Return the wires of a table as the facts write it: "3-2 4/5-5" is pin 3 to 2, and pins 4 and 5 to 5."""
    pairs = (word.split("-") for word in table.split())
    return {(f"{left}.{one}", f"{right}.{end}") for ones, end in pairs for one in ones.split("/")}


def signals(connector: str) -> str:
    """Return a connector's pins in the order of the data file, as "1 DCD, 2 RXD"."""
    return ", ".join(f"{pin.pin} {pin.signal}" for pin in connectors()[connector].pins)


# --- Tables that the facts have, copied from there into each docstring ---


def test_ciscos_console() -> None:
    """Facts, serial consoles: "1 RTS-8, 2 DTR-6, 3 TxD-2, 4/5 GND-5, 6 RxD-3, 7 DSR-4, 8 CTS-7"."""
    assert wired("cisco-console") == joins("console", "pc", "1-8 2-6 3-2 4/5-5 6-3 7-4 8-7")
    assert signals("rj45-cisco") == "1 RTS, 2 DTR, 3 TXD, 4 GND, 5 GND, 6 RXD, 7 DSR, 8 CTS"


def test_the_ipaq() -> None:
    """Facts, serial consoles: "4 GND, 7 TX, 8 RX, 11 3.3 V"; "RX to 2, TX to 3, GND to 5; 3.3 V left open"."""
    assert wired("ipaq-3600") == joins("ipaq", "plug", "8-2 7-3 4-5")
    assert signals("ipaq-3600") == "4 GND, 7 TXD, 8 RXD, 11 3V3"
    assert connectors()["ipaq-3600"].by_pin["11"].volts == 3.3  # and it stays open
    assert connectors()["db9-dte-plug"].gender == "male"


def test_the_igps_m_inside() -> None:
    """Facts, wiring: "USB wires black GND, red 5 V, white and green data; RS-232 TX/RX pads under the shield"."""
    assert wired("igps-m-usb") == joins("host", "gps", "1-1 2-2 3-3 4-4")
    [usb] = cables()["igps-m-usb"].cables
    colors = {cables()["igps-m-usb"].pin(wire.right).signal: wire.color for wire in usb.wires}
    assert colors == {"VBUS": "RD", "D-": "WH", "D+": "GN", "GND": "BK"}  # which data wire is which: USB 2.0, 6.6.2
    assert signals("igps-pads") == "TX TXD, RX RXD, GND GND, 5V 5V"
    assert {connectors()["igps-pads"].by_pin[pin].level for pin in ("TX", "RX")} == {Level.UNKNOWN}


def test_the_igps_ms_second_connector_is_fed_through_pin_9() -> None:
    harness = cables()["igps-m-rs232"]
    assert wired("igps-m-rs232") == joins("gps", "pc", "TX-2 RX-3 GND-5 5V-9")
    assert [str(at) for at in harness.phantom] == ["gps.5V"]
    assert connectors()["db9-phantom"].phantom == ("9",)
    assert connectors()["db9-phantom"].by_pin["9"].volts == 5.0
    [cable] = harness.cables
    colors = {wire.left.pin: wire.color for wire in cable.wires}
    assert (colors["GND"], colors["5V"]) == ("BK", "RD")


def test_the_header_and_the_max3232_between_it_and_rs232() -> None:
    """Facts, UART and wiring: "GPIO14/15 = header pins 8/10, ground pin 6"; "a MAX3232 (3.0-5.5 V) stands between"."""
    logic, serial = cables()["pi-max3232-db9"].cables
    assert {(str(wire.left), str(wire.right)) for wire in logic.wires} == joins(
        "pi", "logic", "1-VCC 6-GND 8-T1IN 10-R1OUT"
    )
    assert {(str(wire.left), str(wire.right)) for wire in serial.wires} == joins(
        "rs232", "modem", "GND-5 T1OUT-3 R1IN-2"
    )
    assert signals("pi-uart") == "1 3V3, 2 5V, 6 GND, 8 TXD, 10 RXD, 11 RTS, 36 CTS"
    chip = connectors()["max3232-logic"].by_pin["VCC"]
    assert (chip.least_volts, chip.volts) == (3.0, 5.5)


def test_two_headers() -> None:
    assert wired("pi-to-pi") == joins("left", "right", "6-6 8-10 10-8")
    assert wired("pi-to-pi-flow") == joins("left", "right", "6-6 8-10 10-8 11-36 36-11")


# --- What the facts only name: the pins of the standards, EIA/TIA-574 (nine pins) and -561 (eight) ---


def test_nine_pins() -> None:
    assert signals("db9-dte") == "1 DCD, 2 RXD, 3 TXD, 4 DTR, 5 GND, 6 DSR, 7 RTS, 8 CTS, 9 RI"
    assert signals("db9-dce") == signals("db9-dte")  # named after what the computer does with them
    sends = {"TXD", "DTR", "RTS"}
    for connector, here in (("db9-dte", Role.OUTPUT), ("db9-dce", Role.INPUT)):
        there = Role.INPUT if here is Role.OUTPUT else Role.OUTPUT
        roles = {pin.signal: pin.role for pin in connectors()[connector].pins if pin.signal != "GND"}
        assert roles == {signal: here if signal in sends else there for signal in roles}


def test_the_null_modem() -> None:
    assert wired("null-modem") == joins("left", "right", "2-3 3-2 4-6 6-4 7-8 8-7 5-5")


def test_eia_561() -> None:
    assert signals("rj45-eia561") == "1 RI, 2 DCD, 3 DTR, 4 GND, 5 RXD, 6 TXD, 7 CTS, 8 RTS"
    assert wired("eia-561") == joins("port", "pc", "6-2 5-3 2-4 4-5 3-6 7-7 8-8")


def test_eia_561_is_not_ciscos() -> None:
    assert signals("rj45-eia561") != signals("rj45-cisco")
    assert connectors()["rj45-eia561"].scheme != connectors()["rj45-cisco"].scheme


@pytest.mark.parametrize("name", cables())
def test_every_signal_goes_from_what_sends_it_to_what_receives_it(name: str) -> None:
    """RTS to CTS, DTR to DSR or DCD between like equipment; the same name at both ends between unlike."""
    crossed = {"TXD": {"RXD"}, "RTS": {"CTS"}, "DTR": {"DSR", "DCD"}}
    harness = cables()[name]
    for wire in (wire for cable in harness.cables for wire in cable.wires):
        ends = [harness.pin(at) for at in (wire.left, wire.right)]
        roles = {pin.role for pin in ends}
        if roles == {Role.OUTPUT, Role.INPUT}:
            sent, received = sorted(ends, key=lambda pin: pin.role is Role.INPUT)
            assert received.signal == sent.signal or received.signal in crossed[sent.signal], (
                f"{wire.left}={wire.right}"
            )
        else:
            assert roles in ({Role.GROUND}, {Role.SOURCE, Role.SINK}, {Role.BOTH}) or Role.OPEN in roles


def test_every_cable_names_its_source_and_uses_pins_that_there_are() -> None:
    for harness in cables().values():
        assert harness.source
        for cable in harness.cables:
            for wire in cable.wires:
                assert harness.pin(wire.left)
                assert harness.pin(wire.right)
                assert re.fullmatch(r"[A-Z]{2}", wire.color)


def test_a_pin_is_there_once() -> None:
    for connector in connectors().values():
        assert len(connector.by_pin) == len(connector.pins), connector.name


def test_the_letters_of_sources_are_explained() -> None:
    text = Path(load.__file__).with_name("connectors.toml").read_text(encoding="utf-8")
    head, body = text.split("\n\n", 1)
    letters = set(re.findall(r"\[(\w)\]", head))
    assert set(re.findall(r"\[(\w)\]", body)) <= letters


@pytest.mark.parametrize(
    ("volts", "level"),
    [(3.3, Level.LOGIC_3V3), (5.0, Level.LOGIC_5V), (-5.5, Level.RS232), (-12.0, Level.RS232)],
)
def test_the_voltage_at_rest_tells_the_level(volts: float, level: Level) -> None:
    assert level_at_rest(volts) is level
