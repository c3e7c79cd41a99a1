"""`pibramble cost`, as a person calls it."""

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
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def test_the_bill_has_dates_and_a_currency_and_marks_assumptions(capsys: Captured) -> None:
    run(["-q", "new", "xmas"])
    capsys.readouterr()
    assert run(["cost"]) == Exit.OK
    said = capsys.readouterr().out
    [zero] = [line.split() for line in said.splitlines() if " pi-zero " in line]
    assert (zero[0], zero[-3:]) == ("4", ["10.00", "40.00", "2022-10"])
    assert "12.00*" in said
    assert "187.50 USD in all" in said
    assert "* an assumption" in said


def test_json_holds_the_bill_and_the_ways(capsys: Captured) -> None:
    run(["-q", "new", "xmas"])
    capsys.readouterr()
    assert run(["cost", "--json"]) == Exit.OK
    said = json.loads(capsys.readouterr().out)
    assert (said["currency"], said["bill"]["total"]) == ("USD", 187.5)
    assert said["ways"][0]["way"] == "as in the file"
    assert {line["verified"] for line in said["bill"]["lines"]} == {True, False}


def test_a_budget_needs_no_cluster_file(capsys: Captured) -> None:
    assert run(["cost", "--budget", "200", "--by", "cores", "--json"]) == Exit.OK
    said = json.loads(capsys.readouterr().out)
    assert said["bill"]["total"] <= 200
    assert said["cores"] == 20


def test_the_head_can_be_chosen(capsys: Captured) -> None:
    assert run(["cost", "--budget", "200", "--head", "pi-4b", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["head"] == "pi-4b"


def test_too_little_money_is_told_what_would_do(capsys: Captured) -> None:
    assert run(["cost", "--budget", "60"]) == Exit.FAILED
    said = capsys.readouterr().err
    assert "60.00 USD buys no cluster" in said
    assert "64.00 USD" in said
    assert "with a pc that you have as head, 1 pi-zero by usb costs 21.00 USD" in said
    assert "and 60.00 USD buys 2 pi-zero by usb: --own pc" in said
    assert run(["cost", "--budget", "60", "--own", "pi-1b"]) == Exit.OK


def test_a_head_that_costs_too_much_may_be_one_that_a_person_has(capsys: Captured) -> None:
    assert run(["cost", "--budget", "60", "--head", "pi-4b"]) == Exit.FAILED
    assert "--own pi-4b" in capsys.readouterr().err
    assert run(["cost", "--budget", "60", "--head", "pi-4b", "--own", "pi-4b"]) == Exit.OK
    assert "2 pi-zero by usb, and a pi-4b as head" in capsys.readouterr().out


def test_a_pc_can_be_the_head(capsys: Captured) -> None:
    assert run(["cost", "--budget", "60", "--own", "pc"]) == Exit.OK
    said = capsys.readouterr().out
    assert "2 pi-zero by usb, and a pc as head" in said
    assert "42.00 USD in all" in said
    assert "not counted" not in said
    assert run(["cost", "--budget", "60", "--head", "pc"]) == Exit.OK
    assert "No price known, so not counted: pc" in capsys.readouterr().out


def test_a_row_without_figures_says_which_is_missing(folder: Path, capsys: Captured) -> None:
    (folder / "cluster.toml").write_text('[[workers]]\nname = "b[1-2]"\nboard = "pc"\nlink = "ethernet"\n')
    assert run(["cost"]) == Exit.OK
    said = capsys.readouterr().out
    rows = {line[:20].strip(): line.split()[-6:] for line in said.splitlines() if line.endswith(" -")}
    assert rows["one bigger board"] == rows["USB gadget"] == ["-"] * 6
    assert "USB gadget: no way: a pc cannot be a USB device." in said
    assert "No GFLOPS where the speed of a board is not known: pc." in said
    assert run(["cost", "--json"]) == Exit.OK
    ways = {way["way"]: way for way in json.loads(capsys.readouterr().out)["ways"]}
    assert (ways["one bigger board"]["total"], ways["one bigger board"]["speedless"]) == (None, ["pc"])


def test_ones_own_prices_count_without_a_cluster_file(folder: Path, capsys: Captured) -> None:
    own = folder / "config" / "pibramble" / "catalog"
    own.mkdir(parents=True)
    (own / "prices.toml").write_text("[prices.microsd-8]\namount = 4\n")
    assert run(["cost", "--budget", "60"]) == Exit.OK
    assert "yours" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cost", "--own", "pi-zeroo", "--budget", "9"], 'did you mean "pi-zero"?'),
        (["cost", "--own", "pi-zero=many", "--budget", "9"], '"many" is no number'),
        (["cost", "--link", "usb"], "--link goes with --budget"),
        (["cost", "--budget", "nan"], "nan is no amount of money"),
        (["cost", "--budget", "inf"], "inf is no amount of money"),
        (["cost", "--head", "pi-1b"], "--head goes with --budget"),
        (["cost", "--head", "pi-1bb", "--budget", "99"], 'did you mean "pi-1b"?'),
        (["cost"], "there is no cluster file"),
    ],
)
def test_wrong_input(arguments: list[str], said: str, capsys: Captured) -> None:
    assert run(arguments) == Exit.WRONG
    assert said in capsys.readouterr().err


def test_a_file_that_is_named_and_missing_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIBRAMBLE_FILE", "nowhere.toml")
    assert run(["cost", "--budget", "200"]) == Exit.WRONG


def test_a_broken_cluster_file_is_not_passed_over(folder: Path) -> None:
    (folder / "cluster.toml").write_text("[[workers]\n")
    assert run(["cost", "--budget", "200"]) == Exit.WRONG
