"""Base systems: made once a recipe, kept in the cache folder, shared by all cards of that kind.

Everything here runs as an ordinary user.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from pibramble import paths
from pibramble.cards import archive, bootstrap, foreign, mirror, mpich, rootfs, shelf
from pibramble.cards.mpich import Mpich, Source
from pibramble.cards.recipe import BaseFile, Recipe
from pibramble.catalog.model import Architecture
from pibramble.errors import PibrambleError
from pibramble.progress import Progress

_WORKSHOP = "workshop"  # in the scratch folder: a link to where mmdebstrap unpacks
_MANIFEST = "base.json"
_ROOM = 3.2  # the archive, the tree and the image are there at the same time
_ROOM_EACH = 4_000_000_000  # where several are made side by side: the largest of ours, a head's, takes 3.4 GB
_KEYRING_ON_CARD = Path("/usr/share/keyrings/debian-archive-keyring.pgp")


@attrs.frozen
class Base:
    """A base system in the cache."""

    key: str
    folder: Path
    architecture: Architecture
    release: str
    root: Path  # an ext4 image, sparse
    boot: Path  # a folder: what the boot partition holds
    packages: Mapping[str, str]  # and their versions
    remarks: tuple[str, ...] = ()  # such as: without security updates
    seconds: float = 0.0  # that its making took
    stored_bytes: int = 0  # what it takes here

    @property
    def mpich(self) -> str:
        """Return the version of its MPICH, without what Debian adds to it; empty if it has none."""
        return upstream(self.packages.get("mpich", ""))

    def verify(self) -> None:
        """Read everything and compare it with what was made. Raises PibrambleError that names what is damaged."""
        manifest = json.loads((self.folder / _MANIFEST).read_text(encoding="utf-8"))
        damaged = [name for name, digest in manifest["digests"].items() if _digest(self.folder / name) != digest]
        if damaged:
            message = f"the base {self.key} is damaged: {', '.join(damaged)}"
            raise PibrambleError(message, hint="`pibramble card build --anew-bases` makes it anew")


def upstream(version: str) -> str:
    """Return the version that a package's authors gave it (deb-version(7)); Debian may have gone back: `+really`."""
    bare = re.sub(r"-[^-]*$", "", version.rpartition(":")[2])
    return re.sub(r"[+~](?:dfsg|ds|repack).*", "", bare.rpartition("+really")[2])


def folder() -> Path:
    """Return where bases are kept."""
    return paths.cache_folder() / "bases"


def stored() -> list[Base]:
    """Return all whole bases, by key."""
    keys = sorted(path.name for path in folder().glob("*") if not path.name.startswith("."))
    return [base for key in keys if (base := load(key)) is not None]


def load(key: str) -> Base | None:
    """Return the base of that key; None when there is none, or when it is not as it was made (size and time tell)."""
    home = folder() / key
    try:
        manifest = json.loads((home / _MANIFEST).read_text(encoding="utf-8"))
        if manifest["stamps"] != _stamps(home):
            return None
        return Base(
            key=manifest["key"],
            folder=home,
            architecture=Architecture(manifest["architecture"]),
            release=manifest["release"],
            root=home / "root.ext4",
            boot=home / "boot",
            packages=manifest["packages"],
            remarks=tuple(manifest["remarks"]),
            seconds=manifest["seconds"],
            stored_bytes=sum(path.lstat().st_blocks * 512 for path in home.rglob("*")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def ensure(
    recipe: Recipe, progress: Progress, *, mirror_address: str = "", source: Source | None = None, anew: bool = False
) -> Base:
    """Return the base of a recipe, made if need be: minutes, for another architecture than this machine's.

    `source` is where the recipe's own MPICH comes from. With `anew` one that is there is replaced when the new one is
    ready. Raises MissingError, ArchiveError, BootstrapError, MpichError,
    PibrambleError for a full disk.
    """
    if not anew and (found := load(recipe.key)) is not None:
        return found

    def build(scratch: Path) -> None:
        foreign.check(recipe.architecture.debian)
        bootstrap.check_user()
        places = mirror.sources(recipe.release, recipe.components, mirror_address, alias=recipe.alias)
        own = mpich.ensure(source, recipe.architecture, progress) if source else None
        _build(recipe, places, own, scratch, progress)

    return make(recipe.key, recipe.title, build, progress, anew=anew)


def make(key: str, title: str, build: Callable[[Path], None], progress: Progress, *, anew: bool = False) -> Base:
    """Return the base `key`, made by `build` in a scratch folder unless somebody else has made it meanwhile.

    With `anew` one that is there already is replaced.
    """

    def build_and_tidy(scratch: Path) -> None:
        build(scratch)
        for name in (_WORKSHOP, *_intermediate(scratch)):
            _discard(scratch / name)

    return shelf.make(folder(), key, title, lambda: load(key), build_and_tidy, progress, _discard, anew=anew)


def _build(
    recipe: Recipe, sources: tuple[mirror.Source, ...], own: Mpich | None, scratch: Path, progress: Progress
) -> None:
    """Make a base of Debian in `scratch`, with an MPICH of our `own` where there is one."""
    began = time.monotonic()
    found = _ask(recipe, sources, scratch, progress)
    try:
        tar = _bootstrap(recipe, found, own, scratch, progress)
    except bootstrap.LackingError as error:
        found = _ask(recipe, sources, scratch, progress, lacking=error.packages)
        tar = _bootstrap(recipe, found, own, scratch, progress)
    with progress.step(f"Making the root of {recipe.title}"):
        late = (*recipe.late_files, _sources_on_card(sources))
        archives = [tar, *([own.archive] if own else [])]
        rootfs.make(archives, late, recipe.key, found.time_s, scratch)
    packages = {**found.packages, **({"mpich": own.version} if own else {})}
    seconds = time.monotonic() - began
    write_manifest(scratch, recipe.key, recipe.architecture, recipe.release, packages, found.remarks, seconds)


def _ask(
    recipe: Recipe,
    sources: tuple[mirror.Source, ...],
    scratch: Path,
    progress: Progress,
    *,
    lacking: tuple[str, ...] = (),
) -> archive.Archive:
    index = scratch / "apt"
    with progress.step(f"Asking {sources[0].uri}"):
        found = archive.ask(sources, recipe.architecture.debian, recipe.packages, index, lacking=lacking)
        shutil.rmtree(index)
    return found


def _bootstrap(recipe: Recipe, found: archive.Archive, own: Mpich | None, scratch: Path, progress: Progress) -> Path:
    if own:
        mpich.check_fits(own, found.packages["libc6"])
    _discard(scratch / _WORKSHOP)  # an attempt's before this one
    room = workshop(scratch)
    check_room(found.installed_bytes, scratch, room)
    return bootstrap.bootstrap(recipe, found, scratch, room, progress)


def write_manifest(  # noqa: PLR0913, PLR0917 (the manifest's own fields)
    scratch: Path,
    key: str,
    architecture: Architecture,
    release: str,
    packages: Mapping[str, str],
    remarks: tuple[str, ...],
    seconds: float,
) -> None:
    """Write down what the base in `scratch` is, so that damage is noticed; the last step of its making."""
    facts = {
        "key": key,
        "architecture": architecture.value,
        "release": release,
        "packages": dict(sorted(packages.items())),
        "remarks": remarks,
        "seconds": round(seconds, 1),
        "stamps": _stamps(scratch),
        "digests": {name: _digest(scratch / name) for name in _stamps(scratch)},
    }
    (scratch / _MANIFEST).write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _sources_on_card(sources: tuple[mirror.Source, ...]) -> BaseFile:
    """Return apt's sources for the board: all of them, also those that could not be read today."""
    text = "\n".join(source.deb822(_KEYRING_ON_CARD) for source in sources)
    return BaseFile("/etc/apt/sources.list.d/debian.sources", text)


def workshop(scratch: Path) -> Path:
    """Make and return the folder where mmdebstrap unpacks: outside of home folders, which its users may not enter."""
    made = Path(tempfile.mkdtemp(prefix="pibramble-", dir=_room()))
    made.chmod(0o711)
    (scratch / _WORKSHOP).symlink_to(made)
    return made


def _room() -> Path:
    return Path(os.environ.get("TMPDIR", "/var/tmp"))  # noqa: S108 (mkdtemp chooses a name that is not there)


def at_once(count: int) -> int:
    """Return how many of `count` bases to make side by side: one a processor core, while there is room for them all."""
    there = [next(one for one in (path, *path.parents) if one.exists()) for path in (folder(), _room())]
    free = min(shutil.disk_usage(path).free for path in there)
    return max(1, min(count, len(os.sched_getaffinity(0)), free // _ROOM_EACH))


def check_room(installed_bytes: int, scratch: Path, room: Path) -> None:
    """Raise PibrambleError now rather than in five minutes, where a system of that size would not fit."""
    needs: dict[int, tuple[Path, float]] = {}
    for where, share in ((scratch.parent, _ROOM), (room.parent, 1.3)):
        device = where.stat().st_dev
        needs[device] = (where, needs.get(device, (where, 0.0))[1] + share * installed_bytes)
    for where, need in needs.values():
        free = shutil.disk_usage(where).free
        if free < need:
            raise PibrambleError(
                f"the disk that holds {where} has {free / 1e9:.1f} GB free; making this base takes {need / 1e9:.1f} GB",
                hint="PIBRAMBLE_CACHE and TMPDIR name folders elsewhere",
            )


def _discard(path: Path) -> None:
    """Remove a folder or file, and the workshop that belongs to it."""
    for link in (path, path / _WORKSHOP):
        if link.is_symlink():
            rootfs.remove(link.resolve())
            link.unlink()
    if path.is_dir():
        rootfs.remove(path)
    else:
        path.unlink(missing_ok=True)


def _intermediate(scratch: Path) -> list[str]:
    kept = {"root.ext4", "boot", _MANIFEST, shelf.LOG}
    return [path.name for path in scratch.iterdir() if path.name not in kept]


def _stamps(home: Path) -> dict[str, list[int]]:
    """Return what a file would not have any more if somebody had changed or cut it."""
    files = [home / "root.ext4", *sorted(path for path in (home / "boot").rglob("*") if path.is_file())]
    return {str(path.relative_to(home)): [path.stat().st_size, path.stat().st_mtime_ns] for path in files}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
