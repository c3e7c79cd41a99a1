"""The command's frame: what goes wrong around it is said in words, with an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pibramble.spec.new import render

XMAS = render("xmas")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a cluster file."""
    (tmp_path / "cluster.toml").write_text(XMAS)
    return tmp_path


def pibramble(desk: Path, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PIBRAMBLE_STATE": str(desk / "state"), "TMPDIR": str(desk), "PYTHONUNBUFFERED": ""}
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "pibramble", *words],
        **{"cwd": desk, "env": environment, "text": True, "stderr": subprocess.PIPE, **options},
        check=False,
    )


def test_a_misspelt_verb_is_answered_with_the_nearest(desk: Path) -> None:
    done = pibramble(desk, "statsu")
    assert done.returncode == 2
    assert "Did you mean `status`?" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("status",), ("down",), ("exec", "true"), ("copy", "cluster.toml", "head:"), ("ssh", "head", "true"),
        ("run", "/bin/true"), ("bench",), ("swarm", "status"), ("up",),
    ],
)  # fmt: skip
@pytest.mark.parametrize("option", ["-t", "--target"])
def test_a_target_is_named_before_a_verb_or_after_it(desk: Path, words: tuple[str, ...], option: str) -> None:
    verb, *rest = words
    (desk / "cluster.toml").write_text(f'{XMAS}\n[containers]\nengine = "docker-swarm"\n')
    for argv in ([option, "nowhere", verb, *rest], [verb, option, "nowhere", *rest]):
        done = pibramble(desk, *argv)
        assert done.returncode == 2
        assert "there is no target `nowhere`" in done.stderr


def test_an_emulated_cluster_is_taken_down_as_it_was_brought_up(desk: Path) -> None:
    done = pibramble(desk, "down", "--target", "emulator")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Switching the emulated boards off")
    assert done.stderr.endswith("xmas was not up\n")


@pytest.mark.parametrize("words", [("plan",), ("plan", "--json"), ("schema",)])
def test_a_full_disk_is_no_defect(desk: Path, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = pibramble(desk, *words, stdout=full)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 2
    assert "no space left on device" in done.stderr
    assert "PIBRAMBLE_STATE" in done.stderr
    assert not list(desk.glob("pibramble-defect-*"))


@pytest.mark.parametrize("words", [("plan",), ("plan", "--json"), ("schema",)])
def test_a_reader_that_leaves_is_no_failure(desk: Path, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = pibramble(desk, *words, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_disturb_nobody(desk: Path, closed: str) -> None:
    script = f'exec "$0" -m pibramble plan --json {closed}'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable],
        cwd=desk,
        env={**os.environ, "TMPDIR": str(desk)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(desk.glob("pibramble-defect-*"))


def test_a_cluster_file_that_may_not_be_read_is_named(desk: Path) -> None:
    file = desk / "cluster.toml"
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("root may read everything")
    done = pibramble(desk, "-f", "cluster.toml", "check")
    assert done.returncode == 2
    assert done.stderr.startswith("cluster.toml: ")
    assert "permission" in done.stderr
