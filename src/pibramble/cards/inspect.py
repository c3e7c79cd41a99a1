"""Whose card is this, and how does it stand to today's plan: an image or a device, looked at file by file.

Nothing is mounted and nothing is written. What the board has changed by itself since (logs, packages) does not count:
only what pibramble put there is compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path

import attrs

from pibramble.cards import accounts, ext4, layout
from pibramble.cards.content import BOOT_FOLDER, Content, of_card
from pibramble.cards.debugfs import Ext4Error, Found
from pibramble.cards.fat import FatVolume
from pibramble.cards.image import RawImage
from pibramble.cards.itself import PACKAGE_FOLDER
from pibramble.cards.layout import LayoutError
from pibramble.errors import PibrambleError
from pibramble.files.model import Edit, Keyring, NodeFile, NodeFiles
from pibramble.files.names import CARD_FILE
from pibramble.plan.model import Plan


class What(StrEnum):
    """How a file on a card differs from the plan's."""

    MISSING = "missing"
    CONTENT = "content"
    MODE = "mode"
    OWNER = "owner"
    EDIT = "edit undone"
    VERSION = "another version"  # of pibramble itself, file by file


@attrs.frozen
class Identity:
    """What a card says of itself (/etc/pibramble/card.json)."""

    cluster: str
    id: str
    node: str
    board: str
    base: str
    digest: str
    pibramble: str


@attrs.frozen(order=True)
class Difference:
    """One file that is not as the plan has it."""

    path: str
    what: What


@attrs.frozen
class Report:
    """A card, looked at."""

    identity: Identity
    size_bytes: int
    layout: layout.Layout
    planned: bool | None  # whether the node is in today's plan; None: there was no plan to compare with
    differences: tuple[Difference, ...] = ()


class NoCardError(PibrambleError):
    """An image or a device that pibramble did not make."""


def look(path: Path, plan: Plan | None, keyring: Keyring | None) -> Report:
    """Look at an image or a device. Raises NoCardError, PibrambleError when it cannot be read."""
    with RawImage(path) as image:
        try:
            _, found = layout.read_layout(image.read(0, min(layout.SECTOR_BYTES, image.size_bytes)))
        except LayoutError as error:
            raise NoCardError(f"{path} is no card: {error.message}", hint=error.hint) from None
        if found.root.end > image.size_bytes or found.boot.end > image.size_bytes:
            message = f"{path} is cut short: {image.size_bytes} of {max(found.root.end, found.boot.end)} bytes"
            raise NoCardError(message, hint="copy it again")
        identity = _identity(path, found)
        report = Report(identity, image.size_bytes, found, None)
        if plan is None or keyring is None:
            return report
        node = next((node for node in plan.nodes if node.name == identity.node), None)
        if node is None or (plan.name, plan.id) != (identity.cluster, identity.id):
            return attrs.evolve(report, planned=False)
        content = of_card(plan, keyring, node, identity.base)
        volume = FatVolume(lambda offset, length: image.read(found.boot.offset + offset, length))
        differences = _gathered([*_in_boot(content, volume), *_in_root(content, _root(path, found))])
        return attrs.evolve(report, planned=True, differences=tuple(sorted(differences)))


def _gathered(differences: Iterable[Difference]) -> set[Difference]:
    """Return the differences, those of pibramble's own files as one."""
    own = f"{PACKAGE_FOLDER}/"
    version = Difference(PACKAGE_FOLDER, What.VERSION)
    return {version if difference.path.startswith(own) else difference for difference in differences}


def _root(path: Path, found: layout.Layout) -> Path:
    """Return the root partition as e2fsprogs' programs name it."""
    return Path(f"{path.resolve()}?offset={found.root.offset}")


def _identity(path: Path, found: layout.Layout) -> Identity:
    hint = "`pibramble card inspect` knows the cards that pibramble made"
    root = _root(path, found)
    try:
        if CARD_FILE not in ext4.look(root, [CARD_FILE]):
            raise NoCardError(f"{path} is no card of pibramble's: it has no {CARD_FILE}", hint=hint)
        return Identity(**json.loads(ext4.contents(root, [CARD_FILE])[CARD_FILE]))
    except Ext4Error as error:
        raise NoCardError(f"{path} is no card: its root partition cannot be read", hint=error.hint) from None
    except (ValueError, TypeError):
        raise NoCardError(f"{path}: {CARD_FILE} there is damaged", hint=hint) from None


def _in_boot(content: Content, volume: FatVolume) -> Iterator[Difference]:
    boot = [entry for entry in content.entries.entries if entry.path.startswith(f"{BOOT_FOLDER}/")]
    for entry in boot:
        data = volume.content(entry.path.removeprefix(BOOT_FOLDER))
        if data is None:
            yield Difference(entry.path, What.MISSING)
        elif (what := _compared(entry, data)) is not None:
            yield Difference(entry.path, what)


def _in_root(content: Content, root: Path) -> Iterator[Difference]:
    # card.json says how the card was made: where that counts, other files differ.
    entries = [
        entry
        for entry in content.entries.entries
        if not entry.path.startswith(f"{BOOT_FOLDER}/") and entry.path != CARD_FILE
    ]
    found = ext4.look(root, [entry.path for entry in entries] + [accounts.PASSWD])
    plain = [path for path in (*{entry.path for entry in entries}, accounts.PASSWD) if _is(found, path, "regular")]
    data = ext4.contents(root, plain)
    owners = accounts.ids(data.get(accounts.PASSWD, b"").decode(errors="surrogateescape"))
    for entry in entries:
        if isinstance(entry, NodeFile | Edit):
            if entry.path not in data:
                yield Difference(entry.path, What.MISSING)
            elif (what := _compared(entry, data[entry.path])) is not None:
                yield Difference(entry.path, what)
            if isinstance(entry, NodeFile) and entry.path in data:
                yield from _rights(entry, found[entry.path], owners)
    yield from _links(content.entries, found, root)


def _links(entries: NodeFiles, found: Mapping[str, Found], root: Path) -> Iterator[Difference]:
    targets = ext4.links(root, [link.path for link in entries.links if _is(found, link.path, "symlink")])
    for link in entries.links:
        if link.path not in targets:
            yield Difference(link.path, What.MISSING)
        elif targets[link.path] != link.target:
            yield Difference(link.path, What.CONTENT)


def _compared(entry: object, data: bytes) -> What | None:
    text = data.decode(errors="surrogateescape")
    match entry:
        case NodeFile() if entry.content != text:
            return What.CONTENT
        case Edit() if entry.apply(text) != text:
            return What.EDIT
        case _:
            return None


def _rights(file: NodeFile, there: Found, owners: Mapping[str, accounts.Ids]) -> Iterator[Difference]:
    if there.mode != file.mode:
        yield Difference(file.path, What.MODE)
    if owners.get(file.owner) != accounts.Ids(there.uid, there.gid):
        yield Difference(file.path, What.OWNER)


def _is(found: Mapping[str, Found], path: str, kind: str) -> bool:
    return path in found and found[path].kind == kind
