"""Which target is meant, and whether this machine is the head."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pibramble.errors import UsageError
from pibramble.files.names import CARD_FILE
from pibramble.files.ssh import USER_KEY
from pibramble.plan.resolve import resolve
from pibramble.targets import select, whereabouts
from pibramble.targets.base import TargetState
from pibramble.targets.emulator.state import EmulatorState
from pibramble.targets.hardware.from_pc import FromPc
from pibramble.targets.hardware.on_head import OnHead
from pibramble.targets.lab.lab import Lab
from pibramble.targets.processes import Process
from tests.unit.files.disks import CLUSTER

PLAN = resolve(CLUSTER)


@pytest.fixture(autouse=True)
def _nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(select.VARIABLE, raising=False)


def remember_a_head(folder: Path) -> None:
    (folder / "hardware.json").write_text('{"host": "10.0.0.1", "port": 22, "patience_s": 60}')


def test_on_a_pc_the_lab_is_meant(tmp_path: Path) -> None:
    assert select.choose(PLAN, tmp_path).name == "lab"


def test_what_is_up_is_meant(tmp_path: Path) -> None:
    remember_a_head(tmp_path)
    assert isinstance(select.choose(PLAN, tmp_path), FromPc)


def test_what_is_asked_for_counts_more_than_what_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_a_head(tmp_path)
    monkeypatch.setenv(select.VARIABLE, "lab")
    assert select.choose(PLAN, tmp_path).name == "lab"
    assert select.choose(PLAN, tmp_path, "hardware").name == "hardware"


def test_two_that_are_up_are_told_apart_by_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_a_head(tmp_path)
    (tmp_path / "lab.json").touch()
    monkeypatch.setattr(Lab, "state", lambda _self: TargetState("lab", up=True))
    with pytest.raises(UsageError, match="up in several places: lab and hardware"):
        select.choose(PLAN, tmp_path)


def test_what_is_up_and_does_not_answer_is_meant_too(tmp_path: Path) -> None:
    """Its sockets are gone, as after a cleaner of temporary folders: a bare `down` must find it."""
    alive = Process.of(os.getpid())
    EmulatorState(alive, "digest", 2222, str(tmp_path / "gone")).save(tmp_path / "emulator.json")
    assert select.choose(PLAN, tmp_path).name == "emulator"


def test_on_the_head_the_hardware_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "is_head", lambda _plan: True)
    assert isinstance(select.choose(PLAN, tmp_path), OnHead)


@pytest.mark.parametrize("by", ["--target", select.VARIABLE])
def test_a_target_that_is_none_is_refused_by_who_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setenv(select.VARIABLE, "moon")
    with pytest.raises(UsageError, match=f"no target `(moon|mars)` .{by}") as error:
        select.choose(PLAN, tmp_path, "mars" if by == "--target" else None)
    assert "lab, emulator, hardware" in error.value.hint


def card(root: Path, **facts: str) -> Path:
    file = root / CARD_FILE[1:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"cluster": "mixed", "id": "mixed", "node": "head", **facts}))
    return root


def test_a_board_is_the_head_when_its_card_says_so(tmp_path: Path) -> None:
    assert whereabouts.is_head(PLAN, card(tmp_path))
    assert not whereabouts.is_head(PLAN, card(tmp_path, node="zero1"))
    assert not whereabouts.is_head(PLAN, card(tmp_path, id="another"))


def test_a_damaged_card_file_says_nothing(tmp_path: Path) -> None:
    card(tmp_path)
    (tmp_path / CARD_FILE[1:]).write_text("[1]")
    assert not whereabouts.is_head(PLAN, tmp_path)


def test_a_pc_is_the_head_by_its_name_and_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / USER_KEY[1:]
    key.parent.mkdir(parents=True)
    monkeypatch.setattr(whereabouts, "host_name", lambda: "head")
    assert not whereabouts.is_head(PLAN, tmp_path)
    key.touch()
    assert whereabouts.is_head(PLAN, tmp_path)
    monkeypatch.setattr(whereabouts, "host_name", lambda: "desk")
    assert not whereabouts.is_head(PLAN, tmp_path)
