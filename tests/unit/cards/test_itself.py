"""Pibramble on the head's card: run from there, by Python as it finds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

import pibramble
from pibramble.cards import inspect, itself
from pibramble.cards.content import of_card
from pibramble.cards.inspect import Difference, What
from pibramble.files.model import NodeFile, NodeFiles
from pibramble.files.write import write
from tests.unit.cards.conftest import Workshop
from tests.unit.files.readers import program, read

SOURCE = """\
# My bramble: 2 Zeros and an A+.
[cluster]
name = "mixed"

[[workers]]
name = "zero[1-2]"
"""


@pytest.fixture
def disk(workshop: Workshop, tmp_path: Path) -> Path:
    """What a head's card holds of pibramble, below a folder."""
    entries = list(itself.entries(attrs.evolve(workshop.plan, source=SOURCE)))
    files = tuple(entry for entry in entries if isinstance(entry, NodeFile))
    write(NodeFiles("head", files), tmp_path / "disk", secrets=False)
    return tmp_path / "disk"


def test_the_whole_package_is_there_and_nothing_else(disk: Path) -> None:
    package = Path(pibramble.__file__).parent
    wanted = {path.relative_to(package) for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    there = disk / itself.PACKAGE_FOLDER[1:]
    assert {path.relative_to(there) for path in there.rglob("*") if path.is_file()} == wanted
    assert all((there / path).read_bytes() == (package / path).read_bytes() for path in wanted)


def test_it_runs_from_there_and_finds_the_heads_own_cluster_file(disk: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(disk / itself.PACKAGE_FOLDER[1:].rpartition("/")[0])}
    command = (disk / itself.COMMAND[1:]).read_text().removeprefix("#!/usr/bin/python3 -I\n")
    file = disk / "etc/pibramble/cluster.toml"
    assert file.read_text() == SOURCE
    argv = [sys.executable, "-c", command, "-f", str(file), "plan"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert "zero2" in done.stdout


def test_systemd_accepts_the_unit_that_compiles_it(disk: Path) -> None:
    unit = disk / "etc/systemd/system/pibramble-compile.service"
    done = read([program("systemd-analyze"), "verify", str(unit)])
    assert (done.returncode, done.stderr) == (0, "")


def test_only_the_head_carries_it(workshop: Workshop) -> None:
    for node in workshop.plan.nodes:
        paths = {file.path for file in of_card(workshop.plan, workshop.keyring, node, "toy").entries.files}
        assert (itself.COMMAND in paths) == (node is workshop.plan.head)


def test_another_comment_in_the_cluster_file_is_another_head_card_and_no_other_worker(workshop: Workshop) -> None:
    plans = [attrs.evolve(workshop.plan, source=source) for source in (SOURCE, SOURCE.replace("My", "Our"))]
    for name, same in (("head", False), ("zero1", True)):
        one, other = (of_card(plan, workshop.keyring, plan.node(name), "toy").digest for plan in plans)
        assert (one == other) is same


def test_another_version_of_it_on_a_card_is_told_in_one_line(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = workshop.image("head", tmp_path / "card.img")
    newer = [
        attrs.evolve(entry, content=f"{entry.content}# newer\n") if isinstance(entry, NodeFile) else entry
        for entry in itself.package()
    ]
    monkeypatch.setattr(itself, "package", lambda: newer)
    report = inspect.look(card, workshop.plan, workshop.keyring)
    assert report.differences == (Difference(itself.PACKAGE_FOLDER, What.VERSION),)
