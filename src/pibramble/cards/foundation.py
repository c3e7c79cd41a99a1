"""A base as the disk that all cards over it share: partition table, boot partition and root in one sparse image.

It is made once a base, kept beside the bases in the cache folder, and recognised as damaged when it is no longer as it
was made. Cards are differences from it (`delta.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import attrs

from pibramble import paths, proc
from pibramble.cards import ext4, layout, shelf, sums
from pibramble.cards.extents import aligned, pieces
from pibramble.cards.image import GRAIN_BYTES, ImageError, RawImage, write_sparse
from pibramble.cards.layout import Layout, Partition
from pibramble.cards.sums import CheckedImage
from pibramble.errors import PibrambleError
from pibramble.progress import Progress

_FACTS = "made.json"
_SUMS = "disk.sums"
_TIMEOUT_S = 600
_PIECE_BYTES = 4 * 1024 * 1024
_LEAST_FAT32_CLUSTERS = 66_000  # Microsoft's limit is 65,525; some way off it, as their paper advises


class Base(Protocol):
    """What is needed of a base system (`base.Base` is one)."""

    @property
    def key(self) -> str:
        """Return its name in the cache: the same recipe, the same key."""
        ...

    @property
    def root(self) -> Path:
        """Return the ext4 image of its root."""
        ...

    @property
    def boot(self) -> Path:
        """Return the folder of what is on its boot partition."""
        ...

    def verify(self) -> None:
        """Read everything and compare it with what was made. Raises PibrambleError."""
        ...


class DamagedError(ImageError):
    """A foundation that does not hold any more what it was made with."""


@attrs.frozen
class Foundation:
    """The shared disk of all cards over one base."""

    key: str
    folder: Path
    digest: str  # over all bytes of the image
    layout: Layout
    time_s: int  # what files that are put in bear; seconds since 1970
    root_stamp: tuple[int, ...] = ()  # of the base's root that it was made from; older ones do not say
    has_sums: bool = False  # older ones have none

    @property
    def image(self) -> Path:
        """Return the disk as a raw sparse file, never to be written to: every card depends on it."""
        return self.folder / "disk.img"

    @property
    def skeleton(self) -> Path:
        """Return the metadata of the root file system."""
        return self.folder / "root.skeleton"

    @property
    def sums(self) -> Path | None:
        """Return the checksums of the disk's blocks."""
        return self.folder / _SUMS if self.has_sums else None

    def open(self, node: str) -> CheckedImage:
        """Return the disk, for the card of a node: `with` opens it. What is damaged when it is read is a DamagedError.

        From then on `load` does not find it, so that the next build makes it anew.
        """

        def damaged(offset: int) -> DamagedError:
            with suppress(OSError):  # of a cache that this user may only read
                (self.folder / _FACTS).unlink()
            message = f"the base of {node}'s card is damaged: {self.image} has changed by itself at byte {offset}"
            hint = (
                f"`pibramble card build {node}` makes it anew\nIf it happens again, the disk that it is on is failing."
            )
            return DamagedError(message, hint=hint)

        return CheckedImage(self.image, self.sums, damaged)


def folder() -> Path:
    """Return where they are kept."""
    return paths.cache_folder() / "foundations"


def load(key: str) -> Foundation | None:
    """Return the foundation over the base `key`; None when there is none, or none that is whole."""
    home = folder() / key
    try:
        facts = json.loads((home / _FACTS).read_text(encoding="utf-8"))
        found = Foundation(
            key=facts["key"],
            folder=home,
            digest=facts["digest"],
            layout=Layout(Partition(**facts["boot"]), Partition(**facts["root"])),
            time_s=facts["time_s"],
            root_stamp=tuple(facts.get("root_stamp", ())),
            has_sums=_SUMS in facts["stamps"],
        )
        whole = facts["stamps"] == _stamps(found)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if whole else None


def ensure(base: Base, progress: Progress) -> Foundation:
    """Return the foundation over `base`, made if need be. Raises PibrambleError, BusyError after a long wait.

    One over a base of the same key that is not there any more is made anew.
    """

    def build(scratch: Path) -> None:
        _make(base, scratch, progress)

    title = f"what all cards over {base.key} share"
    return shelf.make(folder(), base.key, title, lambda: _load_over(base), build, progress)


def _load_over(base: Base) -> Foundation | None:
    """Return the foundation, if it was made from this base and not from one that was in its place before."""
    found = load(base.key)
    if found is None:
        return None
    if not found.root_stamp:
        made_ns = (found.folder / _FACTS).stat().st_mtime_ns
        return found if made_ns >= base.root.stat().st_mtime_ns else None
    return found if found.root_stamp == _stamp(base.root) else None


def _make(base: Base, scratch: Path, progress: Progress) -> None:
    """Make a foundation in `scratch`."""
    with progress.step("Checking the base"):
        base.verify()
    with RawImage(base.root) as root:
        superblock = ext4.superblock(root.read)
        if superblock.size_bytes > root.size_bytes:
            message = f"{base.root} is cut short: {root.size_bytes} of {superblock.size_bytes} bytes"
            raise PibrambleError(message, hint=f"remove {base.root.parent}; the next build makes it anew")
        plan = layout.lay_out(boot_content_bytes=_size(base.boot), root_bytes=root.size_bytes)
        time_s = int(os.environ.get("SOURCE_DATE_EPOCH") or superblock.made_s)
        made = Foundation(base.key, scratch, "", plan, time_s)
        with made.image.open("xb") as image:
            image.truncate(plan.size_bytes)
            image.write(layout.first_sector(plan, disk_id=1))
            extents = list(aligned(root.extents(), GRAIN_BYTES, root.size_bytes))
            with progress.step("Copying the root", total=sum(extent.length for extent in extents), unit="B") as step:
                for piece in pieces(extents, _PIECE_BYTES):
                    data = root.read(piece.offset, piece.length)
                    write_sparse(image.fileno(), data, plan.root.offset + piece.offset)
                    step.advance(piece.length)
    with progress.step("Filling the boot partition"):
        _make_boot(base, made)
        ext4.make_skeleton(base.root, made.skeleton)
    digest, known = _sum_up(made.image)
    sums.save(scratch / _SUMS, plan.size_bytes, known)
    made = attrs.evolve(made, digest=digest, root_stamp=_stamp(base.root), has_sums=True)
    made.image.chmod(0o444)
    facts = {
        "key": made.key,
        "digest": made.digest,
        "boot": attrs.asdict(plan.boot),
        "root": attrs.asdict(plan.root),
        "time_s": time_s,
        "root_stamp": made.root_stamp,
        "stamps": _stamps(made),
    }
    (scratch / _FACTS).write_text(json.dumps(facts), encoding="utf-8")


def _make_boot(base: Base, made: Foundation) -> None:
    """Make the boot partition in place. Names are sorted and times fixed: the same files give the same bytes."""
    boot = made.layout.boot
    sectors = boot.length // layout.SECTOR_BYTES
    per_cluster = max(size for size in (1, 2, 4, 8, 16, 32, 64) if size == 1 or sectors // size > _LEAST_FAT32_CLUSTERS)
    serial = hashlib.sha256(base.key.encode()).hexdigest()[:8]
    argv = ["mkfs.vfat", "--invariant", "-F", "32", "-n", "BOOT", "-i", serial, "-s", str(per_cluster)]
    first = str(boot.offset // layout.SECTOR_BYTES)
    where = ["-h", first, "--offset", first, str(made.image), str(boot.length // 1024)]
    proc.run([*argv, *where], timeout_s=_TIMEOUT_S)
    # mtools stamps files with SOURCE_DATE_EPOCH, in local time.
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(made.time_s), "TZ": "UTC", "MTOOLS_SKIP_CHECK": "1"}
    target = ["-i", f"{made.image}@@{boot.offset}"]
    for current, folders, names in os.walk(base.boot):
        folders.sort()
        inside = "::" + "".join(f"{part}/" for part in Path(current).relative_to(base.boot).parts)
        if folders:
            proc.run(["mmd", *target, *(f"{inside}{name}" for name in folders)], env=env)
        if names:
            sources = [str(Path(current, name)) for name in sorted(names)]
            proc.run(["mcopy", "-Q", *target, *sources, inside], env=env, timeout_s=_TIMEOUT_S)


def _sum_up(image: Path) -> tuple[str, dict[int, int]]:
    """Return a digest over an image, and the checksum of each grain that is not zeros, by its number.

    Neither depends on where the file system that it is on happens to keep holes.
    """
    total = hashlib.blake2b(digest_size=32)  # twice as fast as SHA-256 where the processor does not help
    zeros = bytes(GRAIN_BYTES)
    known: dict[int, int] = {}
    with RawImage(image) as raw:
        for piece in pieces(aligned(raw.extents(), GRAIN_BYTES, raw.size_bytes), GRAIN_BYTES):
            data = raw.read(piece.offset, piece.length)
            if data != zeros[: len(data)]:
                total.update(piece.offset.to_bytes(8, "little"))
                total.update(data)
                known[piece.offset // GRAIN_BYTES] = zlib.crc32(data)
    return total.hexdigest(), known


def _stamps(made: Foundation) -> dict[str, Any]:
    """Return what a file would not have any more if somebody had changed or cut it."""
    files = [made.image, made.skeleton, *([made.sums] if made.sums else [])]
    return {path.name: [*_stamp(path)] for path in files}


def _stamp(path: Path) -> tuple[int, int]:
    return path.stat().st_size, path.stat().st_mtime_ns


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
