"""Waits for cards that come and go in one reader."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

_POLL_S = 0.5

Card = tuple[int, ...]  # tells one card from the next in the same slot


def present(path: Path, sys: Path = Path("/sys")) -> Card | None:
    """Return which card is in the slot; None if there is none, or no such device at the moment."""
    try:
        # Opening is what makes the kernel ask a reader whether its card has changed; O_NONBLOCK opens an empty one too.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(handle)
        size = os.lseek(handle, 0, os.SEEK_END)
    except OSError:
        return None
    finally:
        os.close(handle)
    if not size:
        return None
    if not stat.S_ISBLK(status.st_mode):
        return (status.st_dev, status.st_ino)
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    try:  # goes up with every card that is put in (Linux 5.15 and later)
        sequence = int((sys / "dev" / "block" / number / "diskseq").read_text(encoding="ascii"))
    except OSError:
        sequence = 0
    return (status.st_rdev, sequence, size)


def is_empty(path: Path) -> bool:
    """Say whether nothing but a card is lacking: no such device yet, or a reader (or file) without one."""
    try:
        status = path.stat()
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno in {errno.ENOENT, errno.ENOMEDIUM, errno.ENXIO, errno.ENODEV}
    try:
        disk_or_file = stat.S_ISBLK(status.st_mode) or stat.S_ISREG(status.st_mode)
        return disk_or_file and os.lseek(handle, 0, os.SEEK_END) == 0
    finally:
        os.close(handle)


def wait_for_card(path: Path, other_than: Card | None, *, timeout_s: float | None = None) -> Card | None:
    """Return the next card that is put in; None after `timeout_s`.

    `other_than` is the one that is still in the slot: it counts again once it has been taken out.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        card = present(path)
        if card is None:
            other_than = None
        elif card != other_than:
            return card
        if deadline is not None and time.monotonic() > deadline:
            return None
        time.sleep(_POLL_S)
