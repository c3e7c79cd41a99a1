"""Files and folders of this machine as one tar stream, looked at before anything is sent."""

from __future__ import annotations

import os
import stat
import tarfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from pibramble.errors import PibrambleError, UsageError

_BUFFER = 256 * 1024


@attrs.frozen
class Entry:
    """One thing to be sent."""

    path: Path
    name: str  # in the archive: the source's last part, and what is below it
    status: os.stat_result
    target: str = ""  # where a symbolic link points


@attrs.frozen
class Parcel:
    """All that one copy sends."""

    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(entry.status.st_size for entry in self.entries if stat.S_ISREG(entry.status.st_mode))


def gather(sources: Sequence[Path]) -> Parcel:
    """Look at every source and all below it. A source that is a link is followed, links below it are kept.

    Raises UsageError for a source that is missing, cannot be read or is no file, folder or link.
    """
    entries: list[Entry] = []
    names: dict[str, Path] = {}
    for source in sources:
        try:
            real = source.resolve(strict=True)
        except OSError as error:
            raise _unreadable(source, error) from None
        name = source.name if source.name not in {"", "..", "."} else real.name
        if not name:
            raise UsageError(f"{source} as a whole cannot be copied", hint="name what is in it")
        if name in names:
            raise UsageError(f"{names[name]} and {source} would both become {name}")
        names[name] = source
        entries += _walk(real, name)
    return Parcel(tuple(entries))


def _walk(path: Path, name: str) -> Iterator[Entry]:
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            yield Entry(path, name, status, str(path.readlink()))
        elif stat.S_ISDIR(status.st_mode):
            yield Entry(path, name, status)
            for child in sorted(os.listdir(path)):  # noqa: PTH208 (names are what is wanted)
                yield from _walk(path / child, f"{name}/{child}")
        elif stat.S_ISREG(status.st_mode):
            if not os.access(path, os.R_OK):
                raise PermissionError(None, "Permission denied")
            yield Entry(path, name, status)
        else:
            raise UsageError(f"{path} is no file, folder or link; nothing else can be copied")
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path}: {error.strerror}")


class Packer:
    """Writes a parcel into a pipe while somebody reads the other end."""

    def __init__(self, parcel: Parcel) -> None:
        """Start to write."""
        self._parcel = parcel
        self.reader, self._writer = os.pipe2(os.O_CLOEXEC)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._write, name="packer")
        self._thread.start()

    def close(self) -> None:
        """End the writing, whether it is done or not. Raises PibrambleError if a file could not be read."""
        os.close(self.reader)  # a writer that is still at it gets a broken pipe
        self._thread.join()
        if self._error is not None and not isinstance(self._error, BrokenPipeError):
            reason = getattr(self._error, "strerror", None) or self._error
            raise PibrambleError(f"nothing was copied: {reason}", hint="a file changed while it was read: try again")

    def _write(self) -> None:
        try:
            with (
                os.fdopen(self._writer, "wb", buffering=_BUFFER) as pipe,
                tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_BUFFER) as archive,
            ):
                for entry in self._parcel.entries:
                    _add(archive, entry)
        except (OSError, tarfile.TarError) as error:
            self._error = error  # the nodes see a stream that breaks off, and place nothing


def _add(archive: tarfile.TarFile, entry: Entry) -> None:
    member = tarfile.TarInfo(entry.name)
    member.mode = stat.S_IMODE(entry.status.st_mode)
    member.mtime = int(entry.status.st_mtime)
    if stat.S_ISDIR(entry.status.st_mode):
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    elif entry.target:
        member.type = tarfile.SYMTYPE
        member.linkname = entry.target
        archive.addfile(member)
    else:
        member.size = entry.status.st_size
        with entry.path.open("rb") as content:
            archive.addfile(member, content)
