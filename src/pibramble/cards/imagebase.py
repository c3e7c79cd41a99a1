"""Bases from an image the user has: unpacked, recognised, taken apart, completed with the packages it lacks.

One image makes one base, for head and workers alike: an image of Raspberry Pi OS has a compiler and Python anyway. From
there on such a base is like any other: cards are what differs from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import struct
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from pibramble import locks, paths
from pibramble.cards import base, bootstrap, completion, layout, recipe, recognise, rootfs, systems, unpack
from pibramble.cards.base import Base
from pibramble.cards.debugfs import Ext4Error
from pibramble.cards.ext4tree import Ext4Tree, Inode
from pibramble.cards.fat import FatError, FatVolume
from pibramble.cards.image import RawImage
from pibramble.cards.layout import Layout, LayoutError
from pibramble.cards.recognise import Recognised, UnknownImageError
from pibramble.cards.shelf import full_disk_told
from pibramble.catalog.model import Architecture
from pibramble.errors import PibrambleError
from pibramble.plan.model import NodePlan
from pibramble.progress import Progress, Step

_FORMAT = 1  # raise it when the same image would be made into a base in another way
_KEY_DIGITS = 12
_PATIENCE_S = 2 * 3600  # for somebody else who unpacks the same
_SCRATCH = ".unpacking-"
_LISTS = ("everywhere", "compiler", "head")
# What a base of each kind also runs on: 64-bit boards run 32-bit programs (not tried with the Pi 5: verify).
_RUNS = {
    Architecture.ARMV6: {Architecture.ARMV6, Architecture.ARMV7, Architecture.ARM64},
    Architecture.ARMV7: {Architecture.ARMV7, Architecture.ARM64},
    Architecture.ARM64: {Architecture.ARM64},
}


@attrs.frozen
class UserImage:
    """An image, opened as far as is needed to find what was made from it before."""

    path: Path
    digest: str
    more: tuple[str, ...] = ()  # lists of packages that this base gets besides those that all get

    @property
    def suffix(self) -> str:
        """Return how the keys of its bases end: over its content and what is put into it."""
        facts = json.dumps([_FORMAT, self.digest, recipe.packages((*_LISTS, *self.more)), sorted(systems.left_out())])
        return hashlib.sha256(facts.encode()).hexdigest()[:_KEY_DIGITS]

    def base(self) -> Base | None:
        """Return the base that was made from it; None if none was."""
        return next((made for made in base.stored() if made.key.endswith(f"-{self.suffix}")), None)


def read(path: Path, progress: Progress) -> UserImage:
    """Read an image once, for its digest. Raises UsageError when it is not there or not named like one."""
    unpack.check_name(path)
    total = hashlib.blake2b(digest_size=32)
    try:
        with (
            path.open("rb", buffering=0) as stream,
            progress.step(f"Reading {path.name}", total=path.stat().st_size, unit="B") as step,
        ):
            while piece := stream.read(4 * layout.MIB):
                total.update(piece)
                step.advance(len(piece))
    except OSError as error:
        raise PibrambleError(f"{path} cannot be read: {error.strerror}") from None
    return UserImage(path, total.hexdigest())


def ensure(image: UserImage, nodes: Sequence[NodePlan], progress: Progress, *, anew: bool = False) -> Base:
    """Return the base of an image for these nodes, made if need be: some minutes where packages have to be added.

    With `anew` one that is there is replaced when the new one is ready. Raises UnknownImageError, also when it does not
    fit one of the boards, PackedError, LayoutError, Ext4Error, FatError, MissingError, CompletionError.
    """
    if not anew and (found := image.base()) is not None:
        _check_fits(image.path, found.architecture, nodes)
        return found
    bootstrap.check_user()
    began = time.monotonic()
    home = base.folder()
    with locks.held(home / f".lock-image-{image.suffix}", "card build", patience_s=_PATIENCE_S):
        if not anew and (found := image.base()) is not None:
            _check_fits(image.path, found.architecture, nodes)
            return found
        for left in home.glob(f"{_SCRATCH}{image.suffix}-*"):  # by a build that was killed
            shutil.rmtree(left)
        with (
            full_disk_told(home),
            _scratch(home / f"{_SCRATCH}{image.suffix}-{os.getpid()}") as scratch,
            unpack.plain(image.path, scratch, progress) as plain,
            _opened(image.path, plain) as (tree, boot),
        ):
            what = recognise.recognise(str(image.path), tree, boot)
            _check_fits(image.path, what.binary.least, nodes)
            key = f"{systems.RASPIOS}-{what.release}-{what.binary.abi}-{image.suffix}"

            def build(inner: Path) -> None:
                _build(image, what, tree, boot, key, began, inner, progress)

            title = f"{systems.raspios()[what.release].name} {what.binary.abi}"
            return base.make(key, title, build, progress, anew=anew)


def remarks(made: Base, node: str, *, head: bool) -> tuple[str, ...]:
    """Return what a person should know before the card of a node is made from such a base."""
    system = systems.of_key(made.key)
    if head and not system.runs_pibramble:
        return (f"{node}: the Python of {system.name} is too old for pibramble itself: work from a PC",)
    return ()


def _check_fits(path: Path, least: Architecture, nodes: Sequence[NodePlan]) -> None:
    """Refuse an image whose programs, for processors from `least` on, do not run on a node's board."""
    for node in nodes:
        if node.board.architecture not in _RUNS[least]:
            kind = f"{least.word_bits}-bit programs for {least.value.replace('arm', 'ARM')}"
            have = f"a {node.board.title} has an {node.board.architecture.value}"
            message = f"{path} has {kind}, which do not run on {node.name}: {have}"
            hint = "the 32-bit image of Raspberry Pi OS (armhf) runs on every board"
            raise UnknownImageError(message, hint=f"{hint}; `image` under [head] or [[workers]] gives a node its own")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    folder.mkdir(mode=0o700, parents=True)
    paths.give_to_owner(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _opened(name: Path, plain: Path) -> Iterator[tuple[Ext4Tree, FatVolume]]:
    """Give the file systems of an image; errors name the image, and say what damage looks like to a reader."""
    with RawImage(plain) as image:
        try:
            found = _partitions(image)
            tree = Ext4Tree(lambda at, length: image.read(found.root.offset + at, length))
            boot = FatVolume(lambda at, length: image.read(found.boot.offset + at, length))
            yield tree, boot
        except (LayoutError, Ext4Error, FatError) as error:
            error.message = f"{name}: {error.message}"
            raise
        except (struct.error, IndexError, ZeroDivisionError) as error:
            raise Ext4Error(f"{name}: a file system in it is damaged ({error})", hint="download it again") from None


def _partitions(image: RawImage) -> Layout:
    """Return where boot and root are. Raises LayoutError when they are not, or not all there."""
    _, found = layout.read_layout(image.read(0, min(layout.SECTOR_BYTES, image.size_bytes)))
    if (end := max(found.root.end, found.boot.end)) > image.size_bytes:
        message = f"it is cut short: {image.size_bytes} of {end} bytes"
        raise LayoutError(message, hint="download it again")
    return found


def _build(  # noqa: PLR0913, PLR0917 (what an image is)
    image: UserImage,
    what: Recognised,
    tree: Ext4Tree,
    boot: FatVolume,
    key: str,
    began: float,
    scratch: Path,
    progress: Progress,
) -> None:
    system = systems.raspios()[what.release]
    archive = scratch / "image.tar"
    with progress.step(f"Taking {image.path.name} apart", total=tree.used_bytes, unit="B") as step:
        _pack(tree, boot, system.boot_folder, archive, step)
    lists = [name for name in (*_LISTS, *image.more) if name != "head" or system.runs_pibramble]
    wanted = [name for name in recipe.packages(lists) if name not in systems.left_out()]
    packages = dict(what.packages)
    if lacking := [name for name in wanted if name not in packages]:
        room = base.workshop(scratch)
        base.check_room(tree.used_bytes, scratch, room)
        full = completion.complete(archive, lacking, what.binary.abi, tree.made_s, scratch, room, progress)
        archive.unlink()
        archive = full.archive
        packages = dict(full.packages)
    with progress.step(f"Making the root of {system.name}"):
        rootfs.make([archive], (), key, tree.made_s, scratch, system.boot_folder)
    seconds = time.monotonic() - began
    base.write_manifest(scratch, key, what.binary.least, what.release, packages, (), seconds)


def _pack(tree: Ext4Tree, boot: FatVolume, boot_folder: str, archive: Path, step: Step) -> None:
    """Write both file systems as one tar archive, the boot partition where it will be mounted."""
    first: dict[int, str] = {}  # of hard links: inode -> path
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for path, inode in tree.walk():
            # What is hidden below a mount, and what each file system makes for itself.
            if path.startswith((f"{boot_folder}/", "/dev/", "/lost+found")):
                continue
            entry = _entry(f".{path}", inode)
            if entry is None:
                continue
            if inode.number in first:
                entry.type, entry.linkname, entry.size = tarfile.LNKTYPE, first[inode.number], 0
                tar.addfile(entry)
                continue
            if inode.links > 1 and not entry.isdir():
                first[inode.number] = entry.name
            headers: dict[str, str] = {}
            for name, value in tree.attributes(inode).items():
                headers[f"SCHILY.xattr.{name}"] = value.decode("utf-8", "surrogateescape")
            entry.pax_headers = headers
            if entry.issym():
                entry.linkname = tree.target(inode)
            tar.addfile(entry, _Reader(tree.content(inode)) if entry.isreg() else None)  # type: ignore[arg-type]
            step.advance(entry.size, path)
        for path, content in _boot_files(boot, ""):
            entry = tarfile.TarInfo(f".{boot_folder}{path}")
            entry.mtime, entry.mode = tree.made_s, 0o755
            if content is None:
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, _Reader(iter([content])))  # type: ignore[arg-type]


def _entry(name: str, inode: Inode) -> tarfile.TarInfo | None:
    """Return the head of an entry; None for what is made anew at every boot: devices, pipes, sockets."""
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime = stat.S_IMODE(inode.mode), inode.mtime_s
    entry.uid, entry.gid = inode.uid, inode.gid
    if stat.S_ISREG(inode.mode):
        entry.size = inode.size
    elif stat.S_ISDIR(inode.mode):
        entry.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(inode.mode):
        entry.type = tarfile.SYMTYPE
    else:
        return None
    return entry


def _boot_files(boot: FatVolume, folder: str) -> Iterator[tuple[str, bytes | None]]:
    for entry in sorted(boot.listing(folder), key=lambda found: found.name):
        path = f"{folder}/{entry.name}"
        yield path, None if entry.is_folder else boot.content(path)
        if entry.is_folder:
            yield from _boot_files(boot, path)


class _Reader:
    """Pieces of bytes as tarfile wants a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest = self._rest + piece if self._rest else piece
        part, self._rest = self._rest[:size], self._rest[size:]
        return part
