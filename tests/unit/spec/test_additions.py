"""`[catalog...]` in the cluster file, and the files of a person's own catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.catalog.sections import Catalogue
from pibramble.plan.resolve import resolve
from pibramble.spec.findings import ClusterFileError
from pibramble.spec.load import load, parse

ZERO = '[[workers]]\nname = "zero1"\n'

MINE = """
[catalog.boards.mine]
title = "Another board"
architecture = "arm64"
cores = 4
memory_mb = 512
usb_gadget = true
usb_host_ports = 1
gadget_measured = false
gadget_to_head_mbit = 100
gadget_from_head_mbit = 100.5
uarts = ["pl011"]
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a person's own catalogue."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "pibramble" / "catalog"
    folder.mkdir(parents=True)
    return folder


def wrong(text: str) -> tuple[str, int, int, str]:
    with pytest.raises(ClusterFileError) as caught:
        parse(text, Path("c.toml"))
    [finding] = caught.value.findings
    return finding.rule, finding.where.line, finding.where.column, f"{finding.message}; {finding.cure}"


def test_a_price_in_the_cluster_file_counts() -> None:
    file = parse(f"{ZERO}[catalog.prices.pi-zero]\namount = 5\n", Path("c.toml"))
    assert Catalogue(file.cluster.catalog).prices["pi-zero"].amount == 5.0


def test_a_board_of_ones_own_becomes_a_node() -> None:
    file = parse(f'[[workers]]\nname = "a"\nboard = "mine"\n{MINE}', Path("c.toml"))
    [worker] = resolve(file.cluster).workers
    assert worker.board.title == "Another board"
    assert worker.board.gadget_to_head_mbit == 100.0


@pytest.mark.parametrize(
    ("text", "rule", "place", "said"),
    [
        ("[catalog.price.pi-zero]\namount = 5\n", "unknown-key", (3, 10), 'did you mean "prices"?'),
        ("[catalog.prices.pi-zero]\namuont = 5\n", "unknown-key", (4, 1), 'did you mean "amount"?'),
        ('[catalog.prices.pi-zero]\namount = "5"\n', "wrong-type", (4, 10), "without quotes: 5"),
        ("[catalog.power.pi-zero]\nidle_ma = 1.5\n", "wrong-type", (4, 11), "a whole number is expected here"),
        ("[catalog.power.pi-zero]\nidle_ma = -1\n", "out-of-range", (4, 11), "write 0 to 1,000,000,000"),
        ("[catalog.prices.pi-zero]\namount = nan\n", "out-of-range", (4, 10), "nan is no value of `amount`"),
        ("[catalog.prices.pi-zero]\namount = inf\n", "out-of-range", (4, 10), "inf is no value of `amount`"),
        ("[catalog.bridges.max14830]\nsampling = 0\n", "out-of-range", (4, 12), "write 1 to 64"),
        ("[catalog.bridges.max14830]\nfractional_bits = 99\n", "out-of-range", (4, 19), "write 0 to 16"),
        ("[catalog.hubs.mine]\nports = 4\n", "missing-key", (3, 15), "`title` and `port_ma` are not said"),
        ('[catalog.serial_adapters.ft232r]\nlevel = "3.3V"\n', "wrong-type", (4, 9), 'did you mean "3.3 V"?'),
        ("[catalog]\nprices = 5\n", "wrong-type", (4, 10), "as [catalog.prices.NAME]"),
        ("[catalog.prices]\npi-zero = 5\n", "wrong-type", (4, 11), "[catalog.prices.pi-zero] on a line of its own"),
    ],
)
def test_what_does_not_fit_is_said_at_its_place(text: str, rule: str, place: tuple[int, int], said: str) -> None:
    found = wrong(ZERO + text)
    assert (found[0], found[1:3]) == (rule, place)
    assert said in found[3]


def test_a_broken_board_is_not_called_unknown_as_well() -> None:
    text = '[[workers]]\nname = "a"\nboard = "mine"\n' + MINE.replace("cores = 4", "cores = true")
    assert wrong(text)[0] == "wrong-type"


UART = """
device = "/dev/ttyXR0"
kind = "8250"
max_baud = 115_200
max_baud_flow_control = 115_200
"""
WITH_IT = MINE.replace('"pl011"', '"my-uart"')


def test_a_uart_of_ones_own_is_one_that_a_board_can_have() -> None:
    worker = '[[workers]]\nname = "a"\nboard = "mine"\nlink = "serial"\nhead_port = "/dev/ttyUSB0"\n'
    file = parse(f"{worker}{WITH_IT}[catalog.uarts.my-uart]{UART}", Path("c.toml"))
    [planned] = resolve(file.cluster).workers
    assert planned.link is not None
    assert (planned.link.worker_port, planned.link.baud) == ("/dev/ttyXR0", 115_200)


def test_a_uart_may_be_described_in_ones_own_catalogue(own: Path, tmp_path: Path) -> None:
    (own / "1.toml").write_text(f"[uarts.my-uart]{UART}")
    (own / "2.toml").write_text(WITH_IT.replace("catalog.", "").replace("boards.mine", "boards.other"))
    (tmp_path / "c.toml").write_text(ZERO + WITH_IT)
    found = load(tmp_path / "c.toml").cluster.catalog
    assert [Catalogue(found).boards[name].uarts[0].device for name in ("mine", "other")] == ["/dev/ttyXR0"] * 2


def test_a_uart_that_nobody_describes_is_refused_where_it_is_said(own: Path, tmp_path: Path) -> None:
    rule, line, column, said = wrong(f"{ZERO}{WITH_IT}")
    assert (rule, line, column) == ("unknown-uart", 14, 9)
    assert said.startswith('there is no UART "my-uart"; there are mini, ')
    assert said.endswith("; [catalog.uarts.NAME] describes another")
    (own / "a.toml").write_text(WITH_IT.replace("catalog.", ""))
    (tmp_path / "c.toml").write_text(ZERO)
    with pytest.raises(ClusterFileError) as caught:
        load(tmp_path / "c.toml")
    [finding] = caught.value.findings
    assert (finding.rule, finding.where.path, finding.where.line) == ("unknown-uart", str(own / "a.toml"), 12)


def test_a_file_of_ones_own_catalogue_counts_and_the_cluster_files_word_counts_more(own: Path, tmp_path: Path) -> None:
    (own / "prices.toml").write_text("[prices.pi-zero]\namount = 6\n[prices.pi-1b]\namount = 20\n")
    (tmp_path / "c.toml").write_text(f"{ZERO}[catalog.prices.pi-zero]\namount = 5\n")
    prices = Catalogue(load(tmp_path / "c.toml").cluster.catalog).prices
    assert (prices["pi-zero"].amount, prices["pi-1b"].amount) == (5.0, 20.0)


def test_an_error_in_a_file_of_ones_own_catalogue_is_placed_there(own: Path, tmp_path: Path) -> None:
    (own / "a.toml").write_text("[prices.pi-zero]\namount = true\n")
    (own / "b.toml").write_text("[prices\n")
    (own / "not-ours.txt").write_text("[[[")
    (tmp_path / "c.toml").write_text(ZERO)
    with pytest.raises(ClusterFileError) as caught:
        load(tmp_path / "c.toml")
    places = [(Path(finding.where.path).name, finding.where.line) for finding in caught.value.findings]
    assert places == [("a.toml", 2), ("b.toml", 1)]
