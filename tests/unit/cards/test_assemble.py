"""Whole cards, judged by the programs that judge real ones: e2fsck, fsck.fat, sfdisk, debugfs, mtools."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from pathlib import Path

import pytest

from pibramble.cards import delta, foundation, layout
from pibramble.cards.debugfs import probe
from pibramble.cards.image import RawImage
from pibramble.files.model import Edit
from pibramble.files.render import render
from tests.unit.cards import disks
from tests.unit.cards.conftest import Workshop, cut_out, data

NODES = ["head", "zero1", "aplus", "four"]


@pytest.fixture(scope="module")
def cards(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("images")
    return {name: workshop.image(name, folder / f"{name}.img") for name in NODES}


def parts(card: Path) -> layout.Layout:
    with card.open("rb") as stream:
        return layout.read_layout(stream.read(512))[1]


def split(card: Path, folder: Path) -> tuple[Path, Path]:
    """Return boot and root as files of their own: fsck.fat knows no offsets."""
    found = parts(card)
    with RawImage(card) as image:
        boot = cut_out(image, found.boot.offset, found.boot.length, folder / "boot")
        return boot, cut_out(image, found.root.offset, found.root.length, folder / "root")


def cat(card: Path, path: str) -> str:
    if path.startswith("/boot/firmware/"):
        return disks.run("mtype", "-i", f"{card}@@{parts(card).boot.offset}", f"::{path[15:]}")
    return disks.run("debugfs", "-R", f'cat "{path}"', f"{card}?offset={parts(card).root.offset}")


@pytest.mark.parametrize("node", NODES)
def test_both_file_systems_are_sound(cards: dict[str, Path], node: str, tmp_path: Path) -> None:
    boot, root = split(cards[node], tmp_path)
    disks.run("fsck.fat", "-n", boot)
    disks.run("e2fsck", "-fn", root)


def test_sfdisk_reads_the_partition_table(cards: dict[str, Path]) -> None:
    table = json.loads(disks.run("sfdisk", "--json", cards["zero1"]))["partitiontable"]
    assert table["label"] == "dos"
    assert [(part["type"], part["start"] % 8192) for part in table["partitions"]] == [("c", 0), ("83", 0)]
    assert f"{table['id'][2:]}-02" in cat(cards["zero1"], "/boot/firmware/cmdline.txt")
    disks.run("sfdisk", "--verify", cards["zero1"])


@pytest.mark.parametrize("node", NODES)
def test_every_node_file_is_there_with_owner_and_mode(workshop: Workshop, cards: dict[str, Path], node: str) -> None:
    rendered = render(workshop.plan, workshop.keyring, node)
    device = f"{cards[node]}?offset={parts(cards[node]).root.offset}"
    found = probe(device, [file.path for file in rendered.files])
    numbers = {"root": 0, "pi": 1000}
    for file in rendered.files:
        assert cat(cards[node], file.path) == file.content, file.path
        if not file.path.startswith("/boot/firmware/"):
            there = found[file.path]
            assert (there.mode, there.uid, there.gid) == (file.mode, numbers[file.owner], numbers[file.owner])
    for link in rendered.links:
        facts = disks.run("debugfs", "-R", f"stat {link.path}", device)
        assert f'Fast link dest: "{link.target}"' in facts or f"Size: {len(link.target)}" in facts


@pytest.mark.parametrize("node", NODES)
def test_every_edit_is_done_once(workshop: Workshop, cards: dict[str, Path], node: str) -> None:
    edits = render(workshop.plan, workshop.keyring, node).edits
    assert edits
    for edit in edits:
        assert isinstance(edit, Edit)
        text = cat(cards[node], edit.path)
        assert edit.apply(text) == text


def test_an_edited_file_keeps_its_owner_and_mode(cards: dict[str, Path]) -> None:
    device = f"{cards['zero1']}?offset={parts(cards['zero1']).root.offset}"
    shadow = probe(device, ["/etc/shadow"])["/etc/shadow"]
    assert (shadow.mode, shadow.uid, shadow.gid) == (0o640, 0, 42)
    assert "messagebus:!*:20000" in cat(cards["zero1"], "/etc/shadow")


def test_the_user_is_there_and_has_no_password(cards: dict[str, Path]) -> None:
    assert "\npi:x:1000:1000:pibramble:/home/pi:/bin/bash\n" in cat(cards["zero1"], "/etc/passwd")
    assert re.search(r"^dialout:x:20:pi$", cat(cards["zero1"], "/etc/group"), re.MULTILINE)
    assert re.search(r"^pi:\*:", cat(cards["zero1"], "/etc/shadow"), re.MULTILINE)


def test_only_the_head_has_the_users_private_key(cards: dict[str, Path], workshop: Workshop) -> None:
    secret = workshop.keyring.user_private.encode()
    assert {name for name, card in cards.items() if secret in data(card)} == {"head"}
    for other in (other for other in NODES if other != "zero1"):
        assert workshop.keyring.hosts["zero1"].private.encode() not in data(cards[other])


def test_the_kernel_boots_from_the_card_and_fstab_agrees(cards: dict[str, Path]) -> None:
    (disk_id,) = re.findall(r"root=PARTUUID=([0-9a-f]{8})-02", cat(cards["head"], "/boot/firmware/cmdline.txt"))
    line = cat(cards["head"], "/boot/firmware/cmdline.txt")
    assert line.count("root=") == 1
    assert line.count("\n") == 1
    fstab = cat(cards["head"], "/etc/fstab")
    assert fstab.splitlines() == [
        f"PARTUUID={disk_id}-02 / ext4 defaults,noatime 0 1",
        f"PARTUUID={disk_id}-01 /boot/firmware vfat defaults,noatime,nofail,noauto,x-systemd.automount 0 2",
    ]


def test_systemd_mounts_the_root_at_boot_and_the_boot_partition_when_somebody_looks(
    cards: dict[str, Path], tmp_path: Path
) -> None:
    fstab, units = tmp_path / "fstab", tmp_path / "units"
    fstab.write_text(cat(cards["head"], "/etc/fstab"))
    units.mkdir()
    generator = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")
    if not generator.exists() or os.statvfs("/sys").f_flag & os.ST_RDONLY:
        pytest.skip("needs systemd, outside of a container: there it passes over disks")
    disks.run("env", f"SYSTEMD_FSTAB={fstab}", "SYSTEMD_PROC_CMDLINE=rw", generator, units, units, units)
    made = {str(path.relative_to(units)) for path in units.rglob("*")}
    assert {"-.mount", "boot-firmware.mount", "boot-firmware.automount"} <= made
    assert "local-fs.target.requires/-.mount" in made
    waits = [path for path in made if path.startswith("local-fs.target") and "boot" in path]
    assert waits == ["local-fs.target.wants/boot-firmware.automount"]


@pytest.mark.parametrize("folder", ["/etc", "/var"])
def test_the_first_boot_has_nothing_to_catch_up_on(cards: dict[str, Path], folder: str) -> None:
    # ConditionNeedsUpdate= of systemd.unit(5): the folder's stamp must not be older than /usr.
    offset = parts(cards["zero1"]).root.offset
    stamp, usr = (
        int(re.search(r" mtime: 0x([0-9a-f]{8})", disks.stat(cards["zero1"], path, offset))[1], 16)  # type: ignore[index]
        for path in (f"{folder}/.updated", "/usr")
    )
    assert stamp >= usr


def test_machine_and_disk_ids_differ_between_nodes(cards: dict[str, Path]) -> None:
    assert len({cat(card, "/etc/machine-id") for card in cards.values()}) == len(NODES)
    assert len({cat(card, "/etc/fstab") for card in cards.values()}) == len(NODES)
    assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\n", cat(cards["four"], "/etc/machine-id"))


def test_the_card_says_whose_it_is(cards: dict[str, Path], workshop: Workshop) -> None:
    said = json.loads(cat(cards["aplus"], "/etc/pibramble/card.json"))
    head = delta.read_head(workshop.store.path("aplus"))
    assert (said["cluster"], said["node"], said["board"]) == ("mixed", "aplus", "pi-1a-plus")
    assert (said["digest"], said["base"]) == (head.digest, "toy")


def test_cards_are_small_and_private(workshop: Workshop) -> None:
    for name in NODES:
        facts = workshop.store.path(name).stat()
        # The head carries pibramble itself.
        assert facts.st_size < (5_000_000 if name == "head" else 500_000)
        assert stat.S_IMODE(facts.st_mode) == 0o600


def test_the_same_inputs_give_the_same_bytes(workshop: Workshop, private_cache: Path, tmp_path: Path) -> None:
    workshop.make("zero2", "head")
    again = workshop.image("head", tmp_path / "again.img")
    first = hashlib.sha256(data(again)).hexdigest()
    made = foundation.load("toy")
    assert made is not None
    assert made.image.is_relative_to(private_cache)  # not the one that the other tests have
    workshop.make("head")
    assert hashlib.sha256(data(workshop.image("head", tmp_path / "third.img"))).hexdigest() == first


def test_the_foundation_does_not_depend_on_when_it_is_made(workshop: Workshop, private_cache: Path) -> None:
    head = delta.read_head(workshop.store.path("four"))
    workshop.make("zero1")
    assert delta.read_head(workshop.store.path("zero1")).base_digest == head.base_digest
    assert private_cache.exists()


def test_the_root_can_grow_to_the_card(cards: dict[str, Path], tmp_path: Path) -> None:
    """The commands of the script that runs at the first boot, as far as a file can stand in for a disk."""
    script = cat(cards["zero1"], "/usr/lib/pibramble/grow-root")
    assert "echo ', +' | sfdisk --quiet --force --no-reread -N" in script
    card = tmp_path / "card.img"
    disks.run("cp", "--sparse=always", cards["zero1"], card)
    with card.open("r+b") as stream:
        stream.truncate(1 << 29)
    disks.run("sfdisk", "--quiet", "--force", "--no-reread", "-N", 2, card, text=", +\n")
    assert parts(card).root.end == 1 << 29
    _, root = split(card, tmp_path)
    disks.run("resize2fs", root)
    disks.run("e2fsck", "-fn", root)
    disks.run("sh", "-n", text=script)
