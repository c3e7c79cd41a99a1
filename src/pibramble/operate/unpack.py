"""A node's tar stream into files of this machine, without trust in what the node says.

Everything is first written below a scratch folder that is fresh and ours, links last, so that no name leads out of it;
then it is renamed into place. Debian bookworm's tarfile has no extraction filters, hence the checks of our own.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import threading
from pathlib import Path, PurePosixPath
from typing import IO

from pibramble.errors import PibrambleError

_BUFFER = 256 * 1024
_PERMISSIONS = 0o777  # no set-user-ID from a node


class HostileError(PibrambleError):
    """The archive holds a name that no honest node sends."""


class Unpacker:
    """Unpacks one node's stream in a thread of its own, since tarfile wants to read, and the loop wants to write."""

    def __init__(self, folder: Path) -> None:
        """Make the scratch folder in `folder`, where the things will end up, and start to read. Raises OSError."""
        self._scratch = Path(tempfile.mkdtemp(prefix=".pibramble-", dir=folder))
        self.left_out: list[str] = []  # what is no file, folder or link inside of the copied things
        self._modes: dict[Path, int] = {}  # of folders: set when nothing is written into them any more
        self._error: Exception | None = None
        reader, self._writer = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._read, args=(reader,), name="unpacker")
        self._thread.start()

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the stream; waits for the disk. Raises BrokenPipeError when unpacking has failed."""
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._writer, view) :]

    def finish(self) -> None:
        """Wait until all is unpacked. Raises PibrambleError and OSError if that failed."""
        self._end_stream()
        if isinstance(self._error, tarfile.TarError):
            raise PibrambleError(f"what the node sent is no archive: {self._error}") from None
        if self._error is not None:
            raise self._error

    def names(self) -> list[str]:
        """Return the names at the top."""
        return sorted(entry.name for entry in self._scratch.iterdir())

    def place(self, name: str, target: Path) -> None:
        """Rename one thing of the top to `target`; folders join folders that are there. Raises OSError."""
        self._place(self._scratch / name, target)

    def close(self) -> None:
        """Remove what was not placed."""
        self._end_stream()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _end_stream(self) -> None:
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1
        self._thread.join()

    def _read(self, reader: int) -> None:
        try:
            with os.fdopen(reader, "rb", buffering=_BUFFER) as pipe:
                with tarfile.open(fileobj=pipe, mode="r|", bufsize=_BUFFER) as archive:
                    self._unpack(archive)
                while pipe.read(_BUFFER):  # padding after the archive's end
                    pass
        except (OSError, tarfile.TarError, PibrambleError) as error:
            self._error = error

    def _unpack(self, archive: tarfile.TarFile) -> None:
        links: list[tuple[Path, str]] = []
        for member in archive:
            name = _safe(member.name)
            path = self._scratch / name
            if name == PurePosixPath():
                continue
            if member.isdir():
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._modes[path] = member.mode & _PERMISSIONS
            elif member.isreg():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                content = archive.extractfile(member)
                if content is not None:
                    _write(path, content, member)
            elif member.issym() and _stays_inside(name, member.linkname):
                links.append((path, member.linkname))
            else:
                self.left_out.append(str(name))
        for path, target in links:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.symlink_to(target)

    def _place(self, source: Path, target: Path) -> None:
        if not _is_folder(source):
            if _is_folder(target):
                raise IsADirectoryError(None, "a folder is in the way", str(target))
            source.replace(target)
        elif not os.path.lexists(target):
            source.replace(target)
            self._set_modes(source, target)
        elif not _is_folder(target):  # a link to a folder neither: an earlier copy may have brought it
            raise NotADirectoryError(None, "something that is no folder is in the way", str(target))
        else:
            for child in list(source.iterdir()):
                self._place(child, target / child.name)

    def _set_modes(self, source: Path, target: Path) -> None:
        inside = [path for path in self._modes if path.is_relative_to(source)]
        for path in sorted(inside, key=lambda path: len(path.parts), reverse=True):
            (target / path.relative_to(source)).chmod(self._modes[path])


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise HostileError(f"the node sent a file that wants to be at `{name}`", hint="nothing of it was written")
    return path


def _stays_inside(name: PurePosixPath, target: str) -> bool:
    """Say whether a link stays inside of the thing at the top that it is a part of."""
    if PurePosixPath(target).is_absolute():
        return False
    depth = len(name.parts) - 1
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 1:
            return False
    return True


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _write(path: Path, content: IO[bytes], member: tarfile.TarInfo) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        shutil.copyfileobj(content, file, _BUFFER)
        os.fchmod(file.fileno(), member.mode & _PERMISSIONS)
    os.utime(path, (member.mtime, member.mtime))
