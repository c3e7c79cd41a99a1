"""Cards looked at: whose they are, and what is no longer as the plan has it."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import attrs
import pytest

from pibramble.cards import inspect
from pibramble.cards.inspect import Difference, NoCardError, What
from pibramble.cards.layout import read_layout
from tests.unit.cards import disks
from tests.unit.cards.conftest import Workshop


@pytest.fixture
def card(workshop: Workshop, tmp_path: Path) -> Path:
    return workshop.image("zero1", tmp_path / "a card.img")


def edit(card: Path, *commands: str) -> None:
    with card.open("rb") as stream:
        root = read_layout(stream.read(512))[1].root
    disks.run("debugfs", "-w", "-f", "/dev/stdin", f"{card}?offset={root.offset}", text="\n".join(commands) + "\n")


@pytest.mark.parametrize("node", ["head", "zero1", "aplus", "four"])
def test_a_fresh_card_is_as_planned(workshop: Workshop, tmp_path: Path, node: str) -> None:
    report = inspect.look(workshop.image(node, tmp_path / "card.img"), workshop.plan, workshop.keyring)
    assert (report.identity.cluster, report.identity.node) == ("mixed", node)
    assert report.planned
    assert report.differences == ()


def test_every_kind_of_difference_is_told(workshop: Workshop, card: Path, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("changed\n")
    (tmp_path / "new").chmod(0o644)
    edit(
        card,
        *("rm /etc/hosts", "cd /etc", f"write {tmp_path}/new hosts"),
        *("rm /etc/resolv.conf", "sif /etc/sudoers.d/pibramble mode 0100666", "sif /etc/hostname uid 1000"),
        *("rm /etc/systemd/system/multi-user.target.wants/ssh.service",),
        *("rm /etc/shadow", f"write {tmp_path}/new shadow"),
    )
    with card.open("rb") as stream:
        boot = read_layout(stream.read(512))[1].boot
    disks.run("mdel", "-i", f"{card}@@{boot.offset}", "::pibramble.txt")
    report = inspect.look(card, workshop.plan, workshop.keyring)
    assert set(report.differences) == {
        Difference("/boot/firmware/pibramble.txt", What.MISSING),
        Difference("/etc/hosts", What.CONTENT),
        Difference("/etc/resolv.conf", What.MISSING),
        Difference("/etc/sudoers.d/pibramble", What.MODE),
        Difference("/etc/hostname", What.OWNER),
        Difference("/etc/systemd/system/multi-user.target.wants/ssh.service", What.MISSING),
        Difference("/etc/shadow", What.EDIT),
    }


def test_a_changed_plan_is_told_by_the_files_it_changes(workshop: Workshop, card: Path) -> None:
    changed = attrs.evolve(workshop.plan, nameservers=(IPv4Address("192.0.2.1"),))
    report = inspect.look(card, changed, workshop.keyring)
    assert report.differences == (Difference("/etc/resolv.conf", What.CONTENT),)


def test_another_clusters_card_is_only_named(workshop: Workshop, card: Path) -> None:
    report = inspect.look(card, attrs.evolve(workshop.plan, id="other"), workshop.keyring)
    assert report.planned is False
    assert report.identity.node == "zero1"
    assert inspect.look(card, None, None).planned is None


def test_what_is_no_card_is_refused(card: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.img"
    empty.write_bytes(bytes(1 << 20))
    with pytest.raises(NoCardError, match="no partition table"):
        inspect.look(empty, None, None)
    edit(card, "rm /etc/pibramble/card.json")
    with pytest.raises(NoCardError, match="no card of pibramble's"):
        inspect.look(card, None, None)
    cut = tmp_path / "cut.img"
    cut.write_bytes(card.open("rb").read(8 << 20))
    with pytest.raises(NoCardError, match="cut short"):
        inspect.look(cut, None, None)
    with card.open("r+b") as stream:
        stream.seek(read_layout(stream.read(512))[1].root.offset)
        stream.write(bytes(1 << 20))
    with pytest.raises(NoCardError, match="root partition cannot be read"):
        inspect.look(card, None, None)


def test_a_gpt_is_named(tmp_path: Path) -> None:
    disk = tmp_path / "gpt.img"
    disk.write_bytes(bytes(4 << 20))
    disks.run("sfdisk", "--quiet", disk, text="label: gpt\n,1M\n")
    with pytest.raises(NoCardError, match="has a GPT"):
        inspect.look(disk, None, None)
