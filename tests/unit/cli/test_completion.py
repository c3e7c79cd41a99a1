"""What the shell offers: the script is sourced by a real bash, which calls the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pibramble.spec.new import render

_COMPLETE = """
eval "$(pibramble completion bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_pibramble_completion pibramble
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(folder: Path, *words: str) -> tuple[list[str], str]:
    """Return what bash offers for the last of these words, and what it complains of."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", _COMPLETE, "bash", "pibramble", *words],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split(), done.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["st"], ["status"]),
        (["files", "ze"], ["zero1", "zero2", "zero3", "zero4"]),
        (["ssh", ""], ["head", "zero1", "zero2", "zero3", "zero4", "aplus"]),
        (["exec", "-w", "zero1,@"], ["zero1,@all", "zero1,@head", "zero1,@workers", "zero1,@usb", "zero1,@serial"]),
        (["new", "zero"], ["zero2w", "zeros"]),
        (["run", "--ti"], ["--timeout"]),
    ],
)
def test_bash_offers_what_fits(tmp_path: Path, words: list[str], offered: list[str]) -> None:
    (tmp_path / "cluster.toml").write_text(render("xmas"))
    assert complete(tmp_path, *words) == (offered, "")


def test_a_wrong_cluster_file_does_not_disturb_the_line_being_typed(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text("[cluster")
    assert complete(tmp_path, "ssh", "") == ([], "")
