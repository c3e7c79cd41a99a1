"""`pibramble card build`, as a person types it. The bases are toys under the keys of the real recipes."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from pibramble.cards import base, imagebase, recipe
from pibramble.errors import Exit
from pibramble.plan.resolve import resolve
from pibramble.progress import SilentProgress
from pibramble.spec import load
from tests.unit.cards import images
from tests.unit.cards.bases import fill_base

CLUSTER = '[cluster]\nname = "xmas"\n\n[[workers]]\nname = "zero[1-3]"\n'


class Desk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.environment = {
            **os.environ,
            "PIBRAMBLE_STATE": str(folder / "state"),
            "PIBRAMBLE_CACHE": str(folder / "cache"),
        }
        self.write(CLUSTER)

    def write(self, text: str) -> None:
        (self.folder / "cluster.toml").write_text(text)

    def build(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.pibramble("card", "build", *words)

    def pibramble(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "pibramble", *words]
        return subprocess.run(
            argv, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def stock(self, worker: int, *, with_head: bool = False) -> None:
        """Put toys into the cache for what the nodes' cards would be made from."""
        plan = resolve(load.load(self.folder / "cluster.toml").cluster)
        for node in (plan.workers[worker], *([plan.head] if with_head else [])):
            key = recipe.recipe_for(plan, node).key
            base.make(key, "a toy", functools.partial(fill_base, key=key), SilentProgress())

    def store_of(self, node: str) -> Path:
        """Return the file in which a node's card is kept."""
        [path] = (self.folder / "state").glob(f"*/cards/{node}.delta")
        return path

    def reused(self, *words: str) -> list[bool]:
        done = self.build(*words, "--json")
        assert done.returncode == Exit.OK, done.stderr
        return [card["reused"] for card in json.loads(done.stdout)]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path / "desk")
    monkeypatch.setenv("PIBRAMBLE_CACHE", made.environment["PIBRAMBLE_CACHE"])
    made.stock(0, with_head=True)
    return made


def test_all_cards_then_none_then_what_changed(desk: Desk) -> None:
    assert desk.reused() == [False] * 4
    assert desk.reused() == [True] * 4
    assert desk.reused("zero2", "--anew") == [False]
    desk.write(CLUSTER + '\n[nodes.zero2]\naddress = "192.168.7.77"\n')
    # The others have it in their hosts file.
    assert desk.reused() == [False] * 4


def test_a_table_says_what_was_made(desk: Desk) -> None:
    done = desk.build("zero[1-2]")
    assert done.returncode == Exit.OK, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["BASE", "STATE", "PACKAGES", "MPICH", "STORED"]
    assert " 4.2.1 " in lines[1]
    assert "there already" in lines[1]
    assert [line.split()[0] for line in lines[3:]] == ["NODE", "zero1", "zero2"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("zero9",), Exit.WRONG, "zero9"),
        (
            ("--mirror", "ftp.example.org", "zero1"),
            Exit.OK,
            "--mirror ftp.example.org is not asked for trixie-armel-worker-",
        ),
        (
            ("--mirror", "ftp.example.org", "zero1", "--anew-bases"),
            Exit.WRONG,
            "ftp.example.org is no address of a mirror",
        ),
        (("zero1", "zero2"), Exit.WRONG, "zero2"),
    ],
)
def test_what_is_wrong_is_said(desk: Desk, words: tuple[str, ...], code: Exit, said: str) -> None:
    done = desk.build(*words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_base_that_lacks_updates_says_so_each_time(desk: Desk) -> None:
    plan = resolve(load.load(desk.folder / "cluster.toml").cluster)
    key = recipe.recipe_for(plan, plan.workers[0]).key
    remarks = ("made from the suite stable: trixie names more", "made without trixie-updates: gone")
    fill = functools.partial(fill_base, key=key, remarks=remarks)
    base.make(key, "a toy", fill, SilentProgress(), anew=True)
    for _ in range(2):
        [said] = [line for line in desk.build("zero1").stderr.splitlines() if key in line and "made " in line]
        assert said == (
            f"pibramble: {key}: made from the suite stable; made without trixie-updates. "
            "On another day `pibramble card build --anew-bases` may make a better one"
        )


def test_a_base_that_cannot_be_made_again_today_stays(desk: Desk) -> None:
    assert desk.reused("zero1") == [False]
    refused = desk.build("zero1", "--anew-bases", "--mirror", "file:/nowhere")
    assert refused.returncode in {Exit.FAILED, Exit.MISSING}  # where armel cannot be run, that is said first
    assert "Traceback" not in refused.stderr
    assert desk.reused("zero1") == [True]
    assert not list((desk.folder / "cache" / "bases").glob(".making-*"))


def test_nodes_whose_mpichs_differ_get_no_cards(desk: Desk) -> None:
    """The head's base is there, with an older MPICH; the worker's is found with a newer one."""
    desk.write(CLUSTER.replace('"zero[1-3]"', '"two"\nboard = "pi-zero-2w"'))
    plan = resolve(load.load(desk.folder / "cluster.toml").cluster)
    key = recipe.recipe_for(plan, plan.workers[0]).key
    base.make(key, "a toy", functools.partial(fill_base, key=key, mpich="4.3.0-1"), SilentProgress())
    done = desk.build("two")
    assert done.returncode == Exit.FAILED
    assert "the version must be the same on all nodes" in done.stderr
    assert "MPICH 4.2.1    head (over trixie-armel-head-" in done.stderr
    assert "MPICH 4.3.0    two (over trixie-arm64-worker-compiler-" in done.stderr
    assert not list((desk.folder / "state").rglob("*.delta"))


def test_an_mpich_of_ones_own_that_is_not_there_is_told_with_its_line(desk: Desk) -> None:
    desk.write('[mpi]\nsource = "mpich-4.2.3.tar.gz"\n\n' + CLUSTER)
    done = desk.build("zero1")
    assert done.returncode == Exit.FAILED
    assert "cluster.toml:2:10: " in done.stderr
    assert "mpich-4.2.3.tar.gz cannot be read: No such file" in done.stderr


def test_a_pc_has_no_card(desk: Desk) -> None:
    desk.write(CLUSTER + '\n[head]\nboard = "pc"\n')
    done = desk.build("head")
    assert done.returncode == Exit.WRONG
    assert "head is a pc, which starts from no card" in done.stderr
    desk.stock(0)  # a PC's programs do not run on the worker, which so needs a compiler of its own
    assert desk.reused() == [False] * 3


def test_a_mirror_that_is_none_is_refused_before_anything_begins(desk: Desk) -> None:
    desk.write(CLUSTER.replace("[[workers]]", '[[workers]]\nboard = "pi-zero-2w"'))
    done = desk.build("zero1", "--mirror", "ftp.example.org")
    assert done.returncode in {Exit.WRONG, Exit.MISSING}  # where arm64 cannot be run, that is said first
    assert "Traceback" not in done.stderr


# --- Cards from an image ----------------------------------------------------------------------------------------------

WITH_IMAGE = CLUSTER + 'image = "downloads/raspios.img.xz"\n'


@pytest.fixture
def with_image(desk: Desk) -> Desk:
    """The workers' cards are to be made from an image; the head's from Debian."""
    downloads = desk.folder / "downloads"
    packed = images.pack(images.make(downloads / "made", images.TRIXIE), "xz")
    packed.rename(downloads / "raspios.img.xz")
    desk.write(WITH_IMAGE)
    return desk


def test_cards_from_an_image_beside_cards_from_debian(with_image: Desk) -> None:
    done = with_image.build()
    assert done.returncode == Exit.OK, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line}
    assert "raspios-trixie-armhf-" in rows["zero1"]
    assert "trixie-armel-head-" in rows["head"]
    [base_row] = [line for name, line in rows.items() if name.startswith("raspios")]
    assert "made in" in base_row
    assert with_image.reused() == [True] * 4
    listed = with_image.pibramble("card", "list")
    assert "up to date" in listed.stdout
    assert "raspios-trixie-armhf-" in listed.stdout
    shown = with_image.pibramble("card", "files", "zero1").stdout
    assert "/etc/cloud/cloud-init.disabled" in shown
    assert "rpi-resize.service" in shown
    card = with_image.folder / "zero1.img"
    assert with_image.pibramble("card", "export", "zero1", str(card)).returncode == Exit.OK
    looked = with_image.pibramble("card", "inspect", str(card))
    assert looked.returncode == Exit.OK, looked.stdout + looked.stderr
    assert "as planned" in looked.stdout
    target = with_image.folder / "device"
    target.touch()
    with target.open("r+b") as stream:
        stream.truncate(card.stat().st_size + (64 << 20))
    written = with_image.pibramble("card", "write", "zero1", str(target), "--yes")
    assert written.returncode == Exit.OK, written.stdout + written.stderr
    with target.open("rb") as there, card.open("rb") as wanted:
        assert there.read(64 << 20) == wanted.read(64 << 20)


def test_a_base_of_an_image_is_made_again_when_told(with_image: Desk) -> None:
    assert with_image.reused("zero1") == [False]
    [before] = (with_image.folder / "cache" / "bases").glob("raspios-*")
    stamp = before.stat().st_ino
    done = with_image.build("zero[1-2]", "--anew-bases")
    assert done.returncode == Exit.OK, done.stderr
    [row] = [line for line in done.stdout.splitlines() if line.startswith("raspios-")]
    assert "made in" in row
    assert done.stderr.count("Taking raspios.img.xz apart") == 1
    assert before.stat().st_ino != stamp
    assert "up to date" in with_image.pibramble("card", "list").stdout


def test_a_head_from_an_image_gets_what_its_receiver_and_its_consoles_need_and_no_engine(desk: Desk) -> None:
    image = images.make(desk.folder / "made", images.TRIXIE)
    # A base of that image with these lists, and no other, is in the cache: the card is made from it or not at all.
    wanted = attrs.evolve(imagebase.read(image, SilentProgress()), more=("gps", "consoles"))
    key = f"raspios-trixie-armhf-{wanted.suffix}"
    base.make(key, "a toy", functools.partial(fill_base, key=key), SilentProgress())
    head = f'[head]\nboard = "pi-3b"\nimage = "made/{image.name}"\n\n[containers]\nengine = "docker-swarm"\n\n'
    receiver = '[gps]\nport = "/dev/serial/by-path/receiver"\n\n'
    console = '[[consoles]]\nname = "sw1"\nport = "/dev/serial/by-path/switch"\n\n'
    desk.write(head + receiver + console + CLUSTER)
    done = desk.build("head", "--json")
    assert done.returncode == Exit.OK, done.stderr
    assert [card["base"] for card in json.loads(done.stdout)] == [key]


def test_an_image_that_is_not_there_is_said_with_its_path(with_image: Desk) -> None:
    (with_image.folder / "downloads/raspios.img.xz").unlink()
    done = with_image.build("zero1")
    assert done.returncode == Exit.WRONG
    assert f"the image {Path('downloads/raspios.img.xz')} is not there" in done.stderr
    assert "relative to the folder of that file" in done.stderr


def test_an_image_for_other_boards_is_refused_before_any_card_is_made(desk: Desk) -> None:
    files = {**images.tree(images.TRIXIE), "usr/bin/dash": images.ARM64_PROGRAM.decode("latin-1")}
    image = images.make(desk.folder / "made", images.TRIXIE, files=files)
    desk.write(CLUSTER + f'image = "made/{image.name}"\n')
    done = desk.build("zero1")
    assert done.returncode == Exit.FAILED
    assert "64-bit programs for ARM64, which do not run on zero1" in done.stderr
    assert "Traceback" not in done.stderr
