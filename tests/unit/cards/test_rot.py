"""A base in the cache whose bytes change by themselves, size and time kept: noticed by whoever reads them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pibramble.cards import base, foundation
from pibramble.cards.foundation import DamagedError
from pibramble.cards.image import GRAIN_BYTES, Image, RawImage
from pibramble.errors import Exit, PibrambleError
from pibramble.progress import SilentProgress
from tests.unit.cards.bases import fill_base
from tests.unit.cards.conftest import Workshop
from tests.unit.cards.test_build_command import Desk, desk  # noqa: F401 (a fixture)
from tests.unit.cards.test_store import own  # noqa: F401 (a fixture)

QUIET = SilentProgress()
REACHED = b"#!/bin/sh\n" * 3  # in the root of the toys, where no card puts anything


def rot(path: Path, at: int, data: bytes = b"rot") -> None:
    before = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def where(image: Path) -> int:
    """Return where the disk holds what only the base has."""
    with RawImage(image) as raw:
        for extent in raw.extents():
            if (found := raw.read(extent.offset, extent.length).find(REACHED)) >= 0:
                return extent.offset + found
    raise AssertionError


def read_all(image: Image) -> None:
    for extent in image.extents():
        image.read(extent.offset, extent.length)


def disk_of(desk: Desk, node: str) -> Path:  # noqa: F811
    cards = {card["node"]: card["head"] for card in json.loads(desk.pibramble("card", "list", "--json").stdout)}
    return desk.folder / "cache" / "foundations" / str(cards[node]["base"]) / "disk.img"


@pytest.fixture
def rotten(desk: Desk) -> Desk:  # noqa: F811
    """Cards over a shared disk of which three bytes have changed."""
    assert desk.build("zero[1-2]").returncode == Exit.OK
    disk = disk_of(desk, "zero1")
    rot(disk, where(disk))
    assert desk.pibramble("card", "list").stdout.count("up to date") == 2  # size and time tell nothing
    return desk


def test_a_card_is_not_written_over_a_base_that_has_changed_and_the_next_build_mends_it(rotten: Desk) -> None:
    slot = rotten.folder / "slot"
    with slot.open("wb") as file:
        file.truncate(1_200_000_000)
    words = ("card", "write", "zero1", "slot", "--yes")
    refused = rotten.pibramble(*words)
    assert refused.returncode == Exit.FAILED
    assert "the base of zero1's card is damaged" in refused.stderr
    assert "`pibramble card build zero1` makes it anew" in refused.stderr
    assert "The card is not usable as it is" in refused.stderr
    assert "Traceback" not in refused.stderr
    with slot.open("rb") as file:
        assert file.read(512) == bytes(512)  # nothing boots from it
    assert "base changed" in rotten.pibramble("card", "list").stdout
    assert rotten.build("zero1").returncode == Exit.OK
    done = rotten.pibramble(*words)
    assert done.returncode == Exit.OK, done.stderr
    assert "as planned" in rotten.pibramble("card", "inspect", "slot").stdout


def test_with_several_cards_no_other_card_is_asked_for(rotten: Desk) -> None:
    with (rotten.folder / "slot").open("wb") as file:
        file.truncate(1_200_000_000)
    done = rotten.pibramble("card", "write", "zero1,zero2", "slot", "--yes")
    assert done.returncode == Exit.FAILED
    assert "written: none; not written: zero1, zero2" in done.stderr
    assert "put in" not in done.stderr


def test_it_is_no_good_card(rotten: Desk) -> None:
    done = rotten.pibramble("card", "verify", "zero1")
    assert done.returncode == Exit.FAILED
    assert "bad" in done.stdout
    assert "the base of zero1's card is damaged" in done.stderr


@pytest.mark.parametrize("name", ["zero1.img", "zero1.qcow2"])
def test_it_is_not_exported(rotten: Desk, name: str) -> None:
    done = rotten.pibramble("card", "export", "zero1", name)
    assert done.returncode == Exit.FAILED
    assert "the base of zero1's card is damaged" in done.stderr
    assert not list(rotten.folder.glob("*zero1*"))


def test_every_byte_counts_that_is_read(own: Workshop) -> None:  # noqa: F811
    """The first and the last block, blocks with a node's differences in them, and a hole that is one no more."""
    made = foundation.load("toy")
    assert made is not None
    facts = made.folder / "made.json"
    kept, size = facts.read_bytes(), made.image.stat().st_size
    with own.store.image("zero1") as image:
        changed = image.differences[len(image.differences) // 2].offset
        holes = [extent.end + 5 * GRAIN_BYTES for extent in image.extents()][1:-1]
    for at in (1, where(made.image), changed // GRAIN_BYTES * GRAIN_BYTES + 1, holes[0], size - 1):
        with RawImage(made.image) as raw:
            before = raw.read(at, 1)
        rot(made.image, at, bytes([before[0] ^ 1]))
        assert foundation.load("toy") is not None
        with (
            own.store.image("zero1") as image,
            pytest.raises(DamagedError, match=rf"byte {at // GRAIN_BYTES * GRAIN_BYTES}\b"),
        ):
            read_all(image)
        assert foundation.load("toy") is None
        rot(made.image, at, before)
        facts.write_bytes(kept)
    with own.store.image("zero1") as image:
        image.check_base()


def test_small_reads_are_checked_as_well(own: Workshop) -> None:  # noqa: F811
    made = foundation.load("toy")
    assert made is not None
    at = where(made.image)
    rot(made.image, at)
    with own.store.image("zero1") as image, pytest.raises(DamagedError):
        image.read(at - 8, 4)  # in the same block


def test_the_checksums_themselves_may_be_what_is_damaged(own: Workshop) -> None:  # noqa: F811
    made = foundation.load("toy")
    assert made is not None
    assert made.sums is not None
    rot(made.sums, 4 * (where(made.image) // GRAIN_BYTES))
    with own.store.image("zero1") as image, pytest.raises(DamagedError):
        image.check_base()
    assert foundation.ensure(own.base, QUIET).digest == made.digest


def test_a_foundation_of_before_has_no_checksums_and_is_used(own: Workshop) -> None:  # noqa: F811
    made = foundation.load("toy")
    assert made is not None
    assert made.sums is not None
    made.sums.unlink()
    assert foundation.load("toy") is None  # where it had some, they must be there
    facts = json.loads((made.folder / "made.json").read_text())
    del facts["stamps"]["disk.sums"], facts["root_stamp"]
    (made.folder / "made.json").write_text(json.dumps(facts))
    again = foundation.ensure(own.base, QUIET)
    assert again.sums is None
    with own.store.image("zero1") as image:
        image.check_base()


def test_a_foundation_is_not_made_from_a_base_that_has_changed(private_cache: Path) -> None:
    private_cache.mkdir()
    made = base.make("toy", "a toy", lambda scratch: fill_base(scratch, "toy"), QUIET)
    rot(made.root, 5000)
    with pytest.raises(PibrambleError, match=r"the base toy is damaged: root\.ext4") as caught:
        foundation.ensure(made, QUIET)
    assert "--anew-bases" in caught.value.hint
    assert foundation.load("toy") is None
    again = base.make("toy", "a toy", lambda scratch: fill_base(scratch, "toy"), QUIET, anew=True)
    assert foundation.ensure(again, QUIET).key == "toy"


def test_a_foundation_follows_a_base_that_was_made_anew(private_cache: Path) -> None:
    private_cache.mkdir()
    first = foundation.ensure(base.make("toy", "a toy", lambda scratch: fill_base(scratch, "toy"), QUIET), QUIET)

    def other(scratch: Path) -> None:
        fill_base(scratch, "toy", more={"etc/issue": "another day's packages\n"})

    assert base.make("toy", "a toy", other, QUIET).key == "toy"  # there already: not made again
    kept = foundation.load("toy")
    assert kept is not None
    assert kept.digest == first.digest
    again = foundation.ensure(base.make("toy", "a toy", other, QUIET, anew=True), QUIET)
    assert again.digest != first.digest
    now = foundation.load("toy")
    assert now is not None
    assert now.digest == again.digest


def test_a_base_stays_when_it_could_not_be_made_anew(private_cache: Path) -> None:
    private_cache.mkdir()
    made = base.make("toy", "a toy", lambda scratch: fill_base(scratch, "toy"), QUIET)

    def fail(_scratch: Path) -> None:
        raise PibrambleError("the mirror does not answer")

    with pytest.raises(PibrambleError, match="does not answer"):
        base.make("toy", "a toy", fail, QUIET, anew=True)
    assert base.load("toy") == made
