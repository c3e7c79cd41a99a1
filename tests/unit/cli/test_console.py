"""`pibramble console profiles` shows all that a profile says."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pibramble.cli.console.profiles import command

SLOW = """\
settings = "300 7E1 xonxoff"
enter = "cr-nul"

[pacing]
per_character_seconds = 0.005
per_line_seconds = 0.25
"""


def shown(name: str) -> list[str]:
    return CliRunner().invoke(command, [name]).output.splitlines()


def test_pacing_and_flow_control_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    own = tmp_path / "pibramble" / "profiles"
    own.mkdir(parents=True)
    (own / "slow.toml").write_text(SLOW)
    assert "  flow control: none; files and pastes go 100 ms after each line, each line's echo compared" in shown(
        "cisco-ios"
    )
    assert "  flow control: none; files and pastes go as fast as the line takes them" in shown("linux")
    slow = "  flow control: xonxoff; files and pastes go 5 ms after each character, 250 ms after each line"
    assert shown("slow")[1:3] == ["  Enter sends cr-nul; a break lasts 300 ms", slow]
