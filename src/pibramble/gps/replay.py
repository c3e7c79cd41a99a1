"""A recorded log given out again, as if the receiver were there: through a pseudo-terminal, in its own time."""

from __future__ import annotations

import datetime as dt
import os
import socket
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from pibramble.errors import PibrambleError, UsageError
from pibramble.gps import replay_time
from pibramble.gps.framing import Framer
from pibramble.gps.record import Block
from pibramble.gps.sentences import read

_ROUND_S = 1.0  # between rounds of a receiver that knows no time
_LONGEST_GAP_S = 10.0  # logs are cut: nobody waits an hour for what was left out
_DAY_US = 86_400_000_000
_LINE_BYTES = 1000  # what has no line ends goes out in such pieces, as at 9600 baud in a second


def paced(data: bytes) -> Iterator[Block]:
    """Yield a log without a timing in rounds, as far apart as its sentences say; remarks are left out."""
    pending = b""
    clock_us: int | None = None
    seen: set[bytes] = set()
    after_s = 0.0
    for line in data.splitlines(keepends=True):
        if line.startswith(b"#"):
            continue
        told_us, tag = _clock(line)
        if (told_us is not None and told_us != clock_us) or (
            told_us is None and tag and tag in seen and clock_us is None
        ):
            if pending:
                yield Block(after_s, pending)
                after_s = _gap(clock_us, told_us)
            pending, clock_us, seen = b"", told_us, set()
        seen.add(tag)
        pending += line
        if len(pending) > _LINE_BYTES and not tag:
            yield Block(after_s, pending)
            pending, after_s = b"", _ROUND_S
    if pending:
        yield Block(after_s, pending)


def _clock(line: bytes) -> tuple[int | None, bytes]:
    """Return the time of day that a line holds, and its kind; nothing for what is no sentence."""
    for content in Framer().feed(line):
        said = read(content)
        # GSA and GSV come several times a round.
        tag = b"" if content[2:5] in {b"GSA", b"GSV"} else content[:5]
        return (said.clock_us if said else None), tag
    return None, b""


def _gap(before_us: int | None, now_us: int | None) -> float:
    if before_us is None or now_us is None:
        return _ROUND_S
    return min(_LONGEST_GAP_S, (now_us - before_us) % _DAY_US / 1e6)


@attrs.frozen
class Terminal:
    """A serial line of ours: what is written to `descriptor` comes out at `path`."""

    descriptor: int
    path: str


@contextmanager
def terminal(link: Path | None = None) -> Iterator[Terminal]:
    """Make a pseudo-terminal for the time of the block, with a name of one's own if wanted. Raises UsageError."""
    master, slave = os.openpty()
    path = os.ttyname(slave)
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        if link is not None:
            if link.exists() and not link.is_symlink():
                raise UsageError(f"{link} is there already, and is no link")
            link.unlink(missing_ok=True)
            link.symlink_to(path)
        # The slave stays open here: readers may come and go.
        yield Terminal(master, path)
    finally:
        if link is not None and link.is_symlink() and str(link.readlink()) == path:
            link.unlink()
        os.close(slave)
        os.close(master)


@contextmanager
def plugged(path: Path) -> Iterator[Terminal]:
    """Connect to a Unix socket that is a serial line's other end, such as an emulated board's. Raises UsageError."""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(path))
        except OSError as error:
            raise UsageError(
                f"{path} cannot be replayed to: {error.strerror or error}",
                hint="`pibramble emulator ports` lists the sockets of an emulated head that is up",
            ) from None
        os.set_blocking(line.fileno(), False)
        yield Terminal(line.fileno(), str(path))


def play(blocks: Sequence[Block], descriptor: int, speed: float = 1.0, *, as_now: bool = False) -> Iterator[int]:
    """Write blocks in their time, `speed` times as fast; yield how many bytes of each arrived.

    Nobody waits for a reader: what does not fit is lost, as on a wire. `as_now` moves the times in them to the system's
    whole seconds, as a receiver's would be.
    """
    due = time.monotonic()
    for block in blocks:
        due += block.after_s / speed
        if (wait_s := due - time.monotonic()) > 0:
            time.sleep(wait_s)
        data = block.data
        if as_now:
            now = dt.datetime.now(dt.UTC).replace(microsecond=0)
            data = b"".join(replay_time.moved(line, now) for line in data.splitlines(keepends=True))
        written = 0
        try:
            written = os.write(descriptor, data)
        except BlockingIOError:
            pass
        except ConnectionError:  # a socket's; a terminal has no other end that could go
            raise PibrambleError("the other end of the line is gone: nothing more can be replayed to it") from None
        yield written
