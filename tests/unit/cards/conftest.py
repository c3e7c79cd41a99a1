"""A cluster and its cards over a toy base, made once for all tests that only read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from pibramble import keys
from pibramble.cards.assemble import Assembler, Card
from pibramble.cards.extents import aligned, pieces
from pibramble.cards.image import Image, RawImage
from pibramble.cards.store import Store
from pibramble.files.model import Keyring
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.progress import SilentProgress
from tests.unit.cards.bases import ToyBase, make_base
from tests.unit.files.disks import CLUSTER


@attrs.frozen
class Workshop:
    """A cluster, its keys, a base and a store."""

    plan: Plan
    keyring: Keyring
    base: ToyBase
    store: Store

    def make(self, *names: str) -> list[Card]:
        nodes = [self.plan.node(name) for name in names]
        return Assembler(self.plan, self.keyring, self.store).make(nodes, self.base, SilentProgress())

    def image(self, name: str, path: Path) -> Path:
        """Return a node's card as a file of its own."""
        with self.store.image(name) as image:
            return cut_out(image, 0, image.size_bytes, path)


def cut_out(image: Image, offset: int, length: int, path: Path) -> Path:
    """Write a part of an image to a sparse file."""
    with path.open("wb") as stream:
        stream.truncate(length)
        for extent in image.extents():
            begin, end = max(extent.offset, offset), min(extent.end, offset + length)
            if begin < end:
                stream.seek(begin - offset)
                stream.write(image.read(begin, end - begin))
    return path


def data(path: Path) -> bytes:
    """Return what an image holds, holes left out: most of a toy card is one."""
    with RawImage(path) as image:
        grains = aligned(image.extents(), 4096, image.size_bytes)
        return b"".join(
            part for piece in pieces(grains, 4096) if (part := image.read(piece.offset, piece.length)).strip(b"\0")
        )


@pytest.fixture(scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIBRAMBLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory, _cache: None) -> Workshop:
    """All nodes' cards, made."""
    folder = tmp_path_factory.mktemp("workshop")
    plan = resolve(CLUSTER)
    keyring = keys.ensure(plan, folder / "state", SilentProgress())
    shop = Workshop(plan, keyring, make_base(folder), Store(folder / "state"))
    shop.make(*(node.name for node in plan.nodes))
    return shop


@pytest.fixture
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, for tests that break things."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("PIBRAMBLE_CACHE", str(folder))
    return folder
