"""Toy bases: the parts of a Debian system that cards change, in a few hundred kB."""

from __future__ import annotations

from pathlib import Path

import attrs

from pibramble.cards import base
from pibramble.catalog.model import Architecture
from tests.unit.cards import disks


@attrs.frozen
class ToyBase:
    """What assembly needs of a base system."""

    key: str
    root: Path
    boot: Path

    def verify(self) -> None:
        """Nobody has kept what it was made with."""


def make_base(
    folder: Path,
    *,
    size: str = "64M",
    key: str = "toy",
    boot: dict[str, str] | None = None,
    more: dict[str, str] | None = None,
) -> ToyBase:
    folder.mkdir(exist_ok=True)
    tree = disks.make_tree(folder / "tree", {**disks.TREE, **(more or {})})
    root = disks.make_ext4(folder / "root.ext4", tree, size=size)
    return ToyBase(key, root, disks.make_tree(folder / "boot", disks.BOOT if boot is None else boot))


def fill_base(
    scratch: Path,
    key: str,
    *,
    mpich: str = "4.2.1",
    remarks: tuple[str, ...] = (),
    more: dict[str, str] | None = None,
) -> None:
    """Make a toy base as `base.make` wants it, in its scratch folder."""
    made = make_base(scratch / "toy", key=key, more=more)
    made.root.rename(scratch / "root.ext4")
    made.boot.rename(scratch / "boot")
    base.write_manifest(scratch, key, Architecture.ARMV6, "trixie", {"mpich": mpich}, remarks, 1.5)
