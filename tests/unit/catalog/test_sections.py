"""Every data file of the catalogue fits its types, and every figure says where it comes from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pibramble.catalog import load, sections
from pibramble.catalog.model import Additions
from pibramble.catalog.sections import FILES, Catalogue
from pibramble.spec.structure import structure_additions

CATALOGUE = Catalogue()
FOLDER = Path(load.__file__).parent


@pytest.mark.parametrize("section", FILES)
def test_a_section_can_be_read(section: str) -> None:
    cls, _ = FILES[section]
    if section not in {"boards", "uarts"}:
        assert all(isinstance(part, cls) for part in CATALOGUE.section(section).values())


@pytest.mark.parametrize("file", sorted({file for _, file in FILES.values()}))
def test_the_data_files_keep_the_types_that_a_person_must_keep(file: str) -> None:
    _, findings = structure_additions(dict(load.raw(file)))
    assert findings == []


def test_every_board_has_its_power_and_its_price() -> None:
    assert list(CATALOGUE.power) == list(CATALOGUE.boards)
    assert set(CATALOGUE.boards) - set(CATALOGUE.prices) == {"pc"}


def test_a_price_is_of_something_that_there_is() -> None:
    parts = {
        name
        for section in FILES
        if section not in {"prices", "power", "speeds"}
        for name in load.raw(FILES[section][1])[section]
    }
    assert set(CATALOGUE.prices) <= parts


def test_a_price_names_its_month_and_its_source_and_an_assumption_is_marked_as_one() -> None:
    for name, price in CATALOGUE.prices.items():
        assert re.fullmatch(r"20\d\d-\d\d", price.date), name
        assert price.source, name
        assert not price.source.startswith("assumption") or not price.verified, name


def test_a_board_draws_more_the_more_it_has_to_do() -> None:
    for name, power in CATALOGUE.power.items():
        known = [figure for figure in (power.idle_ma, power.stress_ma, power.max_ma) if figure is not None]
        assert known == sorted(known), name


def test_the_model_b_gives_a_hundred_milliamperes_a_port() -> None:
    power = CATALOGUE.power["pi-1b"]
    assert (power.usb_port_ma, power.usb_total_ma) == (100, 500)


@pytest.mark.parametrize("file", ["power.toml", "parts.toml"])
def test_every_figure_names_its_source(file: str) -> None:
    text = (FOLDER / file).read_text(encoding="utf-8")
    letters = set(re.findall(r"^# \[(\w)\]", text, flags=re.MULTILINE))
    countable = {"ports", "mbit", "capacity_gb"}  # of a part that is described by them: a hub of four ports
    for line in text.splitlines():
        if (match := re.match(r"(\w+) = \d", line)) and match[1] not in countable | {"fifo_bytes"}:
            assert "#" in line or (file == "parts.toml" and match[1] == "max_baud"), line
        assert set(re.findall(r"\[(\w)\]", line)) <= letters, line


def test_what_a_person_says_counts_and_the_rest_stays() -> None:
    catalogue = Catalogue(Additions({"power": {"pi-zero": {"stress_ma": 300}}}))
    assert catalogue.power["pi-zero"].stress_ma == 300
    assert catalogue.power["pi-zero"].idle_ma == CATALOGUE.power["pi-zero"].idle_ma


def test_another_price_does_not_keep_the_date_and_source_of_the_first() -> None:
    price = Catalogue(Additions({"prices": {"pi-zero": {"amount": 7.5}}})).prices["pi-zero"]
    assert (price.amount, price.currency, price.date, price.source) == (7.5, "USD", "", "")


def test_a_board_of_ones_own_has_the_catalogues_uarts() -> None:
    said = {
        "title": "Another board", "architecture": "arm64", "cores": 4, "memory_mb": 512, "usb_gadget": True,
        "usb_host_ports": 1, "gadget_measured": False, "uarts": ("pl011",),
    }  # fmt: skip
    board = load.boards(Additions({"boards": {"mine": said}}))["mine"]
    assert board.uarts == load.boards()["pi-zero"].uarts
    assert [*load.boards(), "mine"] == list(load.boards(Additions({"boards": {"mine": said}})))


def test_the_files_beside_the_boards_are_read_only_when_asked_for() -> None:
    load.raw.cache_clear()
    sections.Catalogue().power["pi-zero"]
    assert load.raw.cache_info().currsize == 1
