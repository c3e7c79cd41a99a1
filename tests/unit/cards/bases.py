"""Toy bases: the parts of a Debian system that cards change, in a few hundred kB."""

from __future__ import annotations

from pathlib import Path

import attrs

from tests.unit.cards import disks


@attrs.frozen
class ToyBase:
    """What assembly needs of a base system."""

    key: str
    root: Path
    boot: Path


def make_base(folder: Path, *, size: str = "64M", key: str = "toy", boot: dict[str, str] | None = None) -> ToyBase:
    tree = disks.make_tree(folder / "tree", disks.TREE)
    root = disks.make_ext4(folder / "root.ext4", tree, size=size)
    return ToyBase(key, root, disks.make_tree(folder / "boot", disks.BOOT if boot is None else boot))
