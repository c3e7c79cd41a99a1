"""A file is kept under git: committed alone, only when it has changed, by whoever git knows."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pibramble.console.repository import keep


@pytest.fixture(autouse=True)
def nobody_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take the person's own git configuration away."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def git(folder: Path, *words: str) -> str:
    return subprocess.run(("git", "-C", str(folder), *words), capture_output=True, text=True, check=True).stdout.strip()


def test_what_is_new_is_committed_and_what_is_the_same_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    first = keep(folder, "sw1.cfg", "hostname sw1\n", "sw1: first")
    assert (first.first, "+hostname sw1" in first.diff) == (True, True)
    again = keep(folder, "sw1.cfg", "hostname sw1\n", "sw1: again")
    assert (again.first, again.diff, again.since) == (False, "", first.since)
    changed = keep(folder, "sw1.cfg", "hostname sw2\n", "sw1: changed")
    assert (changed.first, "-hostname sw1\n+hostname sw2" in changed.diff) == (False, True)
    assert git(folder, "log", "--format=%s").splitlines() == ["sw1: changed", "sw1: first"]
    assert git(folder, "log", "-1", "--format=%an <%ae>") == "pibramble <pibramble@localhost>"


def test_a_repository_that_is_there_is_used_and_its_person_commits(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch", "main", ".")
    git(tmp_path, "config", "user.email", "ada@example.org")
    git(tmp_path, "config", "user.name", "Ada")
    keep(tmp_path / "switches", "sw1.cfg", "hostname sw1\n", "sw1: first")
    assert not (tmp_path / "switches" / ".git").exists()
    assert git(tmp_path, "log", "-1", "--format=%an %s", "--name-only") == "Ada sw1: first\n\nswitches/sw1.cfg"


def test_a_name_that_looks_like_an_option_is_a_name(tmp_path: Path) -> None:
    assert keep(tmp_path, "--all.cfg", "x\n", "odd").first
