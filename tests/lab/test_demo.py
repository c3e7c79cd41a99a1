"""Ctrl-C in the middle of the demo, wherever that is: the lab comes down, nothing stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pibramble.targets.processes import labelled

REPO = Path(__file__).parents[2]

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("line", ["$ pibramble up", "rank "], ids=["while it comes up", "while a job runs"])
def test_ctrl_c_takes_the_lab_down(line: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, REPO / "scripts/demo.py"],
        env={**os.environ, "PIBRAMBLE_STATE": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a terminal's Ctrl-C goes to a whole process group: this one
    ) as demo:
        assert demo.stdout
        assert any(printed.startswith(line) for printed in demo.stdout)
        os.killpg(demo.pid, signal.SIGINT)
        rest, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, rest
    assert "interrupted: taking the lab down" in rest
    assert "Traceback" not in rest
    assert not list(tmp_path.glob("*/lab.json"))
    assert not [pid for folder in tmp_path.iterdir() for pid in labelled(str(folder))]
