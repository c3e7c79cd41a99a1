"""Lock files of serial devices, as minicom, cu, pppd and picocom write and honour them.

/var/lock/LCK..ttyUSB0 holds the process id, ten characters wide and a newline: the HDB UUCP format (Filesystem
Hierarchy Standard 3.0, section 5.9). The lock of a process that has ended is taken over.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import attrs

FOLDER = Path("/var/lock")

_PID_WIDTH = 10


@attrs.frozen
class Owner:
    """Who holds a device."""

    pid: int
    program: str  # empty where it cannot be told

    def __str__(self) -> str:
        """Return "minicom, process 1234"."""
        return f"{self.program}, process {self.pid}" if self.program else f"process {self.pid}"


class LockedError(Exception):
    """Another program's lock file says that it uses the device."""

    def __init__(self, owner: Owner, file: Path) -> None:
        """Say who."""
        super().__init__(f"{file} is held by {owner}")
        self.owner, self.file = owner, file


def take(device: Path, folder: Path = FOLDER) -> Path | None:
    """Write the device's lock file and return its path; None where it needs or can have none.

    A pseudo-terminal needs none. Where the folder is missing or may not be written, flock has to do.
    Raises LockedError.
    """
    file = file_of(device, folder)
    if file is None:
        return None
    scratch = folder / f"LTMP..{os.getpid()}"
    try:
        with suppress(FileNotFoundError):
            scratch.unlink()
        scratch.write_text(f"{os.getpid():{_PID_WIDTH}}\n")
        scratch.chmod(0o644)  # others read who holds it
    except OSError:
        if owner := _owner(file):
            raise LockedError(owner, file) from None
        return None
    try:
        return _link(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)


def look(device: Path, folder: Path = FOLDER) -> None:
    """Raise LockedError if the lock file of another program, or of an earlier opening of ours, is on the device."""
    file = file_of(device, folder)
    if file is not None and (owner := _owner(file)):
        raise LockedError(owner, file)


def release(file: Path | None) -> None:
    """Take a lock file away, if it is still ours."""
    if file is None:
        return
    with suppress(OSError):
        if _pid(file) == os.getpid():
            file.unlink()


def file_of(device: Path, folder: Path = FOLDER) -> Path | None:
    """Return where a device's lock file is; every name of a device has the same one."""
    real = device.resolve()
    return folder / f"LCK..{real.name}" if real.parent == Path("/dev") else None


def _link(scratch: Path, file: Path) -> Path:
    """Give the file its name, which only one process can do."""
    for _ in range(3):
        try:
            os.link(scratch, file)
        except FileExistsError:
            owner = _owner(file)
            if owner and owner.pid != os.getpid():
                raise LockedError(owner, file) from None
            with suppress(FileNotFoundError):
                file.unlink()  # of a process that has ended, or of an earlier opening of ours
        else:
            return file
    raise LockedError(Owner(0, "another program"), file)


def _owner(file: Path) -> Owner | None:
    """Return who holds a lock file; None where nobody that is alive does."""
    pid = _pid(file)
    if pid is None:
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        program = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        program = ""
    return Owner(pid, program)


def _pid(file: Path) -> int | None:
    try:
        data = file.read_bytes()
    except OSError:
        return None
    if len(data) == 4 and not data.strip().isdigit():  # noqa: PLR2004 (the older, binary format: an int)
        return int.from_bytes(data, "little") or None
    word = data.split(maxsplit=1)[0] if data.split() else b""
    return int(word) if word.isdigit() and int(word) > 0 else None
