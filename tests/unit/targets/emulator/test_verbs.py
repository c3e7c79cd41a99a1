"""`pibramble emulator`, as a person types it; the machines are harmless ones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from pibramble import paths
from pibramble.errors import Exit
from pibramble.plan.resolve import resolve
from pibramble.spec import load
from pibramble.targets.emulator.emulator import Emulator
from tests.unit.targets.emulator.desk import pibramble
from tests.unit.targets.emulator.keepers import FOREVER, Bench, until

CLUSTER = """\
[cluster]
name = "emu"

[head]
board = "pi-1b"

[[workers]]
name = "zero1"

[[workers]]
name = "aplus"
board = "pi-1a-plus"
link = "serial"
head_port = "/dev/ttyAMA0"
"""


@attrs.frozen
class Desk:
    """A cluster file, and a shell in its folder."""

    folder: Path
    state: Path  # the cluster's own

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        return pibramble("emulator", *words, folder=self.folder)


@pytest.fixture
def desk(tmp_path: Path, state_folder: Path) -> Iterator[Desk]:
    (tmp_path / "cluster.toml").write_text(CLUSTER)
    plan = resolve(load.load(tmp_path / "cluster.toml").cluster)
    folder = paths.cluster_folder(plan.name, plan.id)
    assert folder.is_relative_to(state_folder)
    yield Desk(tmp_path, folder)
    Emulator(folder).places("head").log.unlink(missing_ok=True)


@pytest.mark.parametrize("words", [("links",), ("links", "--json"), ("unplug", "zero1"), ("plug", "zero1", "--link")])
def test_when_nothing_is_up_it_is_said_and_what_to_do(desk: Desk, words: tuple[str, ...]) -> None:
    done = desk.type(*words)
    assert done.returncode == Exit.NOT_UP
    assert done.stdout == ""
    assert done.stderr == ("pibramble: no emulated cluster is up\n  `pibramble up --target emulator` boots it\n")


def test_a_console_of_a_node_that_was_never_emulated(desk: Desk) -> None:
    done = desk.type("console", "zero1")
    assert done.returncode == Exit.NOT_UP
    assert "zero1 has never been emulated" in done.stderr


def test_a_node_that_is_none_is_answered_with_those_that_are(desk: Desk) -> None:
    done = desk.type("console", "zero9")
    assert done.returncode == Exit.WRONG
    assert "emu has no node `zero9`\n  it has head, zero1, aplus\n" in done.stderr


def test_a_console_is_read_also_when_its_node_is_off(desk: Desk) -> None:
    log = Emulator(desk.state).places("zero1").log
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {number}\n" for number in range(100)) + "\x1b[0;32mlast\x1b[0m\r\n")
    done = desk.type("console", "zero1", "-n", "2")
    assert (done.returncode, done.stdout) == (Exit.OK, "line 99\nlast\n")
    assert str(log) in done.stderr


def test_wires_are_listed_pulled_and_joined(desk: Desk, bench: Bench) -> None:
    state = bench.start(lines=("aplus",), cables=("zero1",), head=FOREVER, zero1=FOREVER, aplus=FOREVER)
    desk.state.mkdir(parents=True, exist_ok=True)
    state.save(desk.state / "emulator.json")

    table = desk.type("links").stdout.splitlines()
    assert " ".join(table[0].split()) == "WORKER LINK STATE TO WORKER TO HEAD LOST PLUGGED IN VAIN"
    assert table[1].split() == ["aplus", "serial", "joined", "0", "B", "0", "B", "0", "B", "0", "-"]
    # A cable that neither end has been plugged into yet has its row, too.
    assert table[2].split() == ["zero1", "usb", "apart", "-", "-", "-", "0", "0"]

    done = desk.type("unplug", "aplus", "--link")
    assert (done.returncode, done.stderr) == (Exit.OK, "the link of aplus is cut\n")
    assert json.loads(desk.type("links", "--json").stdout)["aplus"]["joined"] is False
    assert desk.type("plug", "aplus", "--link").stderr == "the link of aplus is whole\n"
    assert state.ask("facts").links["aplus"].joined

    assert desk.type("unplug", "zero1").stderr == "zero1 has no power\n"
    assert not state.ask("facts").nodes["zero1"].running
    assert desk.type("plug", "zero1").returncode == Exit.OK
    until(lambda: state.ask("facts").nodes["zero1"].running)

    unknown = desk.type("unplug", "zero9")
    assert (unknown.returncode, unknown.stdout) == (Exit.WRONG, "")
    no_line = desk.type("unplug", "zero1", "--link")
    assert no_line.returncode == Exit.WRONG
    assert "zero1 hangs on no serial link, and no other can be cut\n  those that do: aplus\n" in no_line.stderr
