"""The harness of a cluster: what is wired, and what the rules say to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.advise.power import Feeding
from pibramble.advise.wiring.checklist import steps
from pibramble.advise.wiring.harness import harness_of, sheets
from pibramble.advise.wiring.model import Harness
from pibramble.advise.wiring.rules import check
from pibramble.catalog.sections import Catalogue
from pibramble.spec import new
from pibramble.spec.findings import Severity
from pibramble.spec.load import parse

HUB = "[[hubs]]\nbackfeeds = false\n"
PAIR = '[[workers]]\nname = "mate"\nlink = "serial"\nhead_port = "/dev/ttyAMA0"\n'
BRIDGED = '[[workers]]\nname = "m[1-4]"\nlink = "serial"\nhead_port = "/dev/ttyMAX[0-3]"\n[[bridges]]\n'


def harness(text: str) -> Harness:
    cluster = parse(text, Path("c.toml")).cluster
    return harness_of(Feeding(cluster, Catalogue(cluster.catalog)))


def wires(text: str, cable: str) -> set[str]:
    [found] = [known for known in harness(text).cables if known.name == cable]
    return {f"{wire.left}={wire.right}" for wire in found.wires}


def rules(text: str) -> set[str]:
    return {fault.rule for fault in check(harness(text))}


def test_two_headers_are_crossed() -> None:
    expected = {"head-ttyAMA0.6=mate-ttyAMA0.6", "head-ttyAMA0.8=mate-ttyAMA0.10", "head-ttyAMA0.10=mate-ttyAMA0.8"}
    assert wires(PAIR, "serial-mate") == expected
    assert rules(PAIR) == set()


def test_flow_control_takes_two_wires_more() -> None:
    flow = f"{PAIR}flow_control = true\nbaud = 3000000\n"
    found = wires(f'[head]\nboard = "pi-1b-plus"\n{flow}', "serial-mate")
    assert {"head-ttyAMA0.11=mate-ttyAMA0.36", "head-ttyAMA0.36=mate-ttyAMA0.11"} <= found
    assert len(wires(flow, "serial-mate")) == 3  # a Model B's header ends with pin 26
    assert rules(flow) == {"flow-control-unwired"}


def test_a_cable_that_is_too_long_for_its_speed_is_found() -> None:
    [fault] = check(harness(f"{PAIR}cable_m = 1.5\n"))
    assert (fault.rule, fault.severity) == ("baud-length", Severity.WARNING)
    assert "serial-mate is 1.5 m long: at 921,600 baud it reaches 1 m" in fault.message
    assert rules(f"{PAIR}cable_m = 1\n") == set()
    assert rules(f"{PAIR}cable_m = 1.5\nbaud = 460800\n") == set()


def test_a_further_uart_of_a_pi_4_has_its_own_pins() -> None:
    text = '[head]\nboard = "pi-4b"\n' + PAIR.replace("ttyAMA0", "ttyAMA3")
    assert "head-ttyAMA3.7=mate-ttyAMA0.10" in wires(text, "serial-mate")
    assert rules(f"{text}flow_control = true\n") == {"flow-control-unwired"}  # no RTS and CTS are known for it


def test_a_bridge_hangs_on_the_spi_bus() -> None:
    assert wires(BRIDGED, "spi-max14830-1") >= {"head-spi1.17=max14830-1-spi.VCC", "head-spi1.24=max14830-1-spi.CS"}
    assert "max14830-1-ttyMAX2.TX=m3-ttyAMA0.10" in wires(BRIDGED, "serial-m3")
    assert rules(BRIDGED) == set()


def test_a_second_bridge_has_another_chip_select() -> None:
    text = BRIDGED + '[[bridges]]\nmodel = "max3109"\nports = "/dev/ttyMAX[4-5]"\n'
    assert "head-spi2.26=max3109-2-spi.CS" in wires(text, "spi-max3109-2")


def test_two_bridges_share_the_bus_and_the_50_ma_of_the_3_3_v_pins() -> None:
    text = BRIDGED + '[[bridges]]\nmodel = "max3109"\nports = "/dev/ttyMAX[4-5]"\n'
    assert rules(text) == set()
    assert rules(text + "[catalog.bridges.max14830]\ndraw_ma = 40\n") == set()
    [fault] = check(harness(text + "[catalog.bridges.max14830]\ndraw_ma = 41\n"))
    assert fault.rule == "overload"
    assert "take 51 mA, and the 3.3 V pin 17 of head gives 50 in all" in fault.message


def test_an_adapter_is_a_device_of_its_own() -> None:
    assert "adapter-ttyUSB0.TXD=mate-ttyAMA0.10" in wires(PAIR.replace("ttyAMA0", "ttyUSB0"), "serial-mate")


def test_four_zeros_overload_a_model_b_and_hang_well_on_a_hub() -> None:
    four = '[[workers]]\nname = "zero[1-4]"\n'
    assert rules(four) == {"overload"}
    assert rules(four + HUB) == set()
    cables = [cable.name for cable in harness(four + HUB).cables]
    assert cables == ["usb-hub1", "usb-zero1", "usb-zero2", "usb-zero3", "usb-zero4"]


def test_a_hub_that_nobody_has_measured_is_doubtful() -> None:
    faults = check(harness('[[workers]]\nname = "zero1"\n[[hubs]]\n'))
    assert [(fault.rule, fault.severity) for fault in faults] == [("back-power", Severity.WARNING)]
    assert "backfeeds = false" in faults[0].cure


def test_a_hub_that_backfeeds_joins_two_supplies() -> None:
    assert rules('[[workers]]\nname = "zero1"\n[[hubs]]\nbackfeeds = true\n') == {"two-supplies"}


def test_an_a_to_a_cable_joins_two_supplies_until_its_red_wire_is_cut() -> None:
    text = '[head]\nboard = "pi-3b"\n[[workers]]\nname = "plus"\nboard = "pi-1a-plus"\nlink = "usb"\n'
    assert rules(text) == {"two-supplies"}
    assert rules(f'{text}[parts]\ncut_5v = "plus"\n') == set()


def test_a_zero_with_a_supply_of_its_own_is_back_powered() -> None:
    text = '[head]\nboard = "pi-3b"\n[[workers]]\nname = "zero1"\n[[supplies]]\nfeeds = "zero1"\n'
    assert rules(text) == {"back-power"}
    assert rules(f'{text}[parts]\ncut_5v = "zero1"\n') == set()


def test_a_supply_that_is_too_weak_is_overloaded() -> None:
    text = '[[workers]]\nname = "zero[1-9]"\n[[hubs]]\nmodel = "hub-10-powered"\nbackfeeds = false\n'
    supply = '[[supplies]]\nmodel = "supply-5v-2a5"\nfeeds = "hub1"\n'
    assert rules(text + supply) == {"overload"}
    assert rules(text + supply.replace("2a5", "5a-c")) == set()


@pytest.mark.parametrize("template", new.templates())
def test_every_template_has_a_harness(template: str) -> None:
    found = harness(new.render(template))
    assert {cable.sheet for cable in found.cables} == {name for name, _ in sheets(found)}
    assert rules(new.render(template)) <= {"overload", "back-power"}


def test_the_checklist_measures_before_it_joins() -> None:
    found = steps(harness(PAIR))
    said = [step.what for step in found]
    assert "serial-mate: head-ttyAMA0 8 (TXD) to mate-ttyAMA0 10 (RXD)" in said
    [level] = [step for step in found if step.what == "head-ttyAMA0 8 (TXD) at rest"]
    assert level.expect.startswith("2.4 to 3.6 V")
    assert said.index("head-ttyAMA0 8 (TXD) at rest") < said.index(
        "all off; join the grounds first, then the signals, power last"
    )


def test_the_checklist_looks_for_a_hub_that_backfeeds() -> None:
    found = steps(harness('[[workers]]\nname = "zero1"\n[[hubs]]\n'))
    [plug] = [step for step in found if "hub1-plug" in step.what]
    assert plug.expect == "0 V; else the hub feeds the head"
