"""What is made once and kept in the cache folder: there whole or not at all, made by one build at a time.

A thing is made beside its place under another name. What a killed build left is removed by the next one.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from pibramble import locks, paths
from pibramble.errors import BusyError, PibrambleError
from pibramble.progress import Progress

LOG = "build.log"  # in the scratch folder: what programs said; it stays when the build fails

_SCRATCH = ".making-"
_PATIENCE_S = 2 * 3600  # for another build of the same

_Made = TypeVar("_Made")


def discard(path: Path) -> None:
    """Remove a folder of ours."""
    shutil.rmtree(path, ignore_errors=True)


def make(  # noqa: PLR0913, PLR0917 (what, where, and the three things that are done with it)
    home: Path,
    key: str,
    title: str,
    load: Callable[[], _Made | None],
    build: Callable[[Path], None],
    progress: Progress,
    remove: Callable[[Path], None] = discard,
    *,
    anew: bool = False,
) -> _Made:
    """Return what `load` finds at `home`/`key`, made by `build` in a scratch folder if need be.

    `title` is what people call it; `remove` removes a folder with all that belongs to it. With `anew` what is there now
    does not count: it is replaced when the new one is ready. Raises what `build` does,
    PibrambleError for a full disk, BusyError after a long wait.
    """
    outdated = _which(home / key) if anew else None
    if (found := load()) is not None and not anew:
        return found
    with _alone(home / f".lock-{key}", title, progress):
        if (found := load()) is not None and _which(
            home / key
        ) != outdated:  # somebody else has made it while we waited
            return found
        for left in home.glob(f"{_SCRATCH}{key}-*"):  # by a build that was killed
            remove(left)
        scratch = home / f"{_SCRATCH}{key}-{os.getpid()}"
        try:
            with full_disk_told(home):
                scratch.mkdir(mode=0o700)
                build(scratch)
                final = home / key
                if final.exists():  # what is there is damaged
                    remove(final)
                _flush(scratch)
                scratch.rename(final)
                _give(final)
        except PibrambleError as error:
            if kept := _keep_log(scratch, home / f".failed-{key}.log"):
                error.hint = "\n".join([*([error.hint] if error.hint else []), f"Everything that was said: {kept}"])
            raise
        finally:
            remove(scratch)
    made = load()
    if made is None:
        raise PibrambleError(f"{home / key} has changed while it was made", hint="try again")
    return made


def _which(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one that comes in its place."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


@contextmanager
def full_disk_told(where: Path) -> Iterator[None]:
    """Turn "no space left" in the block into an error that says where, and what can be removed."""
    hint = f"`df -h {where}` says how full it is; what is in {paths.cache_folder()} can be made again"
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise PibrambleError(f"the disk that holds {where} is full", hint=hint) from None
    except PibrambleError as error:  # by a program
        if "No space left on device" not in f"{error.message} {error.hint}" and "Disk full" not in error.hint:
            raise
        raise PibrambleError(f"the disk that holds {where} is full", hint=hint) from error


@contextmanager
def _alone(lock: Path, title: str, progress: Progress) -> Iterator[None]:
    """Hold a lock while the block runs, and say so when somebody else has it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.held(lock, "card build"))
        except BusyError:
            with progress.step(f"Waiting for another build of {title}"):
                stack.enter_context(locks.held(lock, "card build", patience_s=_PATIENCE_S))
        yield


def _keep_log(scratch: Path, kept: Path) -> Path | None:
    """Keep what was said beyond the scratch folder; return where."""
    if not (scratch / LOG).exists():
        return None
    (scratch / LOG).replace(kept)
    paths.give_to_owner(kept)
    return kept


def _flush(scratch: Path) -> None:
    """Write everything to the disk: a power cut after the rename must not leave a name without content."""
    for path in (*scratch.rglob("*"), scratch):
        if path.is_file() or path.is_dir():
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)


def _give(final: Path) -> None:
    for path in (final, *final.rglob("*")):
        paths.give_to_owner(path)
