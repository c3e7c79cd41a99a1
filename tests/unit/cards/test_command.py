"""`pibramble card`, as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from pibramble import keys, paths
from pibramble.cards.build import Builder
from pibramble.cards.store import Store
from pibramble.errors import Exit
from pibramble.plan.resolve import resolve
from pibramble.progress import SilentProgress
from pibramble.spec import load
from tests.unit.cards.bases import make_base

CLUSTER = """\
[cluster]
name = "xmas"

[[workers]]
name = "zero[1-2]"
board = "pi-zero"
"""


@attrs.frozen
class Desk:
    """A cluster file and a shell in its folder."""

    folder: Path
    environment: dict[str, str]

    def pibramble(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "pibramble", *words]
        return subprocess.run(
            argv, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def write(self, text: str) -> None:
        (self.folder / "cluster.toml").write_text(text)


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A cluster of which the head's and the first worker's cards are made."""
    folder = tmp_path_factory.mktemp("desk")
    environment = {"PIBRAMBLE_STATE": str(folder / "state"), "PIBRAMBLE_CACHE": str(folder / "cache")}
    desk = Desk(folder, {**os.environ, **environment})
    desk.write(CLUSTER)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        plan = resolve(load.load(folder / "cluster.toml").cluster)
        state = paths.cluster_folder(plan.name, plan.id)
        base = make_base(folder)
        keyring = keys.ensure(plan, state, SilentProgress())
        Builder(plan, keyring, Store(state)).build([plan.head, plan.workers[0]], lambda _: base, SilentProgress())
    return desk


@pytest.fixture
def desk(_made: Desk) -> Desk:
    _made.write(CLUSTER)
    return _made


def test_a_list_says_what_is_there_and_what_it_is_worth(desk: Desk) -> None:
    rows = [line.split() for line in desk.pibramble("card", "list").stdout.splitlines()]
    assert rows[0] == ["NODE", "BOARD", "STATE", "SIZE", "STORED", "AGE", "BASE"]
    assert [row[0] for row in rows[1:]] == ["head", "zero1", "zero2"]
    assert rows[2][2:5] == ["up", "to", "date"]
    assert rows[3][2:4] == ["not", "built"]
    desk.write(CLUSTER.replace('"xmas"', '"xmas"\nnameservers = ["192.0.2.1"]'))
    found = {one["node"]: one["worth"] for one in json.loads(desk.pibramble("card", "list", "--json").stdout)}
    assert found == {"head": "plan changed", "zero1": "plan changed", "zero2": "not built"}


def test_from_export_to_inspection(desk: Desk) -> None:
    done = desk.pibramble("card", "export", "zero1", "zero1.img", "--force")
    assert done.returncode == Exit.OK, done.stderr
    assert "zero1.img: the card of zero1, 340 MB" in done.stderr
    again = desk.pibramble("card", "export", "zero1", "zero1.img")
    assert (again.returncode, "there already" in again.stderr) == (Exit.WRONG, True)
    seen = desk.pibramble("card", "inspect", "zero1.img")
    assert seen.returncode == Exit.OK, seen.stderr
    assert seen.stdout.startswith("zero1 of xmas (pi-zero)\n")
    assert "as planned" in seen.stdout
    desk.write(CLUSTER.replace('"xmas"', '"xmas"\nnameservers = ["192.0.2.1"]'))
    seen = desk.pibramble("card", "inspect", "zero1.img")
    assert seen.returncode == Exit.FAILED
    assert "/etc/resolv.conf (content)" in seen.stdout
    (desk.folder / "cluster.toml").unlink()
    seen = desk.pibramble("card", "inspect", "zero1.img")
    assert (seen.returncode, "no cluster file" in seen.stderr) == (Exit.OK, True)


def test_an_export_for_qemu(desk: Desk) -> None:
    done = desk.pibramble("card", "export", "zero1", "zero1.qcow2", "--force")
    assert done.returncode == Exit.OK, done.stderr
    assert (desk.folder / "zero1.qcow2").read_bytes().startswith(b"QFI\xfb")


def test_files_are_those_of_the_plan_and_the_cards_own(desk: Desk) -> None:
    listed = {entry["path"]: entry for entry in json.loads(desk.pibramble("card", "files", "zero1", "--json").stdout)}
    assert listed["/etc/hostname"]["kind"] == "file"
    assert {"/etc/machine-id", "/etc/fstab", "/etc/pibramble/card.json"} <= set(listed)
    assert "PRIVATE KEY" not in desk.pibramble("card", "files", "head").stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("export", "zero2", "x.img"), Exit.FAILED, "there is no card yet"),
        (("export", "zero9", "x.img"), Exit.WRONG, "did you mean"),
        (("export", "zero[1-2]", "x.img"), Exit.WRONG, "one card at a time"),
        (("export", "zero1", "x.iso"), Exit.WRONG, "must end in .img or .qcow2"),
        (("export", "zero1", "nowhere/x.img"), Exit.FAILED, "cannot be written"),
        (("inspect", "cluster.toml"), Exit.FAILED, "cluster.toml is no card: there is no partition table"),
        (("inspect", "nothing"), Exit.FAILED, "No such file"),
        (("lst",), Exit.WRONG, "Did you mean `list`?"),
    ],
)
def test_what_is_wrong_is_said(desk: Desk, words: tuple[str, ...], code: Exit, said: str) -> None:
    done = desk.pibramble("card", *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_pc_starts_from_no_card(desk: Desk) -> None:
    desk.write(CLUSTER + '\n[head]\nboard = "pc"\n')
    done = desk.pibramble("card", "files", "head")
    assert (done.returncode, "starts from no card" in done.stderr) == (Exit.WRONG, True), done.stderr
    found = {one["node"]: one["worth"] for one in json.loads(desk.pibramble("card", "list", "--json").stdout)}
    assert found == {"zero1": "up to date", "zero2": "not built", "head": "not in the plan"}
