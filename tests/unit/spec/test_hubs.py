"""Hubs, supplies, bridges and parts in the cluster file: what is wrong is said, what is left out is filled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.catalog.sections import Catalogue
from pibramble.spec.findings import ClusterFileError
from pibramble.spec.hubs import place_hubs
from pibramble.spec.load import parse

FOUR = '[[workers]]\nname = "zero[1-4]"\n[[workers]]\nname = "mate"\nlink = "serial"\nhead_port = "/dev/ttyAMA0"\n'


@pytest.mark.parametrize(
    ("text", "rule", "said"),
    [
        ('[[hubs]]\nmodel = "hub-7-powred"\n', "unknown-part", 'did you mean "hub-7-powered"?'),
        ('[[supplies]]\nmodel = "nuclear"\nfeeds = "head"\n', "unknown-part", "the catalogue has supply-5v-2a5"),
        ('[[bridges]]\nmodel = "max1483"\n', "unknown-part", 'did you mean "max14830"?'),
        ('[parts]\ncard = "floppy"\n', "unknown-part", "microsd-8"),
        ('[parts]\ncord = "string"\n', "unknown-part", "among its cords"),
        ('[[hubs]]\nname = "zero1"\n', "duplicate-name", "given twice"),
        ('[[hubs]]\nname = "a hub"\n', "hub-name", "letters, digits and hyphens"),
        ('[[hubs]]\nport = "hub9"\n', "hub-port", 'there is no hub "hub9"'),
        ('[[hubs]]\nport = "hub1"\n', "hub-port", "leads to itself"),
        ('[[hubs]]\nworkers = "zero9"\n', "unknown-node", 'there is no worker "zero9"'),
        ('[[hubs]]\nworkers = "mate"\n', "hub-workers", "do not come through a hub"),
        ('[[hubs]]\nworkers = "zero[1-"\n', "bad-range", "a bracket is not closed"),
        ('[[hubs]]\nworkers = "zero1"\n[[hubs]]\nworkers = "zero[1-2]"\n', "hub-workers", "zero1 is on hub1 too"),
        ('[[hubs]]\ndevices = "eth1"\n', "hub-devices", 'no adapter or receiver "eth1" in a USB port'),
        ('[[hubs]]\ndevices = "/dev/ttyUSB[0-"\n', "bad-range", "a bracket is not closed"),
        (
            '[gps]\nport = "/dev/serial/by-id/gps"\n' + 2 * '[[hubs]]\ndevices = "/dev/serial/by-id/gps"\n',
            "hub-devices",
            "/dev/serial/by-id/gps is on hub1 too",
        ),
        ('[parts]\ncut_5v = "mate"\n', "cut-cable", "mate has no USB cable"),
        ('[parts]\ncut_5v = "zero7"\n', "unknown-node", 'no worker "zero7"'),
        ("[[supplies]]\n", "feeds", "feeds nothing"),
        ('[[supplies]]\nfeeds = "heda"\n', "unknown-node", 'did you mean "head"?'),
        ('[[supplies]]\nfeeds = "mate"\n[[supplies]]\nfeeds = "mate"\n', "two-supplies", "pushes current"),
        ('[[bridges]]\nports = "/dev/ttyMAX[0-4]"\n', "bridge-ports", "5 ports, and a max14830 has 4"),
        ("[[bridges]]\n[[bridges]]\n", "bridge-ports", "another bridge's"),
        ("[hubs]\n", "wrong-type", "with double brackets: [[hubs]]"),
    ],
)
def test_what_is_wrong_is_said(text: str, rule: str, said: str) -> None:
    with pytest.raises(ClusterFileError) as caught:
        parse(FOUR + text, Path("c.toml"))
    assert {finding.rule for finding in caught.value.findings} == {rule}
    assert said in str(caught.value)


def test_six_hubs_in_a_row_are_one_too_many() -> None:
    chain = "".join(f'[[hubs]]\nport = "hub{number}"\n' for number in range(1, 6))
    with pytest.raises(ClusterFileError, match="6 hubs in a row: USB allows 5"):
        parse(f"{FOUR}[[hubs]]\n{chain}", Path("c.toml"))


def test_a_hub_that_names_no_workers_takes_those_that_are_left_as_far_as_its_ports_go() -> None:
    text = '[[hubs]]\nmodel = "hub-4"\n[[hubs]]\nport = "hub1"\n[[hubs]]\nname = "last"\nworkers = "zero2"\n'
    cluster = parse('[[workers]]\nname = "zero[1-6]"\n' + text, Path("c.toml")).cluster
    names = [f"zero{number}" for number in range(1, 7)]
    first, second, third = place_hubs(cluster, names, Catalogue().hubs)
    assert (first.name, first.workers, first.hubs) == ("hub1", ("zero1", "zero3", "zero4"), ("hub2",))
    assert (second.port, second.workers) == ("hub1", ("zero5", "zero6"))
    assert (third.name, third.workers, third.plugs) == ("last", ("zero2",), 1)


def test_a_device_on_a_hub_leaves_the_less_room_for_workers() -> None:
    text = '[[workers]]\nname = "zero[1-4]"\n[gps]\nport = "/dev/serial/by-id/gps"\n'
    text += '[[hubs]]\nmodel = "hub-4"\ndevices = "/dev/serial/by-id/gps"\n'
    cluster = parse(text, Path("c.toml")).cluster
    [hub] = place_hubs(cluster, [f"zero{number}" for number in range(1, 5)], Catalogue().hubs)
    assert (hub.workers, hub.devices, hub.plugs) == (("zero1", "zero2", "zero3"), ("/dev/serial/by-id/gps",), 4)


def test_what_was_measured_on_the_table_beats_the_catalogue() -> None:
    cluster = parse(f"{FOUR}[[hubs]]\nbackfeeds = false\n", Path("c.toml")).cluster
    [hub] = place_hubs(cluster, ["zero1"], Catalogue().hubs)
    assert hub.backfeeds is False
    assert hub.hub.backfeeds is None
