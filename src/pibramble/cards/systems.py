"""The systems that a card can lie over, and what each needs beyond the node files: Debian, Raspberry Pi OS.

A base's key says which one it is, so that a card can be judged where its base is not at hand.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import attrs

from pibramble.files import units
from pibramble.files.model import Edit, Entry, NodeFile, Symlink

BOOT_FOLDER = "/boot/firmware"  # what node files call the boot partition, and where Debian mounts it
RASPIOS = "raspios"  # how the keys of such bases begin

_Any = TypeVar("_Any", NodeFile, Symlink, Edit)
_INSTEAD = "# Put here by pibramble, in the place of what Raspberry Pi OS had or would have: {why}.\n"


@attrs.frozen
class System:
    """A distribution in one release."""

    name: str  # as people say it
    boot_folder: str = BOOT_FOLDER
    runs_pibramble: bool = True  # its Python is new enough
    # Its account number 1000 is there for whoever comes first, and becomes the cluster's user.
    has_first_user: bool = False
    cmdline: tuple[str, ...] = ()  # words that go, as regular expressions
    units: Mapping[str, str] = attrs.field(factory=dict)  # masked, and why
    files: Mapping[str, str] = attrs.field(factory=dict)  # emptied, and why

    def entries(self) -> Iterator[Entry]:
        """Yield what turns its own first boot off: the card has all that it would do."""
        for unit, why in self.units.items():
            yield units.mask(unit, why)
        for path, why in self.files.items():
            yield NodeFile(path, _INSTEAD.format(why=why), why)
        if self.cmdline:
            yield Edit(
                f"{BOOT_FOLDER}/cmdline.txt",
                "the first boot is like every other: no wizard, no growing, no new keys of the image's own",
                remove=tuple(rf"(?<!\S){word}(?!\S)[ \t]*" for word in self.cmdline),
                separator=" ",
            )

    def placed(self, entry: _Any) -> _Any:
        """Return an entry with its path where this system has it: only the boot partition's place differs."""
        if not entry.path.startswith(f"{BOOT_FOLDER}/") or self.boot_folder == BOOT_FOLDER:
            return entry
        return attrs.evolve(entry, path=self.boot_folder + entry.path.removeprefix(BOOT_FOLDER))


def of_key(base_key: str) -> System:
    """Return the system of a base; Debian where the key names no other."""
    kind, _, rest = base_key.partition("-")
    return raspios().get(rest.partition("-")[0], _DEBIAN) if kind == RASPIOS else _DEBIAN


@cache
def raspios() -> Mapping[str, System]:
    """Return the releases of Raspberry Pi OS that are known, by name."""
    every = _facts()["every"]
    return {
        release: System(
            name=f"Raspberry Pi OS {release}",
            boot_folder=facts["boot_folder"],
            runs_pibramble=facts["runs_pibramble"],
            has_first_user=True,
            cmdline=tuple(facts["cmdline"]),
            units=every["units"] | facts["units"],
            files=every["files"] | facts.get("files", {}),
        )
        for release, facts in _facts()["release"].items()
    }


def left_out() -> frozenset[str]:
    """Return the packages of Debian's bases that an image does without."""
    return frozenset(_facts()["packages"]["left_out"])


_DEBIAN = System("Debian")


@cache
def _facts() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("systems.toml").read_text(encoding="utf-8"))
