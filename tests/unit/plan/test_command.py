"""`pibramble plan`, as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pibramble.cli.plan import _tables
from pibramble.plan.describe import describe
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster

CLUSTER = """\
[cluster]
name = "xmas"

[[workers]]
name = "zero[1-2]"
board = "pi-zero"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.toml"
    path.write_text(CLUSTER)
    return path


def pibramble(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pibramble", "-f", str(file), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_a_pipe_gets_plain_lines_with_every_node(file: Path) -> None:
    done = pibramble(file, "plan")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if "pi-zero" in line] == ["zero1", "zero2"]
    assert "* an estimate" in done.stdout


def test_json_has_the_whole_plan_and_nothing_else(file: Path) -> None:
    done = pibramble(file, "plan", "--json")
    plan = json.loads(done.stdout)
    assert [worker["name"] for worker in plan["workers"]] == ["zero1", "zero2"]
    assert plan["workers"][0]["link"]["kind"] == "usb"
    assert plan["head"]["address"] == "192.168.7.1"


def test_planning_makes_no_keys_and_no_folder(file: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PIBRAMBLE_STATE": str(tmp_path / "state")}
    argv = [sys.executable, "-m", "pibramble", "-f", str(file), "plan"]
    subprocess.run(argv, env=environment, capture_output=True, timeout=60, check=True)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(("columns", "tables"), [(80, 2), (200, 1)])
def test_a_terminal_gets_as_few_tables_as_fit(
    mixed: Cluster, monkeypatch: pytest.MonkeyPatch, columns: int, tables: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    found = _tables(describe(resolve(mixed)))
    assert len(found) == tables
    assert all(len(line) <= columns for table in found for line in table.lines())
