"""A pin of the head's header carries one signal of one device: what cannot be wired is refused, with what can."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.catalog import header
from pibramble.cli.main import run
from pibramble.errors import Exit
from pibramble.spec.findings import ClusterFileError
from pibramble.spec.load import parse

LINES = '[[workers]]\nname = "m[1-{0}]"\nlink = "serial"\nhead_port = "/dev/ttyMAX[0-{1}]"\nbaud = 115200\n'
THREE = LINES.format(12, 11) + "".join(
    f'[[bridges]]\nports = "/dev/ttyMAX[{first}-{first + 3}]"\n' for first in (0, 4, 8)
)
ONE = '[head]\nboard = "{board}"\n[[workers]]\nname = "a"\nlink = "serial"\nhead_port = "{port}"\n{more}'
BRIDGE = '[[bridges]]\nports = "/dev/ttyMAX[0-3]"\n'


def refused(text: str) -> str:
    with pytest.raises(ClusterFileError) as caught:
        parse(text, Path("c.toml"))
    [finding] = caught.value.findings
    return f"[{finding.rule}] {finding.message}\n{finding.cure}"


def test_a_header_has_two_chip_selects() -> None:
    found = refused(THREE)
    assert found.startswith("[bridge-pins] 3 bridges, and the head's header has 2 chip selects (pins 24 and 26)")
    assert "take m[9-12] off them" in found
    assert 'head_port = "/dev/ttyUSB[0-3]"' in found


def test_what_is_advised_is_taken() -> None:
    cured = LINES.format(8, 7) + '[[workers]]\nname = "m[9-12]"\nlink = "serial"\nhead_port = "/dev/ttyUSB[0-3]"\n'
    cured += BRIDGE + '[[bridges]]\nports = "/dev/ttyMAX[4-7]"\n'
    assert parse(cured, Path("c.toml")).findings == ()
    small = "".join(f'[[bridges]]\nmodel = "max3109"\nports = "/dev/ttyMAX[{n}-{n + 1}]"\n' for n in (0, 2, 4))
    assert "2 bridges are enough for m[1-6]: a max14830 has 4 ports" in refused(LINES.format(6, 5) + small)
    assert parse(LINES.format(6, 5) + BRIDGE + '[[bridges]]\nports = "/dev/ttyMAX[4-7]"\n', Path("c.toml"))


@pytest.mark.parametrize("way", [[], ["--draw", "drawings"], ["--yaml"], ["--checklist"]])
def test_what_cannot_be_wired_is_not_drawn(
    way: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIBRAMBLE_FILE", raising=False)
    (tmp_path / "cluster.toml").write_text(THREE, encoding="utf-8")
    assert run(["wiring", *way]) == run(["check"]) == Exit.WRONG
    said = capsys.readouterr()
    assert said.out == ""
    assert "2 chip selects" in said.err
    assert not (tmp_path / "drawings").exists()


def test_a_uart_on_the_pins_of_the_bus_is_refused() -> None:
    found = refused(ONE.format(board="pi-4b", port="/dev/ttyAMA4", more=BRIDGE))
    assert "pin 24 of the head carries CS of bridge 1 (max14830)" in found
    assert "is to carry TXD of /dev/ttyAMA4 (the link to a)" in found
    assert "/dev/ttyAMA0 is free (pins 8 and 10)" in found
    assert not parse(ONE.format(board="pi-4b", port="/dev/ttyAMA0", more=BRIDGE), Path("c.toml")).findings
    assert not parse(ONE.format(board="pi-4b", port="/dev/ttyAMA4", more=""), Path("c.toml")).findings


@pytest.mark.parametrize("section", ['[gps]\nport = "{0}"\n', '[[consoles]]\nname = "sw1"\nport = "{0}"\n'])
def test_the_receivers_and_the_consoles_pins_count_too(section: str) -> None:
    text = ONE.format(board="pi-4b", port="/dev/ttyAMA0", more=BRIDGE + section)
    assert "[pin-twice] pin 24 of the head carries CS of bridge 1" in refused(text.format("/dev/ttyAMA4"))
    assert not parse(text.format("/dev/ttyAMA3"), Path("c.toml")).findings


def test_rts_and_cts_take_pins() -> None:
    own = "[catalog.uarts.pl011-3]\npins = [36, 38]\n"
    text = ONE.format(board="pi-4b", port="/dev/ttyAMA0", more="flow_control = true\n")
    other = '[[workers]]\nname = "b"\nlink = "serial"\nhead_port = "/dev/ttyAMA3"\n'
    assert "pin 36 of the head carries CTS of /dev/ttyAMA0 (the link to a)" in refused(text + other + own)
    assert not parse((text + other + own).replace("flow_control = true\n", ""), Path("c.toml")).findings


def test_a_pc_has_no_header_for_a_bridge() -> None:
    text = LINES.format(4, 3) + BRIDGE
    assert "a pc has no header for a bridge" in refused(f'[head]\nboard = "pc"\n{text}')


def test_bridges_share_the_bus_and_nothing_else() -> None:
    first, second = (header.of_bridge(number) for number in range(2))
    assert {first[pin] for pin in set(first) & set(second)} == {"MOSI", "MISO", "SCLK"}
    assert {pin: what for pin, what in first.items() if what in {"CS", "IRQ"}} == {22: "IRQ", 24: "CS"}
    assert {pin: what for pin, what in second.items() if what in {"CS", "IRQ"}} == {18: "IRQ", 26: "CS"}
