"""Cards as files: the raw image reads like the card, and QEMU's own tool finds the qcow2 sound and the same."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from pibramble.cards import export
from pibramble.errors import PibrambleError
from pibramble.progress import SilentProgress
from tests.unit.cards import disks
from tests.unit.cards.conftest import Workshop

needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed (qemu-utils)")


def test_a_raw_export_reads_like_the_card_and_keeps_its_holes(workshop: Workshop, tmp_path: Path) -> None:
    path = tmp_path / "zero1.img"
    with workshop.store.image("zero1") as image:
        export.raw(image, path, SilentProgress())
        assert path.stat().st_size == image.size_bytes
    disks.run("cmp", path, workshop.image("zero1", tmp_path / "reference.img"))
    facts = path.stat()
    assert facts.st_blocks * 512 < 40 << 20
    assert stat.S_IMODE(facts.st_mode) == 0o600


@needs_qemu
@pytest.mark.parametrize("node", ["head", "zero1"])
def test_a_qcow2_is_sound_and_the_same_disk(workshop: Workshop, tmp_path: Path, node: str) -> None:
    path = tmp_path / "card.qcow2"
    with workshop.store.image(node) as image:
        export.overlay(image, path)
    disks.run("qemu-img", "check", path)
    disks.run("qemu-img", "compare", path, workshop.image(node, tmp_path / "reference.img"))
    assert path.stat().st_size < 8 << 20


@needs_qemu
def test_a_qcow2_can_be_as_large_as_a_real_card(workshop: Workshop, tmp_path: Path) -> None:
    path = tmp_path / "card.qcow2"
    with workshop.store.image("zero1") as image:
        export.overlay(image, path, size_bytes=32 << 30)
        with pytest.raises(PibrambleError, match="too small"):
            export.overlay(image, path, size_bytes=1 << 20)
    disks.run("qemu-img", "check", path)
    facts = json.loads(disks.run("qemu-img", "info", "--output=json", path))
    assert (facts["virtual-size"], facts["backing-filename-format"]) == (32 << 30, "raw")


def test_what_cannot_be_written_leaves_nothing(workshop: Workshop, tmp_path: Path) -> None:
    with workshop.store.image("zero1") as image, pytest.raises(PibrambleError, match="cannot be written"):
        export.raw(image, tmp_path / "nowhere" / "card.img", SilentProgress())
    assert list(tmp_path.iterdir()) == []
