"""Cards are written on a head, through a USB reader that its kernel calls removable, and pulled out meanwhile.

The cards are toys of some files: what is tried is the device. The command is the one that is on the head's card.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from tests.bases.builder import check_file_systems
from tests.emulator.bench import Bench, booted, made
from tests.emulator.reader import Reader, installed
from tests.unit.cards.test_build_command import Desk

pytestmark = [pytest.mark.emulator, pytest.mark.long, pytest.mark.timeout(3600)]

CLUSTER = """\
[cluster]
name = "reader"
id = "reader"

[head]
board = "pi-3b"

[[workers]]
name = "line"
board = "pi-zero-2w"
link = "serial"
head_port = "/dev/ttyAMA0"
baud = 921600
"""
_CARD_BYTES = 1_200_000_000
_SLOWLY = 200_000  # bytes a second


@attrs.frozen
class Head:
    """A head with cards of another cluster on it, and a reader at its USB port."""

    bench: Bench
    reader: Reader
    medium: Path

    def write(self, words: str, before: str = "") -> str:
        """Run `card write`; return what it said, and its exit code."""
        argv = f"{before} sudo env PIBRAMBLE_STATE=$PWD/state PIBRAMBLE_CACHE=$PWD/cache pibramble card write {words}"
        done = self.bench.on("head", f"cd desk && {argv} 2>&1; echo code $?", timeout_s=900)
        print(done)
        return done

    def disk(self) -> str:
        """Return the reader's disk, once the kernel has it."""
        return str(until(lambda: self.bench.on("head", "lsblk --nodeps --noheadings --output PATH | grep /sd || true")))

    def digest(self) -> str:
        with self.medium.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def until(found: Callable[[], object], timeout_s: float = 120) -> object:
    deadline = time.monotonic() + timeout_s
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(1)
    return value


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Head]:
    bench = made(tmp_path_factory, "reader", CLUSTER)
    folder = tmp_path_factory.mktemp("desk")
    with installed(folder, "reader") as reader, booted(bench, request.session):
        with pytest.MonkeyPatch.context() as patch:
            desk = Desk(folder / "desk")
            patch.setenv("PIBRAMBLE_CACHE", desk.environment["PIBRAMBLE_CACHE"])
            desk.stock(0)
            assert desk.build("zero[1-3]").returncode == 0
        packed = folder / "desk.tar.zst"
        # With holes, and with times to the nanosecond: a base is known by them.
        pack = ["tar", "--create", "--zstd", "--sparse", "--format=posix", f"--file={packed}", "desk"]
        subprocess.run(pack, cwd=folder, check=True)
        bench.ok("copy", str(packed), "head:", timeout_s=600)
        bench.on("head", "tar --extract --file=desk.tar.zst", timeout_s=300)
        yield Head(bench, reader, folder / "medium.img")


@pytest.fixture
def card(head: Head) -> Iterator[str]:
    """An empty card in the reader; the kernel's name for it."""
    head.medium.unlink(missing_ok=True)
    with head.medium.open("wb") as stream:
        stream.truncate(_CARD_BYTES)
    head.reader.put_in(head.medium)
    yield head.disk()
    head.reader.pull_out()
    head.reader.pace(0)
    until(lambda: not head.bench.on("head", "lsblk --nodeps --noheadings --output PATH | grep /sd || true"))


def test_a_card_in_a_reader_is_removable_and_shown_before_it_is_asked(head: Head, card: str) -> None:
    before = head.digest()
    assert head.bench.on("head", f"cat /sys/block/{Path(card).name}/removable") == "1"
    said = head.write(f"zero1 {card}' /dev/null", before="echo n | script -qec '")
    assert re.search(rf"{card}.*QEMU.*1\.2 GB", said), said
    assert f"Everything on {card} will be lost. Write the card of zero1" in said
    assert "nothing was written" in said
    assert "code 1" in said
    assert head.digest() == before


def test_it_is_written_and_verified_and_known_again(head: Head, card: str, tmp_path: Path) -> None:
    said = head.write(f"zero1 {card} --yes")
    assert re.search(rf"{card} is the card of zero1: [\d.]+ MB written and verified", said), said
    assert "code 0" in said
    shown = head.bench.on("head", f"cd desk && sudo env PIBRAMBLE_STATE=$PWD/state pibramble card inspect {card}")
    print(shown)
    assert "zero1" in shown
    assert "as planned" in shown
    image = tmp_path / "card.img"
    subprocess.run(["cp", "--sparse=always", head.medium, image], check=True)
    check_file_systems(image, tmp_path)
    # The kernel has read the new partition table, and who would write over it is told whose card it is.
    assert head.bench.on("head", f"lsblk --noheadings --raw --output NAME {card}").split()[1:] == [
        f"{Path(card).name}1",
        f"{Path(card).name}2",
    ]
    said = head.write(f"zero2 {card}' /dev/null", before="echo n | script -qec '")
    assert "it holds the card of zero1" in said, said


def test_a_card_that_is_mounted_is_refused(head: Head, card: str) -> None:
    assert "code 0" in head.write(f"zero1 {card} --yes")
    head.bench.on("head", f"sudo mount -o ro {card}2 /mnt")
    said = head.write(f"zero1 {card} --yes")
    head.bench.on("head", "sudo umount /mnt")
    assert f"{card} is in use: {Path(card).name}2 is mounted on /mnt" in said, said
    assert "umount" in said


@pytest.mark.parametrize("phase", ["writing", "reading"])
def test_a_card_that_is_pulled_out_is_said_to_be_gone(head: Head, card: str, phase: str) -> None:
    head.reader.pace(_SLOWLY)
    said: list[str] = []
    with_it = threading.Thread(target=lambda: said.append(head.write(f"zero1 {card} --yes")))
    with_it.start()
    column = {"writing": 7, "reading": 3}[phase]  # of the disk's `stat` in sysfs: sectors written, sectors read
    name = Path(card).name
    start = int(head.bench.on("head", f"awk '{{print ${column}}}' /sys/block/{name}/stat"))
    wanted = start + 1000  # half a megabyte, of some that a toy has
    until(lambda: int(head.bench.on("head", f"awk '{{print ${column}}}' /sys/block/{name}/stat")) > wanted)
    head.reader.pull_out()
    with_it.join(600)
    head.reader.put_in(head.medium)  # for the fixture
    head.disk()
    assert re.search(r"is gone: it was pulled out", said[0]), said
    assert "not usable as it is" in said[0]
    assert "code 1" in said[0]


def test_several_cards_are_written_as_they_are_put_in(head: Head, card: str, tmp_path: Path) -> None:
    said: list[str] = []
    words = f"'zero[1-2]' {card} --yes >walk.log"
    with_it = threading.Thread(target=lambda: said.append(head.write(words)))
    with_it.start()
    until(lambda: "take the card out" in head.bench.on("head", "cat desk/walk.log 2>/dev/null || true"))
    head.reader.pull_out()
    first = tmp_path / "first.img"
    head.medium.rename(first)
    until(lambda: not head.bench.on("head", f"ls {card} 2>/dev/null || true"))
    with head.medium.open("wb") as stream:
        stream.truncate(_CARD_BYTES)
    head.reader.put_in(head.medium)
    with_it.join(600)
    log = head.bench.on("head", "cat desk/walk.log")
    assert "code 0" in said[0], log
    for node, medium in (("zero1", first), ("zero2", head.medium)):
        assert f"{card} is the card of {node}" in log
        subprocess.run(["cp", "--sparse=always", medium, tmp_path / "card.img"], check=True)
        check_file_systems(tmp_path / "card.img", tmp_path)


def test_a_card_with_its_switch_on_is_refused(head: Head, card: str) -> None:
    head.reader.pull_out()
    head.reader.put_in(head.medium, read_only=True)
    said = head.write(f"zero1 {head.disk()} --yes")
    assert f"{card} is write-protected" in said, said
