"""`pibramble new`, `check` and `schema`, as a person calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pibramble.cli.main import run
from pibramble.errors import Exit
from pibramble.spec.load import load

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIBRAMBLE_FILE", raising=False)
    return tmp_path


def test_new_then_check(folder: Path, capsys: Captured) -> None:
    assert run(["new"]) == Exit.OK
    said = capsys.readouterr()
    assert said.out == "wrote cluster.toml (xmas)\n"
    assert "pibramble check" in said.err
    assert load(folder / "cluster.toml").cluster.cluster.name == "xmas"
    assert run(["check"]) == Exit.OK
    assert capsys.readouterr().out == "cluster.toml: xmas, a head and 5 workers: no errors, 4 warnings\n"


def test_new_never_overwrites(folder: Path, capsys: Captured) -> None:
    (folder / "cluster.toml").write_text("mine")
    assert run(["new"]) == Exit.WRONG
    assert "cluster.toml exists already; it is left as it is" in capsys.readouterr().err
    assert (folder / "cluster.toml").read_text() == "mine"


def test_new_does_not_follow_a_dangling_link(folder: Path) -> None:
    (folder / "cluster.toml").symlink_to("elsewhere")
    assert run(["new"]) == Exit.WRONG
    assert not (folder / "elsewhere").exists()


def test_every_new_cluster_has_an_id_of_its_own(capsys: Captured) -> None:
    printed = []
    for _ in range(2):
        assert run(["new", "zeros", "-o", "-"]) == Exit.OK
        printed.append(capsys.readouterr().out)
    assert printed[0] != printed[1]
    differing = [a for a, b in zip(*(text.splitlines() for text in printed), strict=True) if a != b]
    assert [line.split()[0] for line in differing] == ["id"]


def test_new_writes_the_file_that_is_named(folder: Path, capsys: Captured) -> None:
    assert run(["new", "hubs", "-o", "a.toml"]) == Exit.OK
    assert "pibramble -f a.toml check" in capsys.readouterr().err
    assert run(["-f", "b.toml", "-q", "new", "zero2w"]) == Exit.OK
    assert capsys.readouterr().err == ""
    assert {path.name for path in folder.iterdir()} == {"a.toml", "b.toml"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new", "zer0s"], 'did you mean "zeros"?'),
        (["new", "qqq"], "there are xmas, hubs, serial-pair, zero2w and zeros"),
        (["new", "-o", "no/such.toml"], "there is no folder no"),
        (["new", "-o", "."], "is a folder"),
    ],
)
def test_new_with_wrong_input(arguments: list[str], said: str, capsys: Captured) -> None:
    assert run(arguments) == Exit.WRONG
    assert said in capsys.readouterr().err


def test_new_says_why_a_file_cannot_be_written(capsys: Captured) -> None:
    assert run(["new", "-o", "x" * 300]) == Exit.FAILED
    assert "cannot be written: File name too long" in capsys.readouterr().err


def test_new_lists_its_templates(capsys: Captured) -> None:
    assert run(["new", "--list"]) == Exit.OK
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == ["xmas", "hubs", "serial-pair", "zero2w", "zeros"]
    assert run(["new", "--list", "--json"]) == Exit.OK
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == [line.split()[0] for line in listed]


def test_check_reports_on_standard_error_and_begins_with_the_place(folder: Path, capsys: Captured) -> None:
    (folder / "cluster.toml").write_text('[[workers]]\nname = "zero1"\nboard = "pi-zeroo"\n')
    assert run(["check"]) == Exit.WRONG
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith('cluster.toml:3:9: unknown board "pi-zeroo" [unknown-board]\n')


def test_check_counts_warnings_as_errors_only_when_strict(folder: Path, capsys: Captured) -> None:
    (folder / "cluster.toml").write_text('[[workers]]\nname = "zero1"\nbaud = 115200\n[head]\nboard = "pi-3b"\n')
    assert run(["check"]) == Exit.OK
    said = capsys.readouterr()
    assert said.out == "cluster.toml: bramble, a head and 1 worker: no errors, 1 warning\n"
    first = said.err.splitlines()[0]
    assert first.startswith("cluster.toml:3:1: warning: `baud` has no effect")
    assert first.endswith(" [no-effect]")
    assert run(["check", "--strict"]) == Exit.WRONG
    last = capsys.readouterr().out
    assert last.endswith(": no errors, 1 warning; --strict counts warnings as errors: not passed\n")
    assert run(["check", "--strict", "--json"]) == Exit.WRONG


def test_check_as_json(folder: Path, capsys: Captured) -> None:
    (folder / "cluster.toml").write_text('[[workers]]\nname = "zero1"\nboard = "pi-zeroo"\n')
    assert run(["check", "--json"]) == Exit.WRONG
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "findings": [
            {
                "rule": "unknown-board",
                "severity": "error",
                "path": "cluster.toml",
                "line": 3,
                "column": 9,
                "message": 'unknown board "pi-zeroo"',
                "cure": 'did you mean "pi-zero"?',
            }
        ],
    }
    (folder / "cluster.toml").write_text('[head]\nboard = "pi-3b"\n[[workers]]\nname = "zero1"\n')
    assert run(["check", "--json"]) == Exit.OK
    printed = json.loads(capsys.readouterr().out)
    assert (printed["ok"], printed["findings"]) == (True, [])
    assert printed["power"][0] == {
        "place": "head, all USB ports",
        "feeds": ["zero1"],
        "idle_ma": 100,
        "stress_ma": 230,
        "worst_ma": 350,
        "limit_ma": 1200,
        "unknown": [],
    }


def test_check_shows_every_current(capsys: Captured) -> None:
    assert run(["new", "zero2w"]) == Exit.OK
    assert run(["check", "--power"]) == Exit.OK
    said = capsys.readouterr()
    [hub] = [line.split() for line in said.out.splitlines() if line.startswith("hub1, all ports")]
    assert hub[-4:] == ["480", "2000", "2000", "2000"]
    assert "[back-power]" in said.err


def test_check_says_whose_figures_it_reckons_with(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "cluster.toml").write_text(
        '[head]\nboard = "pi-3b"\n[[workers]]\nname = "zero1"\n[gps]\nport = "/dev/serial/by-id/gps"\n'
    )
    assert run(["check", "--power"]) == Exit.OK
    shown = capsys.readouterr().out
    assert "Reckoned, since the file names no make: /dev/serial/by-id/gps 100 mA (usb-gps)." in shown
    assert "draw_ma under [catalog.receivers.usb-gps]" in shown
    assert run(["check", "--json"]) == Exit.OK
    [reckoned] = json.loads(capsys.readouterr().out)["reckoned"]
    assert reckoned == {"device": "/dev/serial/by-id/gps", "kind": "GPS receiver", "part": "usb-gps", "draw_ma": 100}


def test_schema_is_json(capsys: Captured) -> None:
    assert run(["schema"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["$schema"].endswith("2020-12/schema")


def test_new_does_not_import_what_is_slow() -> None:
    script = (
        "import sys; from pibramble.cli.main import run; run(['new', '-o', '-']); "
        "print([name for name in ('cattrs', 'rich', 'ClusterShell', 'jsonschema') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines()[-1] == "[]"
