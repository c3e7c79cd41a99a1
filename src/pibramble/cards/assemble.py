"""Makes cards: what a node's disk holds, put into the foundation, kept as what differs from it.

Nothing is mounted, no full copy is made, and root is not needed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from pibramble import __version__
from pibramble.cards import accounts, delta, ext4, foundation, layout
from pibramble.cards.content import Content, of_card
from pibramble.cards.debugfs import Found
from pibramble.cards.ext4 import Put, PutFile, PutLink, Workbench
from pibramble.cards.fat import FatVolume
from pibramble.cards.foundation import Base, Foundation
from pibramble.cards.image import RawImage
from pibramble.cards.origin import Origin, Origins
from pibramble.cards.shelf import full_disk_told
from pibramble.cards.store import Store
from pibramble.errors import PibrambleError
from pibramble.files.model import Edit, Keyring, NodeFile
from pibramble.plan.model import NodePlan, Plan
from pibramble.progress import Progress, Step

_BLOCK_BYTES = 4096  # what is written but as in the base is left out by so much
_SYSUSERS = "/etc/sysusers.d/"
# Files that an edit may bring into being; that another one is missing says that the base is no base.
_MAY_BE_MISSING = ("/etc/fstab",)


class AssemblyError(PibrambleError):
    """A base that a node's files cannot be put into."""


@attrs.frozen
class Card:
    """A card that is made and kept."""

    head: delta.Head
    path: Path
    stored_bytes: int  # on disk, beyond the base
    seconds: float


@attrs.frozen
class _Ground:
    """What the base holds, as far as any card of this round changes it."""

    found: Mapping[str, Found]  # in the root file system, by path
    texts: Mapping[str, str]  # of the files to be edited there
    attributes: Mapping[str, Mapping[str, bytes]]  # their extended ones


_Task = tuple[Content, Origin]


@attrs.frozen
class Assembler:
    """Makes the cards of one cluster."""

    plan: Plan
    keyring: Keyring
    store: Store

    def make(self, nodes: Sequence[NodePlan], base: Base, progress: Progress) -> list[Card]:
        """Make the cards of nodes that have the same base, on all cores, and keep them. Raises PibrambleError.

        A card is there whole or not at all; those that were ready before an error stay.
        """
        over = foundation.ensure(base, progress)
        contents = [of_card(self.plan, self.keyring, node, base.key) for node in nodes]
        origins = Origins(self.plan, self.keyring)
        ground = _look(base, contents)
        cores = os.cpu_count() or 1
        tasks = [(content, origins.of(node.name)) for content, node in zip(contents, nodes, strict=True)]
        shares = [tasks[number::cores] for number in range(min(cores, len(tasks)))]
        stop = threading.Event()
        with (
            full_disk_told(self.store.folder),
            ThreadPoolExecutor(max_workers=cores) as pool,
            progress.step("Making cards", total=len(nodes), unit="cards") as step,
        ):

            def work(share: Sequence[_Task]) -> list[Card]:
                try:
                    return [*self._make_some(share, ground, over, step, stop)]
                except BaseException:
                    stop.set()
                    raise

            made = {card.head.node: card for cards in pool.map(work, shares) for card in cards}
        return [made[node.name] for node in nodes]

    def _make_some(
        self, share: Sequence[_Task], ground: _Ground, over: Foundation, step: Step, stop: threading.Event
    ) -> Iterator[Card]:
        with Workbench(over.skeleton) as bench, RawImage(over.image) as image:
            for content, origin in share:
                if stop.is_set():  # another thread failed
                    return
                began = time.monotonic()
                runs = _differences(content, ground, over, bench, image)
                head = self._head(content, over, origin)
                path = self.store.save(head, runs)
                yield Card(head, path, path.stat().st_size, time.monotonic() - began)
                step.advance(note=head.node)

    def _head(self, content: Content, over: Foundation, origin: Origin) -> delta.Head:
        node = self.plan.node(content.entries.node)
        return delta.Head(
            node=node.name,
            cluster=self.plan.name,
            board=node.board.name,
            digest=content.digest,
            base=over.key,
            base_digest=over.digest,
            size_bytes=over.layout.size_bytes,
            made_s=int(time.time()),
            version=__version__,
            origin=origin,
        )


def _look(base: Base, contents: Sequence[Content]) -> _Ground:
    """See what the base holds in all places that these cards change: two runs of debugfs, however many cards."""
    changed = {
        entry.path for content in contents for entry in content.entries.entries if not content.in_boot(entry.path)
    }
    edited = {edit.path for content in contents for edit in content.entries.edits if not content.in_boot(edit.path)}
    found = ext4.look(base.root, [*changed, *accounts.FILES])
    read = [path for path in sorted({*edited, *accounts.FILES}) if path in found]
    if link := next((path for path in read if found[path].kind != "regular"), None):
        raise AssemblyError(f"{link} is no plain file on the base", hint=f"it is a {found[link].kind}")
    texts = {path: data.decode(errors="surrogateescape") for path, data in ext4.contents(base.root, read).items()}
    attributes = ext4.attributes(base.root, {path: found[path].attributes for path in read})
    return _Ground(found, texts, attributes)


def _differences(
    content: Content, ground: _Ground, over: Foundation, bench: Workbench, image: RawImage
) -> dict[int, bytes]:
    """Return the bytes in which the card differs from its foundation, by offset."""
    boot, root = over.layout.boot, over.layout.root
    volume = FatVolume(lambda offset, length: image.read(boot.offset + offset, length))
    for path, data in _boot_files(content, volume):
        volume.put(path, data, over.time_s)
    written = {0: layout.first_sector(over.layout, content.disk_id)}
    written |= {boot.offset + offset: data for offset, data in volume.changes().items()}
    puts = list(_puts(content, ground))
    written |= {root.offset + offset: data for offset, data in bench.put(puts, ground.found, over.time_s).items()}
    return dict(_changed(written, image))


def _changed(written: Mapping[int, bytes], image: RawImage) -> Iterator[tuple[int, bytes]]:
    for offset, data in written.items():
        before = image.read(offset, len(data))
        for at in range(0, len(data), _BLOCK_BYTES):
            if data[at : at + _BLOCK_BYTES] != before[at : at + _BLOCK_BYTES]:
                yield offset + at, data[at : at + _BLOCK_BYTES]


def _boot_files(content: Content, volume: FatVolume) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the boot partition, edits done."""
    for file in content.entries.files:
        if path := content.in_boot(file.path):
            yield path, _encoded(file.content)
    texts: dict[str, str] = {}
    for edit in content.entries.edits:
        if path := content.in_boot(edit.path):
            if path not in texts:
                texts[path] = (volume.content(path) or b"").decode(errors="surrogateescape")
            texts[path] = edit.apply(texts[path])
    for path, text in texts.items():
        yield path, _encoded(text)


def _puts(content: Content, ground: _Ground) -> Iterator[Put]:
    """Yield what goes into the root file system, accounts made and edits done."""
    config = "".join(file.content for file in content.entries.files if file.path.startswith(_SYSUSERS))
    present = {path: ground.texts[path] for path in accounts.FILES if path in ground.texts}
    texts = {**ground.texts, **accounts.apply(config, present, adopt=content.system.has_first_user)}
    for edit in content.entries.edits:
        if not content.in_boot(edit.path):
            texts[edit.path] = edit.apply(_text(texts, edit))
    owners = accounts.ids(texts[accounts.PASSWD])
    for file in content.entries.files:
        if not content.in_boot(file.path):
            owner = _owner(owners, file)
            yield PutFile(file.path, _encoded(file.content), file.mode, owner.uid, owner.gid)
    for path, text in texts.items():
        if ground.texts.get(path) != text:
            yield _edited(path, text, ground)
    for link in content.entries.links:
        yield PutLink(link.path, link.target)


def _edited(path: str, text: str, ground: _Ground) -> PutFile:
    """Return a changed file with mode, owner and extended attributes of the base's own."""
    before = ground.found.get(path)
    if before is None:
        return PutFile(path, _encoded(text))
    return PutFile(path, _encoded(text), before.mode, before.uid, before.gid, ground.attributes.get(path, {}))


def _text(texts: Mapping[str, str], edit: Edit) -> str:
    if edit.path not in texts and edit.path not in _MAY_BE_MISSING:
        message = f"the base has no {edit.path}"
        raise AssemblyError(message, hint=f"it has to be changed for: {edit.why}")
    return texts.get(edit.path, "")


def _owner(owners: Mapping[str, accounts.Ids], file: NodeFile) -> accounts.Ids:
    try:
        return owners[file.owner]
    except KeyError:
        message = f"{file.path} belongs to {file.owner}, but the base has no such account"
        raise AssemblyError(message) from None


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
