"""A receiver's bytes kept in a file, with when they came beside it.

The log is the bytes and nothing else, so that gpsfake and everything else that reads such logs can read it.
`LOG.timing` has a line for each block: seconds since the one before, and bytes (as script(1) and scriptreplay(1) have
it).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path

import attrs

from pibramble.errors import UsageError


@attrs.frozen
class Block:
    """Some bytes, and how long after the ones before they came."""

    after_s: float
    data: bytes


def timing_of(log: Path) -> Path:
    """Return where a log's timing stands."""
    return log.with_name(log.name + ".timing")


def record(blocks: Iterable[bytes], log: Path, told: Callable[[int], None], *, replace: bool = False) -> int:
    """Write blocks as they come; `told` hears of every one's size. Returns the bytes written.

    What was recorded stays when the port goes away or a person has had enough. Raises UsageError where a file would be
    lost.
    """
    files = (log, timing_of(log))
    if not replace and (there := next((path for path in files if path.exists()), None)):
        raise UsageError(f"{there} is there already", hint="--force replaces it")
    total = 0
    last = time.monotonic()
    with _written(files[0]) as stream, _written(files[1]) as timing:
        for data in blocks:
            if not data:
                continue
            now = time.monotonic()
            timing.write(f"{now - last:.6f} {len(data)}\n".encode())
            last = now
            stream.write(data)
            total += len(data)
            told(len(data))
    return total


def _written(path: Path) -> FileIO:
    """Open a file that only its owner may read: it says where somebody was."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    return FileIO(descriptor, "w")


def load(log: Path) -> tuple[bytes, tuple[Block, ...]]:
    """Return a log's bytes, and its blocks; none where it has no timing.

    Raises UsageError for a log that is not there, or a timing that is not its own.
    """
    try:
        data = log.read_bytes()
    except OSError as error:
        raise UsageError(f"{log}: {os.strerror(error.errno or 0).lower()}") from None
    try:
        text = timing_of(log).read_text(encoding="ascii")
    except FileNotFoundError:
        return data, ()
    blocks = tuple(_blocks(data, text, timing_of(log)))
    if sum(len(block.data) for block in blocks) != len(data):
        raise UsageError(
            f"{timing_of(log)} is not the timing of {log}", hint="without it the log is paced by its own times"
        )
    return data, blocks


def _blocks(data: bytes, text: str, path: Path) -> Iterator[Block]:
    at = 0
    for number, line in enumerate(text.splitlines(), 1):
        try:
            after, size = line.split()
            block = Block(max(0.0, float(after)), data[at : at + int(size)])
        except ValueError:
            raise UsageError(f"{path}:{number}: not `seconds bytes`: {line[:40]}") from None
        at += len(block.data)
        yield block
