"""`pibramble wiring`, as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pibramble.cli.main import run
from pibramble.errors import Exit

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIBRAMBLE_FILE", raising=False)
    (tmp_path / "cluster.toml").write_text('[[workers]]\nname = "mate"\nlink = "serial"\nhead_port = "/dev/ttyAMA0"\n')
    return tmp_path


def test_the_wires_of_the_cluster(capsys: Captured) -> None:
    assert run(["wiring"]) == Exit.OK
    said = capsys.readouterr().out
    assert "head-ttyAMA0 8 TXD" in said
    assert "bramble: 19 rules kept" in said


def test_what_is_wrong_ends_with_an_exit_code(folder: Path, capsys: Captured) -> None:
    (folder / "cluster.toml").write_text('[[workers]]\nname = "zero1"\n')
    assert run(["wiring", "--check"]) == Exit.WRONG
    said = capsys.readouterr().out
    assert "takes 350 mA, and head-usb1 pin 1 (VBUS) gives 100 [overload]" in said
    assert said.endswith("bramble: do not plug in yet\n")


def test_json(capsys: Captured) -> None:
    assert run(["wiring", "--cable", "ipaq-3600", "--json"]) == Exit.WRONG
    said = json.loads(capsys.readouterr().out)
    assert {"cable": "ipaq-3600", "from": "ipaq.7", "to": "plug.3", "color": "RD"} in said["wires"]
    assert {fault["rule"] for fault in said["faults"]} == {"level-unknown"}
    assert run(["wiring", "--cable", "ipaq-3600", "--json", "--measured", "ipaq.7=-5.5"]) == Exit.OK


def test_the_library_needs_no_cluster_file(folder: Path, capsys: Captured) -> None:
    (folder / "cluster.toml").unlink()
    assert run(["wiring", "--list"]) == Exit.OK
    assert "cisco-console" in capsys.readouterr().out
    assert run(["wiring", "--list", "--json"]) == Exit.OK
    assert len(json.loads(capsys.readouterr().out)) == 9
    assert run(["wiring", "--cable", "null-modem"]) == Exit.OK


def test_the_checklist(capsys: Captured) -> None:
    assert run(["wiring", "--checklist"]) == Exit.OK
    said = capsys.readouterr().out
    assert "[ ]  1. serial-mate: head-ttyAMA0 6 (GND) to mate-ttyAMA0 6 (GND)  -> beeps" in said
    assert run(["wiring", "--checklist", "--json"]) == Exit.OK


def test_ethernet_alone_has_no_harness(folder: Path, capsys: Captured) -> None:
    (folder / "cluster.toml").write_text('[[workers]]\nname = "b"\nboard = "pi-1b-plus"\nlink = "ethernet"\n')
    assert run(["wiring"]) == Exit.OK
    assert capsys.readouterr().out == "bramble: nothing to wire but Ethernet cables\n"


def test_a_folder_that_is_a_file_is_told(capsys: Captured) -> None:
    assert run(["-q", "wiring", "--draw", "cluster.toml"]) == Exit.FAILED
    assert "cluster.toml cannot be written" in capsys.readouterr().err


def test_yaml(capsys: Captured) -> None:
    assert run(["wiring", "--yaml"]) == Exit.OK
    assert "  serial-mate:\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cable", "cisco-consol"], 'did you mean "cisco-console"?'),
        (["--cable", "ipaq-3600", "--measured", "ipaq.99=3"], 'no pin "ipaq.99"'),
        (["--cable", "ipaq-3600", "--measured", "ipaq.7=x"], '"ipaq.7=x" is no measurement'),
        (["--cable", "ipaq-3600", "--measured", "ipaq.7=1.2"], "no level of a serial line"),
    ],
)
def test_wrong_input(arguments: list[str], said: str, capsys: Captured) -> None:
    assert run(["wiring", *arguments]) == Exit.WRONG
    assert said in capsys.readouterr().err
