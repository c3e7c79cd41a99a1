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
    assert run(["cost", "--budget", "60", "--own", "pi-1b"]) == Exit.OK


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
