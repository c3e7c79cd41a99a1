"""WireViz reads what we write, and draws what is wired. It and Graphviz are the real ones."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped, unused-ignore]  # its stubs are a package of their own

from pibramble.advise.wiring.library import cables
from pibramble.advise.wiring.wireviz import document, to_yaml
from pibramble.cli.main import run
from pibramble.errors import Exit

REPO = Path(__file__).parents[4]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIBRAMBLE_FILE", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", cables())
def test_the_yaml_says_what_we_mean(name: str) -> None:
    meant = document(cables()[name])
    assert yaml.safe_load(to_yaml(meant)) == json.loads(json.dumps(meant))


def test_words_that_yaml_takes_for_something_else_are_quoted() -> None:
    table = {"on": 1, "y": "no", "null": {"1": [1, "2"]}, "+": "#", "a b": [[{"x": [1]}, {"y": ["z: 1"]}]]}
    assert yaml.safe_load(to_yaml(table)) == table


def test_drawings_of_a_cluster(folder: Path, capsys: Captured) -> None:
    (folder / "cluster.toml").write_text(
        '[[workers]]\nname = "m[1-2]"\nlink = "serial"\nhead_port = "/dev/ttyMAX[0-1]"\n[[bridges]]\n'
    )
    assert run(["-q", "wiring", "--draw", "out"]) == Exit.OK
    made = sorted(path.name for path in (folder / "out").iterdir())
    assert made == ["serial.html", "serial.png", "serial.svg", "serial.yml"]
    assert capsys.readouterr().out.splitlines() == [f"out/serial.{e}" for e in ("yml", "html", "png", "svg")]
    assert {"max14830-1", "m1-ttyAMA0", "m2-ttyAMA0", "TXD"} <= words(folder / "out" / "serial.svg")
    assert (folder / "out" / "serial.png").read_bytes().startswith(b"\x89PNG")
    assert "Bill of Materials" in (folder / "out" / "serial.html").read_text(encoding="utf-8")


def words(svg: Path) -> set[str]:
    return {html.unescape(word) for word in re.findall(r"<text[^>]*>([^<]+)</text>", svg.read_text(encoding="utf-8"))}


@pytest.mark.parametrize(
    ("image", "arguments", "made"),
    [
        ("cisco-console", ["wiring", "--cable", "cisco-console"], "cisco-console"),
        ("pi-max3232-db9", ["wiring", "--cable", "pi-max3232-db9"], "pi-max3232-db9"),
        ("original", ["-f", str(REPO / "examples" / "original.toml"), "wiring"], "usb-hub1"),
    ],
)
def test_the_pictures_in_the_docs_are_what_is_drawn(image: str, arguments: list[str], made: str, folder: Path) -> None:
    assert run(["-q", *arguments, "--draw", "out"]) == Exit.OK
    assert words(folder / "out" / f"{made}.svg") == words(REPO / "docs" / "images" / f"{image}.svg")


def test_a_module_between_two_cables_is_one_box() -> None:
    drawn = document(cables()["pi-max3232-db9"])
    assert set(drawn["connectors"]) == {"pi", "max3232", "modem"}
    assert len({str(pin) for pin in drawn["connectors"]["max3232"]["pins"]}) == 7


def test_without_wireviz_it_says_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, folder: Path
) -> None:
    monkeypatch.setattr("sys.executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(folder))
    assert run(["wiring", "--cable", "null-modem", "--draw", "out"]) == Exit.MISSING
    assert "pip install 'pibramble[wiring]'" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_a_drawing_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    broken = folder / "bin"
    broken.mkdir()
    for name in ("wireviz", "dot"):
        (broken / name).write_text("#!/bin/sh\nexit 1\n")
        (broken / name).chmod(0o755)
    monkeypatch.setattr("sys.executable", str(broken / "python"))
    assert run(["-q", "wiring", "--cable", "null-modem", "--draw", "out"]) == Exit.FAILED
    assert list((folder / "out").iterdir()) == []
