"""The bill of a cluster, and the other ways to as many nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.advise.bill import Share
from pibramble.advise.build import Shop
from pibramble.advise.cost import alternatives, as_planned, bill_of
from pibramble.advise.power import Feeding
from pibramble.catalog.sections import Catalogue
from pibramble.errors import PibrambleError
from pibramble.spec import new
from pibramble.spec.load import parse

FOUR = '[[workers]]\nname = "zero[1-4]"\n'


def opened(text: str, **owned: int) -> tuple[Feeding, Shop]:
    cluster = parse(text, Path("c.toml")).cluster
    catalogue = Catalogue(cluster.catalog)
    return Feeding(cluster, catalogue), Shop(catalogue, cluster.parts, owned)


def counts(text: str) -> dict[str, int]:
    return {line.part: line.count for line in bill_of(*opened(text)).lines}


def test_a_bill_holds_what_a_cluster_cannot_do_without() -> None:
    assert counts(FOUR) == {
        "pi-1b": 1,
        "pi-zero": 4,
        "microsd-8": 5,
        "supply-5v-2a5": 1,
        "usb-a-to-micro-b": 4,
        "hub-4-powered": 1,
    }


def test_what_the_file_names_is_taken_as_it_is() -> None:
    text = FOUR + '[[hubs]]\nmodel = "hub-10-powered"\n[[supplies]]\nmodel = "supply-usb-6x2a4"\nfeeds = "head,hub1"\n'
    found = counts(text)
    assert found["hub-10-powered"] == 1
    assert found["supply-usb-6x2a4"] == 1
    assert not {"hub-4-powered", "supply-5v-2a5"} & set(found)


def test_two_zeros_on_a_pi_4_need_no_hub() -> None:
    text = '[head]\nboard = "pi-4b"\n[[workers]]\nname = "zero[1-2]"\n'
    assert not any(part.startswith("hub") for part in counts(text))
    assert counts(text.replace("1-2", "1-4"))["hub-4-powered"] == 1  # 1400 mA at worst, of 1200


def test_serial_workers_need_wires_adapters_and_supplies() -> None:
    text = '[[workers]]\nname = "m[1-2]"\nlink = "serial"\nhead_port = "/dev/ttyAMA0,/dev/ttyUSB0"\n'
    found = counts(text)
    assert (found["jumper-wires"], found["usb-uart-3v3"], found["supply-5v-2a5"]) == (2, 1, 3)


def test_bridges_are_on_the_bill() -> None:
    text = '[[workers]]\nname = "m[1-4]"\nlink = "serial"\nhead_port = "/dev/ttyMAX[0-3]"\n[[bridges]]\n'
    assert counts(text)["max14830"] == 1
    assert "usb-uart-3v3" not in counts(text)


def test_ethernet_workers_share_a_switch() -> None:
    text = '[[workers]]\nname = "b[1-4]"\nboard = "pi-1b-plus"\nlink = "ethernet"\n'
    found = counts(text)
    assert (found["switch-5-100"], found["patch-cable"], found["usb-ethernet-100"]) == (1, 5, 1)


def test_the_sum_is_that_of_its_shares() -> None:
    bill = bill_of(*opened(new.render("xmas")))
    assert bill.cents == sum(bill.of(share) for share in Share) == 18_750
    assert bill.currency == "USD"
    assert "hub-4-powered" in bill.assumed
    assert "pi-zero" not in bill.assumed


def test_what_one_has_costs_nothing_but_a_node_costs_the_same() -> None:
    plain, mine = (opened(FOUR, **owned) for owned in ({}, {"pi-1b": 1}))
    assert bill_of(*plain).cents - bill_of(*mine).cents == 3500
    assert as_planned(*plain).node_cents == as_planned(*mine).node_cents


def test_no_way_is_cheaper_than_the_gadget() -> None:
    feeding, shop = opened(FOUR)
    ways = {way.name: way for way in alternatives(feeding, shop)}
    assert list(ways) == ["USB gadget", "serial, PPP", "USB Ethernet adapter and switch", "one pi-4b"]
    gadget, adapter = ways["USB gadget"], ways["USB Ethernet adapter and switch"]
    assert gadget.bill
    assert gadget.bill.cents == bill_of(feeding, shop).cents
    assert gadget.joining_cents * 3 < adapter.joining_cents  # the original's claim: about 5 against about 15 a node
    assert ways["one pi-4b"].gflops == 11.9


def test_a_board_that_cannot_keeps_its_wire() -> None:
    text = FOUR + '[[workers]]\nname = "b"\nboard = "pi-1b"\nlink = "ethernet"\n'
    [gadget] = [way for way in alternatives(*opened(text)) if way.name == "USB gadget"]
    assert gadget.note == "1 cannot, and stay as they are"


def test_a_speed_that_nobody_knows_is_not_made_up_but_named() -> None:
    text = '[[workers]]\nname = "b[1-2]"\nboard = "pc"\nlink = "ethernet"\n'
    planned = as_planned(*opened(text))
    assert (planned.gflops, planned.speedless) == (None, ("pc",))
    bigger = alternatives(*opened(text))[-1]
    assert (bigger.name, bigger.bill, bigger.speedless) == ("one bigger board", None, ("pc",))


def test_a_board_that_is_fast_enough_and_not_there_is_said_so() -> None:
    text = '[[workers]]\nname = "b[1-99]"\nboard = "pi-5"\nlink = "ethernet"\n'
    bigger = alternatives(*opened(text))[-1]
    assert (bigger.bill, bigger.note) == (None, "none in the catalogue does 2.99e+03 GFLOPS")


def test_a_way_that_no_board_can_take_keeps_its_row() -> None:
    text = '[[workers]]\nname = "b[1-2]"\nboard = "pi-1b"\nlink = "ethernet"\n'
    gadget = alternatives(*opened(text))[0]
    assert (gadget.name, gadget.bill) == ("USB gadget", None)
    assert gadget.note == "no way: a pi-1b cannot be a USB device"


RECEIVER = '[gps]\nport = "/dev/serial/by-id/usb-gps"\n'
SWITCHES = '[[consoles]]\nname = "sw1"\nport = "/dev/ttyUSB0"\n[[consoles]]\nname = "sw2"\nport = "/dev/ttyUSB1"\n'


def test_receivers_and_the_consoles_adapters_are_on_the_bill_and_in_a_port() -> None:
    two = '[head]\nboard = "pi-4b"\n[[workers]]\nname = "zero[1-2]"\n'
    found = counts(two + RECEIVER + SWITCHES)
    assert (found["usb-gps"], found["usb-rs232"]) == (1, 2)
    assert found["hub-7-powered"] == 1  # five plugs, and a Pi 4 has four ports
    assert "hub-7-powered" not in counts(two + RECEIVER)


def test_a_receiver_and_a_console_on_the_header_need_a_module_and_a_level_shifter() -> None:
    console = '[[consoles]]\nname = "sw1"\nport = "/dev/ttyAMA3"\n'
    found = counts('[head]\nboard = "pi-4b"\n' + FOUR + '[gps]\nport = "/dev/ttyAMA0"\n' + console)
    assert (found["gps-module"], found["max3232"], found["jumper-wires"]) == (1, 1, 1)
    board = console.replace("\nport", '\nprofile = "raspberry-pi"\nport')
    assert "max3232" not in counts('[head]\nboard = "pi-4b"\n' + FOUR + board)


def test_a_receiver_is_no_node_s_share() -> None:
    two = '[head]\nboard = "pi-4b"\n[[workers]]\nname = "zero[1-2]"\n'
    plain, timed = (opened(text) for text in (two, two + RECEIVER))
    assert as_planned(*plain).node_cents == as_planned(*timed).node_cents
    assert bill_of(*timed).of(Share.BESIDE) == bill_of(*timed).cents - bill_of(*plain).cents > 0
    assert all(way.bill and way.bill.of(Share.BESIDE) for way in alternatives(*timed)[:3])  # like is held against like


def test_a_board_that_no_port_can_feed_has_a_supply_of_its_own() -> None:
    text = '[head]\nboard = "pi-4b"\n[[workers]]\nname = "five"\nboard = "pi-5"\nlink = "usb"\n'
    assert counts(text)["supply-5v-5a-c"] == 1
    assert counts(text.replace("pi-5", "pi-zero")).get("supply-5v-2a5") is None
    cut = text.replace("pi-5", "pi-zero") + '[parts]\ncut_5v = "five"\n'
    assert counts(cut)["supply-5v-2a5"] == 1  # and what nothing feeds any more


def test_a_zero_as_head_has_its_uplink_by_an_adapter_in_an_otg_adapter() -> None:
    text = '[head]\nboard = "pi-zero"\n[[workers]]\nname = "z"\n'
    found = counts(text)
    assert (found["usb-ethernet-100"], found["otg-micro-b-to-a"], found["hub-4-powered"]) == (1, 1, 1)
    by_air = counts(text.replace("pi-zero", 'pi-zero-w"\nuplink = "wlan0'))
    assert by_air["otg-micro-b-to-a"] == 1  # for the worker's cable
    assert not {"usb-ethernet-100", "hub-4-powered"} & set(by_air)


def test_prices_in_two_currencies_cannot_be_added() -> None:
    text = FOUR + '[catalog.prices.pi-zero]\namount = 9\ncurrency = "EUR"\n'
    with pytest.raises(PibrambleError, match="prices in EUR and USD cannot be added up"):
        _ = bill_of(*opened(text)).currency


def test_a_part_without_a_price_is_named() -> None:
    text = '[head]\nboard = "pc"\nuplink = "enp3s0"\n' + FOUR
    assert bill_of(*opened(text)).unpriced == ("pc",)
    assert bill_of(*opened(text, pc=1)).unpriced == ()  # what one has needs none
    assert counts(text)["microsd-8"] == 4  # a PC has a disk
