"""`pibramble files`, as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pibramble.errors import Exit

CLUSTER = """\
[cluster]
name = "xmas"

[[workers]]
name = "zero[1-2]"
board = "pi-zero"
"""


class Command:
    """The command, on a cluster file and a state folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "cluster.toml"
        self.file.write_text(CLUSTER)
        self.environment = {**os.environ, "PIBRAMBLE_STATE": str(folder / "state")}

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "pibramble", "-q", "-f", str(self.file), "files", *words]
        return subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("command"))


def test_without_a_node_the_nodes_are_counted(files: Command) -> None:
    done = files()
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["NODE", "head", "zero1", "zero2"]
    counts = {count["node"]: count for count in json.loads(files("--json").stdout)}
    assert counts["head"]["files"] > counts["zero1"]["files"] > 10


def test_a_nodes_files_are_listed_with_mode_owner_size_and_reason(files: Command) -> None:
    lines = {line.split()[0]: line.split(maxsplit=4)[1:] for line in files("head").stdout.splitlines()}
    assert lines["/etc/hostname"] == ["0644", "root", "5", "the node's name"]
    assert lines["/etc/pibramble/user_key"][:2] == ["0600", "pi"]
    assert lines["/etc/shadow"][0] == "edit"
    assert lines["/etc/systemd/system/systemd-resolved.service"][0] == "link"


def test_a_listing_in_json_has_no_secrets_in_it(files: Command) -> None:
    done = files("head", "--json")
    assert {"path", "kind", "why"} <= set(json.loads(done.stdout)[0])
    assert "PRIVATE KEY" not in done.stdout


def test_a_file_is_printed_as_it_will_be(files: Command) -> None:
    assert files("zero2", "/etc/hostname").stdout == "zero2\n"
    assert json.loads(files("zero2", "/etc/hostname", "--json").stdout)["content"] == "zero2\n"
    assert files("zero2", "/etc/systemd/system/systemd-resolved.service").stdout == "-> /dev/null\n"
    assert "+ include pibramble.txt" in files("zero2", "/boot/firmware/config.txt").stdout.splitlines()


@pytest.mark.parametrize("words", [("/etc/pibramble/user_key",), ("/etc/ssh/pibramble_host_key", "--json")])
def test_private_keys_are_printed_only_when_asked_for(files: Command, words: tuple[str, ...]) -> None:
    refused = files("head", *words)
    assert (refused.returncode, refused.stdout) == (Exit.WRONG, "")
    assert "--secrets" in refused.stderr
    assert "PRIVATE KEY" in files("head", *words, "--secrets").stdout


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (("zero3",), 'did you mean "zero2"?'),
        (("nothing-like-it",), "`pibramble plan` lists the nodes"),
        (("zero1", "/etc/hostnam"), 'did you mean "/etc/hostname"?'),
        (("zero1", "x"), "`pibramble files zero1` lists them"),
        (("--into", "somewhere"), "pibramble files NODE --into FOLDER"),
        (("zero1", "/etc/hosts", "--into", "somewhere"), "pibramble files zero1 --into somewhere"),
        (("zero1", "--into", "/"), "name another folder than /"),
    ],
)
def test_slips_are_answered_with_the_cure(files: Command, words: tuple[str, ...], cure: str) -> None:
    done = files(*words)
    assert (done.returncode, done.stdout) == (Exit.WRONG, "")
    assert cure in done.stderr


def test_all_files_are_written_below_a_folder(files: Command, tmp_path: Path) -> None:
    done = files("zero1", "--into", str(tmp_path / "disk"))
    assert done.returncode == 0
    assert (tmp_path / "disk/etc/hostname").read_text() == "zero1\n"
    assert "left out, private keys (--secrets): /etc/ssh/pibramble_host_key" in done.stderr
    assert not (tmp_path / "disk/etc/ssh/pibramble_host_key").exists()
