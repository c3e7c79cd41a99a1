"""Cards: sixteen from a warm base beside copying their images; one written and verified beside dd and bmaptool."""

from __future__ import annotations

import functools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import limits
from common import PIBRAMBLE, Measured, Row, alone, alternate, output, seconds

from pibramble.cards import base, recipe
from pibramble.catalog.model import Architecture
from pibramble.plan.resolve import resolve
from pibramble.progress import SilentProgress
from pibramble.spec import load

_CARDS = 16
_ROUNDS = 3
_MIB = 1024 * 1024
_CONTENT_MIB = 300  # as much as Debian's root for a Zero holds
_FILES = 3000
_CARD_MB = 2000  # the medium, most of which stays empty
_LARGE_GIB = 16  # a root as large as a card: what its size alone costs
_CLUSTER = f'[cluster]\nname = "bench"\n\n[[workers]]\nname = "zero[1-{_CARDS}]"\n'
_SLOW_MB_S = 80  # a good SD card in a good reader; a slower one only makes the bytes count more
_SLOW_ROUNDS = 1
_MOST_STORED_MB, _MOST_MEMORY_MB = 10, 200


def measure() -> list[Row]:
    """Return the table's rows."""
    with _desk("640M") as folder:
        cards = ["card", "build", f"zero[1-{_CARDS}]"]
        output([PIBRAMBLE, *cards], cwd=folder)
        images = [folder / f"zero{number}.img" for number in range(1, _CARDS + 1)]
        for image in images:
            output([PIBRAMBLE, "card", "export", image.stem, str(image)], cwd=folder)
        rows = [*_many(folder, [*cards, "--anew"], images), *_one_image(folder, images[0])]
        for image in images[1:]:
            image.unlink()
        rows += [*_write(folder, images[0]), *_memory(folder, "a root of 640 MB")]
    with _desk(f"{_LARGE_GIB}G") as folder:
        output([PIBRAMBLE, "card", "build", "zero1"], cwd=folder)
        return [*rows, *_memory(folder, f"one of {_LARGE_GIB} GB")]


@contextmanager
def _desk(root_size: str) -> Iterator[Path]:
    """Make a folder with a cluster file, a state and a cache of its own, and a base in the cache."""
    before = dict(os.environ)
    # On the disk, not in memory: what is measured is mostly the disk.
    with tempfile.TemporaryDirectory(prefix="pibramble-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        os.environ |= {"PIBRAMBLE_CACHE": str(folder / "cache"), "PIBRAMBLE_STATE": str(folder / "state")}
        try:
            (folder / "cluster.toml").write_text(_CLUSTER, encoding="utf-8")
            _make_base(folder, root_size)
            yield folder
        finally:
            os.environ.clear()
            os.environ |= before


def _many(folder: Path, build: list[str], images: list[Path]) -> list[Row]:
    copies = folder / "copies"

    def copy() -> float:
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir()
        os.sync()
        return seconds(["cp", "--sparse=always", *map(str, images), str(copies)])

    both = alternate(
        {"pibramble card build --anew": lambda: seconds([PIBRAMBLE, *build], cwd=folder), "cp --sparse=always": copy},
        _ROUNDS,
    )
    shutil.rmtree(copies)
    ours, rival = both.values()
    largest_mb = max(path.stat().st_blocks * 512 for path in folder.rglob("*.delta")) / 1e6
    return [
        Row(f"{_CARDS} cards from a warm base", ours, rival, goal_ratio=0.5),
        Row("the largest of them, on disk", Measured("", (largest_mb,), "MB"), goal_most=_MOST_STORED_MB),
    ]


def _one_image(folder: Path, image: Path) -> list[Row]:
    """Put one image together from ready partitions, as genimage does; ours is whole after `export`."""
    parts, built = folder / "parts", folder / "built"
    parts.mkdir()
    built.mkdir()
    starts = [
        int(line.split("start=")[1].split(",")[0])
        for line in output(["sfdisk", "-d", str(image)]).splitlines()
        if "start=" in line
    ]
    for name, start, end in (
        ("boot.vfat", starts[0], starts[1]),
        ("root.ext4", starts[1], image.stat().st_size // 512),
    ):
        where = [f"if={image}", f"of={parts / name}", "bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes"]
        output(["dd", *where, f"skip={start * 512}", f"count={(end - start) * 512}"])
    partitions = "".join(
        f'  partition {name.split(".")[0]} {{ image = "{name}" partition-type = {kind} }}\n'
        for name, kind in (("boot.vfat", "0xC"), ("root.ext4", "0x83"))
    )
    config = folder / "genimage.cfg"
    config.write_text(f"image card.img {{\n  hdimage {{}}\n{partitions}}}\n", encoding="utf-8")
    empty, scratch = folder / "empty", folder / "scratch"
    empty.mkdir()
    paths = {"rootpath": empty, "tmppath": scratch, "inputpath": parts, "outputpath": built, "config": config}
    genimage = ["genimage", *(f"--{name}={path}" for name, path in paths.items())]

    def rival() -> float:
        shutil.rmtree(scratch, ignore_errors=True)
        return seconds(genimage)

    whole = ["card", "export", "zero1", str(folder / "whole.img"), "--force"]

    def ours() -> float:
        return sum(seconds([PIBRAMBLE, *words], cwd=folder) for words in (["card", "build", "zero1", "--anew"], whole))

    both = alternate({"pibramble": ours, "genimage": rival}, _ROUNDS)
    return [Row("one image, node files in it (genimage: none)", both["pibramble"], both["genimage"])]


def _write(folder: Path, image: Path) -> list[Row]:
    """Write the card, less than half of which is data, to a file on the disk, and compare it."""
    device = _medium(folder)
    bmap = folder / "card.bmap"
    with bmap.open("w", encoding="utf-8") as file:
        subprocess.run(["bmaptool", "create", str(image)], stdout=file, check=True)
    quoted = f"'{image}' '{device}'"
    compare = f"cmp -n $(stat -c %s '{image}') {quoted}"
    write = f"dd if='{image}' of='{device}' bs=4M conv=fsync,notrunc"
    # So that cmp reads the disk, as ours does.
    forget = f"dd of='{device}' oflag=nocache conv=notrunc,fdatasync count=0"
    rivals = {
        "dd, cmp": f"{write} && {compare}",
        "dd, cmp of the disk": f"{write} && {forget} && {compare}",
        "bmaptool, cmp": f"bmaptool -q copy --bmap '{bmap}' {quoted} && {compare}",
    }
    ours = [PIBRAMBLE, "card", "write", "zero1", str(device), "--yes"]
    contenders = {
        "pibramble": functools.partial(seconds, ours, cwd=folder),
        **{name: functools.partial(seconds, ["sh", "-c", script]) for name, script in rivals.items()},
    }
    found = alternate(contenders, _ROUNDS)
    share = 100 * image.stat().st_blocks * 512 / image.stat().st_size
    what = f"write and verify a card, {share:.0f} % of it data"
    return [
        Row(what, found["pibramble"], found["dd, cmp"], goal_ratio=0.5),
        Row(what, found["pibramble"], found["dd, cmp of the disk"]),
        Row(what, found["pibramble"], found["bmaptool, cmp"]),
        *_write_slowly(folder, image, device, what),
    ]


def _write_slowly(folder: Path, image: Path, device: Path, what: str) -> list[Row]:
    """Do the same on a disk as slow as a card; dd goes past the page cache there, so that cmp reads the disk too."""
    try:
        with limits.slow_disk(device, _SLOW_MB_S) as (disk, slowed):
            compare = f"cmp -n $(stat -c %s '{image}') '{image}' {disk}"
            script = f"dd if='{image}' of={disk} bs=4M oflag=direct conv=fsync && {compare}"
            ours = [*slowed, PIBRAMBLE, "card", "write", "zero1", disk, "--yes", "--not-removable"]
            contenders = {
                "pibramble": functools.partial(seconds, ours, cwd=folder),
                "dd, cmp": functools.partial(seconds, [*slowed, "sh", "-c", script]),
            }
            found = alternate(contenders, _SLOW_ROUNDS)
    except RuntimeError as error:
        print(f"  {error}", file=sys.stderr)
        return []
    return [Row(f"{what}; {_SLOW_MB_S} MB/s", found["pibramble"], found["dd, cmp"], goal_ratio=0.5)]


def _medium(folder: Path, megabytes: int = _CARD_MB) -> Path:
    device = folder / "device"
    with device.open("wb") as file:
        file.truncate(megabytes * _MIB)
    return device


def _memory(folder: Path, what: str) -> list[Row]:
    """Return how much memory the two verbs need that touch everything."""
    size_mib = (_LARGE_GIB + 1) * 1024
    verbs = {
        "build": ["card", "build", "zero1", "--anew"],
        "write": ["card", "write", "zero1", str(_medium(folder, size_mib)), "--yes"],
    }
    try:
        needed = {verb: limits.least_memory_mb([PIBRAMBLE, *words], folder) for verb, words in verbs.items()}
    except RuntimeError as error:
        print(f"  {error}", file=sys.stderr)
        return []
    return [
        Row(f"memory of card {verb}, {what}", Measured("", (most,), "MB"), goal_most=_MOST_MEMORY_MB)
        for verb, most in needed.items()
    ]


def _make_base(folder: Path, root_size: str) -> None:
    """Put a base into the cache that weighs what Debian's does, under the key that the cluster's workers ask for."""
    plan = resolve(load.load(folder / "cluster.toml").cluster)
    key = recipe.recipe_for(plan, plan.workers[0]).key
    fill = functools.partial(_fill, key=key, root_size=root_size)
    base.make(key, "a base that weighs what Debian's does", fill, SilentProgress())


def _fill(scratch: Path, key: str, root_size: str) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.unit.cards import disks

    tree = disks.make_tree(scratch / "tree", disks.TREE)
    chance = random.Random(1)  # noqa: S311 (the same content each time)
    (tree / "usr/lib").mkdir(parents=True)
    for number in range(_FILES):
        (tree / f"usr/lib/{number}").write_bytes(chance.randbytes(_CONTENT_MIB * _MIB // _FILES))
    disks.make_ext4(scratch / "root.ext4", tree, size=root_size)
    disks.make_tree(scratch / "boot", disks.BOOT)
    base.write_manifest(scratch, key, Architecture.ARMV6, "trixie", {}, (), 0.0)


if __name__ == "__main__":
    alone(measure)
