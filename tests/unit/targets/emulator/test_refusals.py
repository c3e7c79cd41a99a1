"""What is looked at before anything starts: boards, cards, programs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibramble import keys, proc
from pibramble.cards.assemble import Assembler
from pibramble.cards.store import Store
from pibramble.errors import Exit, MissingError, PibrambleError, UsageError
from pibramble.files.model import Keyring
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.progress import SilentProgress
from pibramble.spec.model import Cluster, HeadSection, Link, WorkerGroup
from pibramble.targets.emulator.emulator import Emulator, check_cards, nodes_with_cards
from pibramble.targets.emulator.prepare import check_programs, check_wires, disk_size
from tests.unit.cards.bases import make_base

PLAN = resolve(Cluster(head=HeadSection(board="pi-1b"), workers=(WorkerGroup(name="zero1"),)))
GIB = 1 << 30


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Keyring]]:
    """The cards of both nodes, over a toy base."""
    folder = tmp_path_factory.mktemp("cards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIBRAMBLE_CACHE", str(folder / "cache"))
        keyring = keys.ensure(PLAN, folder / "state", SilentProgress())
        store = Store(folder / "state")
        Assembler(PLAN, keyring, store).make(list(PLAN.nodes), make_base(folder), SilentProgress())
        yield store, keyring


def test_cards_that_are_as_planned_will_do(cards: tuple[Store, Keyring]) -> None:
    store, keyring = cards
    check_cards(store, PLAN, keyring)


def test_cards_that_are_not_are_named_each_with_what_is_the_matter(cards: tuple[Store, Keyring]) -> None:
    store, keyring = cards
    later = resolve(Cluster(head=HeadSection(board="pi-1b"), workers=(WorkerGroup(name="zero[1-2]"),)))
    with pytest.raises(PibrambleError, match="not every card is as planned") as error:
        check_cards(store, later, keyring)
    assert error.value.hint.splitlines() == [
        "head: plan changed",
        "zero1: plan changed",
        "zero2: not built",
        "`pibramble card build` makes them",
    ]


def worker(**more: object) -> WorkerGroup:
    return WorkerGroup(name="aplus", board="pi-1a-plus", link=Link.SERIAL, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ((WorkerGroup(name="zero[1-9]"),), "9 workers hang on the head by USB, and an emulated head has 8 ports"),
        ((worker(head_port="/dev/ttyUSB1"),), "head has a link on /dev/ttyUSB1, which the emulated pi-1b has not"),
    ],
    ids=["nine USB workers", "a lone second adapter"],
)
def test_what_the_plan_alone_rules_out_is_refused_before_keys_are_made_or_cards_asked_for(
    workers: tuple[WorkerGroup, ...], said: str, tmp_path: Path
) -> None:
    target = Emulator(tmp_path / "state")
    plan = resolve(Cluster(head=HeadSection(board="pi-1b"), workers=workers))

    def keys_of() -> Keyring:
        pytest.fail("keys were made")

    with pytest.raises(UsageError, match=re.escape(said)):
        target.up(plan, keys_of, SilentProgress())
    assert {path.name for path in (tmp_path / "state").iterdir()} <= {"emulator.lock"}


def test_what_the_machines_can_be_wired_as_is_not_refused(plan: Plan) -> None:
    check_wires(plan, plan.nodes)
    check_wires(PLAN, PLAN.nodes)


def test_a_pc_starts_from_no_card() -> None:
    plan = resolve(Cluster(head=HeadSection(board="pc"), workers=(WorkerGroup(name="zero1"),)))
    with pytest.raises(UsageError, match=r"head is a .*, and the emulator boots cards") as error:
        nodes_with_cards(plan)
    assert "--target lab" in error.value.hint
    assert nodes_with_cards(PLAN) == PLAN.nodes


def test_a_worker_on_ethernet_is_refused_rather_than_waited_for() -> None:
    four = WorkerGroup(name="four", board="pi-4b", link=Link.ETHERNET)
    plan = resolve(Cluster(head=HeadSection(board="pi-1b"), workers=(WorkerGroup(name="zero1"), four)))
    with pytest.raises(
        UsageError, match="four hangs on the head by Ethernet, which the emulator does not wire"
    ) as error:
        nodes_with_cards(plan)
    assert "--target lab" in error.value.hint


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has no programs but those that a test puts into the folder it gets."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(proc, "_SYSTEM_FOLDERS", ())
    return folder


def install(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        os.chmod(folder / name, 0o755)  # noqa: PTH101, S103 (a program)


def test_without_qemu_apts_line_is_told(bare_machine: Path, plan: Plan) -> None:  # noqa: ARG001
    with pytest.raises(MissingError, match=r"fdtput.* which are not installed") as error:
        check_programs(plan.nodes)
    assert {"qemu-system-arm,", "qemu-system-aarch64,"} <= set(error.value.message.split())
    assert error.value.exit_code == Exit.MISSING
    assert error.value.hint == "sudo apt-get install --no-install-recommends device-tree-compiler qemu-system-arm"


def test_only_what_these_nodes_need_is_asked_for(bare_machine: Path, plan: Plan) -> None:
    install(bare_machine, "qemu-system-aarch64")
    check_programs([plan.node("two")])
    install(bare_machine, "qemu-system-arm")
    with pytest.raises(MissingError, match="the emulator needs fdtput, which is not installed") as error:
        check_programs([plan.node("zero1")])
    assert error.value.hint.endswith(" device-tree-compiler")


def test_without_qemu_nothing_is_left_behind(bare_machine: Path, tmp_path: Path) -> None:  # noqa: ARG001
    target = Emulator(tmp_path / "state")
    keyring = Keyring("", "", "", "", {})
    with pytest.raises(MissingError):
        target.up(PLAN, lambda: keyring, SilentProgress())
    assert not target.state().up
    assert {path.name for path in (tmp_path / "state").iterdir()} <= {"emulator.lock"}


@pytest.mark.parametrize(
    ("card", "disk"), [(1, 2 * GIB), (2 * GIB, 2 * GIB), (2 * GIB + 1, 4 * GIB), (6 * GIB, 8 * GIB)]
)
def test_an_emulated_sd_card_has_a_size_that_qemu_takes(card: int, disk: int) -> None:
    assert disk_size(card) == disk
