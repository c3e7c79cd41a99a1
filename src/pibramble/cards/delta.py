"""A card as it is kept: its base, and the bytes in which it differs.

The file: a line of magic, the length of the head (four bytes, big-endian), the head (JSON), then the runs of bytes one
after another. The head names the runs, the base they belong to, and a digest over them.
"""

from __future__ import annotations

import hashlib
import json
import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from pibramble import paths
from pibramble.cards.extents import union
from pibramble.cards.image import Extent, ImageError, checksums
from pibramble.cards.origin import Origin
from pibramble.cards.sums import CheckedImage, blocks
from pibramble.errors import PibrambleError

_MAGIC = b"pibramble card 1\n"
_BUILD = "`pibramble card build` makes it anew"


class DeltaError(PibrambleError):
    """A stored card that is damaged, or does not belong to its base any more."""


@attrs.frozen
class Head:
    """What a stored card says of itself."""

    node: str
    cluster: str
    board: str
    digest: str  # of the node's files and of how they are put in: the same digest, the same card
    base: str  # the base's key
    base_digest: str  # of the bytes that the differences lie over
    size_bytes: int
    made_s: int  # seconds since 1970
    version: str  # of pibramble
    origin: Origin = Origin()  # cards of before 2026-11-29 do not say


def save(path: Path, head: Head, runs: Mapping[int, bytes]) -> None:
    """Write a card, whole or not at all, 0600: private keys are in it. `runs`: offset -> bytes, not overlapping."""
    merged = _merge(runs)
    payload = b"".join(data for _, data in merged)
    facts = attrs.asdict(head) | {
        "extents": [(offset, len(data)) for offset, data in merged],
        "payload_digest": hashlib.sha256(payload).hexdigest(),
    }
    text = json.dumps(facts).encode()
    paths.write_private(path, b"".join((_MAGIC, len(text).to_bytes(4, "big"), text, payload)))


def read_head(path: Path) -> Head:
    """Return what a stored card says of itself. Raises DeltaError."""
    with _opened(path) as handle:
        return _head(path, _facts(path, handle)[0])


class DeltaImage:
    """A base's image with one node's differences over it; nothing is copied."""

    def __init__(self, path: Path, base: CheckedImage) -> None:
        """Name the stored card and the image of its base; `with` opens both."""
        self._path = path
        self._base = base
        self._payload = b""
        self._extents: list[Extent] = []
        self._starts: list[int] = []  # of each run in the payload
        self._offsets: list[int] = []  # of each run in the image

    def __enter__(self) -> Self:
        """Open both. Raises DeltaError, ImageError."""
        with _opened(self._path) as handle:
            facts, at = _facts(self._path, handle)
            self.head = _head(self._path, facts)
            self._payload = os.pread(handle, os.fstat(handle).st_size, at)
        if hashlib.sha256(self._payload).hexdigest() != facts["payload_digest"]:
            raise _damaged(self._path)
        self._extents = [Extent(offset, length) for offset, length in facts["extents"]]
        self._starts = [0, *accumulate(extent.length for extent in self._extents)]
        self._offsets = [extent.offset for extent in self._extents]
        self._base.__enter__()
        if self._base.size_bytes != self.head.size_bytes:
            message = f"{self._base.name} has {self._base.size_bytes} bytes instead of {self.head.size_bytes}"
            self.close()
            raise ImageError(message, hint=_BUILD)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close both."""
        self.close()

    def close(self) -> None:
        """Close both; once is enough."""
        self._base.close()

    @property
    def name(self) -> str:
        """Return whose card it is."""
        return f"the card of {self.head.node}"

    @property
    def size_bytes(self) -> int:
        """Return how large a card must be at least."""
        return self.head.size_bytes

    @property
    def base_path(self) -> Path:
        """Return the image that the differences lie over."""
        return self._base.path

    @property
    def differences(self) -> Sequence[Extent]:
        """Return where it differs from its base."""
        return self._extents

    def extents(self) -> Iterator[Extent]:
        """Yield what carries data, in the base or in the differences."""
        yield from union([*self._base.extents(), *self._extents])

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes. Raises ImageError, also where the base is damaged."""
        return self.read_summed(offset, length)[0]

    def read_summed(self, offset: int, length: int) -> tuple[bytes, tuple[int, ...]]:
        """Return the same and its checksums. Blocks that are the base's own are summed once for both purposes."""
        data = self._base.read_unchecked(offset, length)
        content, changed = self._changed(offset, data)
        found = checksums(offset, content)
        self._base.check(offset, length, found, blocks(changed))
        return content, found

    def check_base(self) -> None:
        """Read all of the base, for whoever lets another program read it. Raises ImageError."""
        self._base.check_all()

    def _changed(self, offset: int, data: bytes) -> tuple[bytes, list[Extent]]:
        """Return what the base has at `offset`, with the node's differences, and where these are."""
        length = len(data)
        number = max(bisect_right(self._offsets, offset) - 1, 0)
        content = None
        changed = []
        while number < len(self._extents) and self._extents[number].offset < offset + length:
            extent = self._extents[number]
            begin, end = max(extent.offset, offset), min(extent.end, offset + length)
            if begin < end:
                content = content or bytearray(data)
                start = self._starts[number] - extent.offset
                content[begin - offset : end - offset] = self._payload[start + begin : start + end]
                changed.append(Extent(begin, end - begin))
            number += 1
        return data if content is None else bytes(content), changed


class _opened:  # noqa: N801 (used like a function)
    """A file handle for the length of a block; what goes wrong is a DeltaError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> int:
        try:
            self._handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            message = f"there is no card yet at {self._path}"
            raise DeltaError(message, hint="`pibramble card build` makes it") from None
        except OSError as error:
            message = f"{self._path} cannot be read: {error.strerror}"
            raise DeltaError(message) from None
        return self._handle

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _facts(path: Path, handle: int) -> tuple[dict[str, Any], int]:
    """Return the head as it stands there, and where the payload begins."""
    begin = os.pread(handle, len(_MAGIC) + 4, 0)
    length = int.from_bytes(begin[len(_MAGIC) :], "big")
    if not begin.startswith(_MAGIC):
        raise _damaged(path)
    try:
        facts = json.loads(os.pread(handle, length, len(begin)))
    except ValueError:
        raise _damaged(path) from None
    if not isinstance(facts, dict):
        raise _damaged(path)
    return facts, len(begin) + length


def _head(path: Path, facts: dict[str, Any]) -> Head:
    try:
        words = {field.name: facts[field.name] for field in attrs.fields(Head) if field.name != "origin"}
        return Head(**words, origin=Origin(**facts.get("origin", {})))
    except (KeyError, TypeError):
        raise _damaged(path) from None


def _damaged(path: Path) -> DeltaError:
    return DeltaError(f"{path} is damaged", hint=_BUILD)


def _merge(runs: Mapping[int, bytes]) -> list[tuple[int, bytes]]:
    """Join runs that touch: fewer, longer reads and writes later."""
    merged: list[tuple[int, list[bytes]]] = []
    end = -1
    for offset, data in sorted(runs.items()):
        if offset == end:
            merged[-1][1].append(data)
        else:
            merged.append((offset, [data]))
        end = offset + len(data)
    return [(offset, b"".join(parts)) for offset, parts in merged]
