"""The pinouts that the facts name are the ones in the library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pibramble.advise.wiring.library import cables, connectors, level_at_rest
from pibramble.catalog import load
from pibramble.catalog.parts import Level


def wired(name: str) -> set[tuple[str, str]]:
    return {(str(wire.left), str(wire.right)) for cable in cables()[name].cables for wire in cable.wires}


def test_ciscos_console() -> None:
    pairs = {("1", "8"), ("2", "6"), ("3", "2"), ("4", "5"), ("5", "5"), ("6", "3"), ("7", "4"), ("8", "7")}
    assert wired("cisco-console") == {(f"console.{left}", f"pc.{right}") for left, right in pairs}


def test_the_ipaq() -> None:
    assert wired("ipaq-3600") == {("ipaq.4", "plug.5"), ("ipaq.8", "plug.2"), ("ipaq.7", "plug.3")}
    assert connectors()["ipaq-3600"].by_pin["11"].volts == 3.3  # and it stays open


def test_eia_561_is_not_ciscos() -> None:
    eia, cisco = connectors()["rj45-eia561"], connectors()["rj45-cisco"]
    assert {pin.pin: pin.signal for pin in eia.pins} != {pin.pin: pin.signal for pin in cisco.pins}
    assert eia.scheme != cisco.scheme


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
