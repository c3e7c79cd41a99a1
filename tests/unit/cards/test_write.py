"""Writing and verifying: real images onto files that were used before, and onto cards that fail."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from pibramble.cards.image import Extent, ImageError, RawImage
from pibramble.cards.medium import OpenDisk
from pibramble.cards.verify import VerifyError, verify
from pibramble.cards.write import WriteError, schedule, write
from pibramble.errors import PibrambleError
from pibramble.progress import SilentProgress, Step
from tests.unit.cards.media import MIB, SYSTEM, DyingDisk, FaultyCard, card_image, dying_disk, sparse, used_card

QUIET = SilentProgress()
DATA = os.urandom(5 * MIB)


@pytest.fixture
def image(tmp_path: Path) -> Iterator[RawImage]:
    """12 MiB, two regions of data, no partition table: nothing of it is known to be free."""
    with RawImage(sparse(tmp_path / "i.img", 12 * MIB, (0, DATA[:8192]), (6 * MIB, DATA))) as opened:
        yield opened


def test_a_used_card_holds_the_image_and_no_partition_table_of_before(image: RawImage, tmp_path: Path) -> None:
    card = used_card(tmp_path / "card", 16 * MIB)
    with OpenDisk(card) as disk:
        verify(disk, write(image, disk, QUIET), QUIET)
    content = card.read_bytes()
    assert content[: 12 * MIB] == image.path.read_bytes()
    assert content[15 * MIB :] == bytes(MIB)  # where a GPT keeps its backup
    assert len(content) == 16 * MIB


@pytest.mark.parametrize("gpt", [False, True], ids=["DOS", "GPT"])
def test_a_written_card_is_clean_to_the_file_systems_own_tools(tmp_path: Path, *, gpt: bool) -> None:
    path, card = card_image(tmp_path / "i.img", gpt=gpt), used_card(tmp_path / "card", 128 * MIB)
    with RawImage(path) as source, OpenDisk(card) as disk:
        verify(disk, write(source, disk, QUIET), QUIET)
    for name, offset, check in (("boot", MIB, ["fsck.fat", "-n"]), ("root", 41 * MIB, ["e2fsck", "-fn"])):
        part = tmp_path / name
        with card.open("rb") as stream:
            stream.seek(offset)
            part.write_bytes(stream.read((40 if name == "boot" else 56) * MIB))
        done = subprocess.run([*check, part], capture_output=True, text=True, check=False, env=SYSTEM)
        assert done.returncode == 0, done.stdout
    said = subprocess.run(
        ["debugfs", "-R", "cat /zeros", tmp_path / "root"], capture_output=True, check=True, env=SYSTEM
    )
    assert said.stdout == bytes(3 * MIB)  # a file of zeros is no hole that may hold what was there before


def test_only_free_space_keeps_what_was_there_before(tmp_path: Path) -> None:
    with RawImage(card_image(tmp_path / "i.img")) as source:
        work = schedule(source, 100 * MIB)
        written = sorted([*work.data, *work.zeros])
        assert sum(run.length for run in written) < 40 * MIB
        assert all(one.end <= other.offset for one, other in pairwise(written))


def test_the_partition_table_is_written_after_all_else_is_on_the_card(image: RawImage) -> None:
    card = FaultyCard()
    write(image, card, QUIET)
    assert card.writes[-1] == (0, 8192)
    assert len(card.writes) - 1 in card.flushes  # flushed right before it
    assert card.flushes[-1] == len(card.writes)


def test_holes_are_not_written_and_writes_are_large(image: RawImage) -> None:
    card = FaultyCard()
    write(image, card, QUIET)
    assert [run for run in card.writes if run[0]] == [(6 * MIB, 2 * MIB), (8 * MIB, 3 * MIB)]


class Counting(SilentProgress):
    """Remembers what each step was to do, and what it said that it had done."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int | None, list[int]]] = []

    @contextmanager
    def step(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Step]:
        told: list[int] = []
        self.steps.append((title, total, told))

        class Told:
            def advance(self, units: int = 1, note: str = "") -> None:  # noqa: ARG002
                told.append(units)

        assert unit == "B"
        yield Told()


def test_progress_counts_what_is_really_written_and_read_back(image: RawImage) -> None:
    """What only has to be zero takes a disk no time: it is not counted while writing, for nobody writes it."""

    class Counted(FaultyCard):
        def read(self, offset: int, buffer: memoryview) -> int:
            came = super().read(offset, buffer)
            came_back.append(came)
            return came

    came_back: list[int] = []
    card, progress = Counted(), Counting()
    written = write(image, card, progress)
    verify(card, written, progress)
    writing, verifying = progress.steps
    put = sum(length for _, length in card.writes)
    assert (writing[1], sum(writing[2])) == (put, put)
    assert written.data_bytes == put == 8192 + 5 * MIB
    assert (verifying[1], sum(verifying[2])) == (sum(came_back), sum(came_back))
    assert sum(came_back) == 13 * MIB  # the image, and where a GPT would be


def test_an_image_that_ends_within_a_block_is_filled_up_with_zeros(tmp_path: Path) -> None:
    card = FaultyCard(size_bytes=2 * MIB)
    with RawImage(sparse(tmp_path / "i.img", MIB + 700, (MIB, b"x" * 700))) as source:
        verify(card, write(source, card, QUIET), QUIET)
    assert card.content[MIB : MIB + 4096] == b"x" * 700 + bytes(4096 - 700)


def test_a_card_that_is_no_multiple_of_a_block_is_written_to_its_end(tmp_path: Path) -> None:
    content = os.urandom(5 * MIB + 512)
    source = tmp_path / "i.img"
    source.write_bytes(content)
    card = sparse(tmp_path / "card", 5 * MIB + 512)
    with RawImage(source) as opened, OpenDisk(card) as disk:
        verify(disk, write(opened, disk, QUIET), QUIET)
    assert card.read_bytes() == content


def test_short_writes_and_reads_are_gone_on_with(image: RawImage) -> None:
    card = FaultyCard(most_at_once=100_000)
    verify(card, write(image, card, QUIET), QUIET)
    assert card.content[: 12 * MIB] == image.path.read_bytes()


def test_a_card_that_takes_nothing_more_is_not_waited_for(image: RawImage) -> None:
    with pytest.raises(WriteError, match=r"is full at 6.29 MB"):
        write(image, FaultyCard(most_at_once=0), QUIET)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENODEV, "the card in /dev/faulty is gone: it was pulled out at 8.39 MB of writing it"),
        (errno.EIO, "writing /dev/faulty failed at 8.39 MB: Input/output error"),
        (errno.ENOSPC, "/dev/faulty is full at 8.39 MB"),
    ],
)
def test_a_failing_card_is_not_usable_and_does_not_boot(image: RawImage, number: int, said: str) -> None:
    card = FaultyCard(gone_at=9 * MIB, fails_with=number)
    with pytest.raises(WriteError, match=said) as caught:
        write(image, card, QUIET)
    assert "not usable" in caught.value.hint
    assert card.content[:MIB] == bytes(MIB)


def test_ctrl_c_leaves_a_card_without_a_partition_table(image: RawImage) -> None:
    class Interrupted(FaultyCard):
        def write(self, offset: int, data: memoryview) -> int:
            if offset >= 8 * MIB:
                raise KeyboardInterrupt
            return super().write(offset, data)

    card = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        write(image, card, QUIET)
    assert card.content[:MIB] == bytes(MIB)


def test_a_byte_that_a_card_does_not_keep_is_found_and_the_card_left_empty(image: RawImage) -> None:
    card = FaultyCard(rotten_byte=7 * MIB)
    written = write(image, card, QUIET)
    with pytest.raises(VerifyError, match=r"does not hold what was written to it, between 6.29 MB and 8.39 MB"):
        verify(card, written, QUIET)
    assert card.content[:MIB] == bytes(MIB)


def test_a_zero_that_a_card_does_not_keep_is_found(image: RawImage) -> None:
    card = FaultyCard(rotten_byte=3 * MIB)
    written = write(image, card, QUIET)
    with pytest.raises(VerifyError, match="does not hold"):
        verify(card, written, QUIET)


def test_a_card_that_is_smaller_than_it_says_is_found(image: RawImage) -> None:
    card = FaultyCard(size_bytes=16 * MIB, real_bytes=8 * MIB)
    written = write(image, card, QUIET)
    with pytest.raises(VerifyError, match="smaller than it says"):
        verify(card, written, QUIET)


def test_a_card_that_cannot_be_read_back_is_said(image: RawImage) -> None:
    card = FaultyCard(bad_from=10 * MIB)
    written = write(image, card, QUIET)
    with pytest.raises(WriteError, match=r"reading /dev/faulty failed at 8.39 MB: Input/output error"):
        verify(card, written, QUIET)


@pytest.fixture
def dying() -> Iterator[DyingDisk]:
    """16 MiB, a block device."""
    with dying_disk(16 * MIB) as disk:
        yield disk


def test_an_error_of_the_kernels_while_writing_is_said_and_the_card_does_not_boot(
    image: RawImage, dying: DyingDisk
) -> None:
    class WearsOut(OpenDisk):
        def write(self, offset: int, data: memoryview) -> int:
            if offset >= 8 * MIB:
                dying.take_nothing_more()
            return super().write(offset, data)

    failed = f"writing {dying.path} failed at 8.39 MB: Input/output error"
    with WearsOut(dying.path) as disk, pytest.raises(WriteError, match=failed) as caught:
        write(image, disk, QUIET)
    assert "not usable" in caught.value.hint
    assert os.pread(dying.memory, MIB, 0) == bytes(MIB)


def test_an_error_of_the_kernels_while_reading_back_is_said(image: RawImage, dying: DyingDisk) -> None:
    with OpenDisk(dying.path) as disk:
        written = write(image, disk, QUIET)
        assert os.pread(dying.memory, 12 * MIB, 0) == image.path.read_bytes()
        dying.lose(8 * MIB)
        with pytest.raises(WriteError, match=f"reading {dying.path} failed at 8.39 MB: Input/output error"):
            verify(disk, written, QUIET)


def test_a_card_too_small_is_not_touched(image: RawImage) -> None:
    card = FaultyCard(size_bytes=8 * MIB)
    with pytest.raises(PibrambleError, match=r"too small: it has 8.39 MB, .* needs 12.6 MB"):
        write(image, card, QUIET)
    assert card.content == b"\xa5" * 8 * MIB


def test_an_image_that_shrinks_meanwhile_leaves_a_card_that_does_not_boot(image: RawImage) -> None:
    class Shrinks(FaultyCard):
        def discard(self) -> None:
            os.truncate(image.path, 8 * MIB)

    card = Shrinks()
    with pytest.raises(ImageError, match="became shorter"):
        write(image, card, QUIET)
    assert card.content[:MIB] == bytes(MIB)


def test_the_whole_is_bounded_in_memory(tmp_path: Path) -> None:
    script = (
        "import re, sys; from pathlib import Path; from pibramble.cards.image import RawImage\n"
        "from pibramble.cards.medium import OpenDisk; from pibramble.cards.verify import verify\n"
        "from pibramble.cards.write import write; from pibramble.progress import SilentProgress as S\n"
        "with RawImage(Path(sys.argv[1])) as i, OpenDisk(Path(sys.argv[2])) as d: verify(d, write(i, d, S()), S())\n"
        "print(re.search(r'VmHWM:\\s*(\\d+) kB', Path('/proc/self/status').read_text())[1])"
    )
    peaks = []
    for size in (32 * MIB, 128 * MIB):
        source = used_card(tmp_path / "i.img", size)
        card = sparse(tmp_path / "card", size)
        argv: list[str | Path] = [sys.executable, "-c", script, source, card]
        peaks.append(int(subprocess.run(argv, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] < 100 * 1024
    assert peaks[1] - peaks[0] < 8 * 1024


def test_extents_of_a_schedule_end_with_the_card(image: RawImage) -> None:
    assert schedule(image, 16 * MIB).zeros[-1] == Extent(15 * MIB, MIB)
