from __future__ import annotations

import re
from pathlib import Path

import pytest

from pibramble.catalog import load
from pibramble.catalog.load import boards
from pibramble.catalog.model import Architecture, Board

NAMES = [
    "pi-1a",
    "pi-1a-plus",
    "pi-1b",
    "pi-1b-plus",
    "pi-zero",
    "pi-zero-w",
    "pi-zero-2w",
    "pi-2b",
    "pi-3a-plus",
    "pi-3b",
    "pi-3b-plus",
    "pi-4b",
    "pi-5",
    "pc",
]


def test_there_are_exactly_the_promised_boards() -> None:
    assert list(boards()) == NAMES


@pytest.mark.parametrize("board", boards().values(), ids=boards())
def test_a_board_is_consistent(board: Board) -> None:
    assert (board.gadget_to_head_mbit is not None) == board.usb_gadget
    assert (board.gadget_from_head_mbit is not None) == board.usb_gadget
    assert board.usb_gadget or not board.gadget_measured
    assert board.uarts, "every board of the catalogue can have a serial link"
    assert board.firmware == (board.name != "pc")
    assert len({uart.device for uart in board.uarts}) == len(board.uarts)
    for uart in board.uarts:
        assert uart.device.startswith("/dev/tty")
        assert 115_200 <= uart.max_baud <= uart.max_baud_flow_control
        assert uart.kind in {"pl011", "mini", "8250", "usb"}


def test_what_runs_on_what() -> None:
    by_architecture = {name: board.architecture for name, board in boards().items()}
    assert {name for name, found in by_architecture.items() if found is Architecture.ARMV6} == {
        "pi-1a",
        "pi-1a-plus",
        "pi-1b",
        "pi-1b-plus",
        "pi-zero",
        "pi-zero-w",
    }
    assert by_architecture["pi-2b"].debian == "armhf"
    assert by_architecture["pi-zero-2w"].word_bits == 64


def test_bluetooth_boards_say_what_frees_their_good_uart() -> None:
    for name in ("pi-zero-w", "pi-zero-2w", "pi-3a-plus", "pi-3b", "pi-3b-plus", "pi-4b"):
        assert boards()[name].uarts[0].needs == "dtoverlay=disable-bt"
    assert not boards()["pi-zero"].uarts[0].needs


def test_what_hangs_on_usb() -> None:
    behind_usb = {name for name, board in boards().items() if board.ethernet_on_usb}
    assert behind_usb == {"pi-1b", "pi-1b-plus", "pi-2b", "pi-3b", "pi-3b-plus"}
    assert all(boards()[name].ethernet_mbit and boards()[name].usb_buses == 1 for name in behind_usb)
    assert [name for name, board in boards().items() if board.usb_buses != 1] == ["pi-5"]


def test_only_one_gadget_figure_counts_as_measured() -> None:
    assert [name for name, board in boards().items() if board.gadget_measured] == ["pi-zero-2w"]


def test_every_figure_names_its_source() -> None:
    """A number without a source letter or a remark beside it is a number that nobody can check."""
    text = Path(load.__file__).with_name("boards.toml").read_text(encoding="utf-8")
    before_the_pc = text[: text.index("[boards.pc]")]
    letters = set(re.findall(r"^# \[([A-Z])\]", text, flags=re.MULTILINE))
    for line in before_the_pc.splitlines():
        if re.match(r"\w+ = \d", line):
            assert "#" in line, line
        assert set(re.findall(r"\[([A-Z])\]", line)) <= letters, line
