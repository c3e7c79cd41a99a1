"""Private folders for control sockets: short, since a unix socket's path may have 107 bytes, and one person's alone."""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path

from pibramble import paths, proc
from pibramble.errors import PibrambleError


def folder(label: str, name: str) -> Path:
    """Return the folder for the control sockets of the cluster `name`; `label` tells it from others of that name."""
    uid = paths.owner().pw_uid
    run = Path(f"/run/user/{uid}") if uid else Path("/run")
    base = run / "pibramble" if os.access(run, os.W_OK) else Path(f"/tmp/pibramble-{uid}")  # noqa: S108 (0700, checked)
    return base / f"{name[:20]}-{zlib.crc32(label.encode()):08x}"


def make(folder: Path, uid: int | None = None) -> None:
    """Make the folder anew, empty and 0700; root hands it to `uid`. Raises PibrambleError when it is another's."""
    _make_base(folder.parent)
    remove(folder)
    folder.mkdir(mode=0o700)
    if os.getuid() == 0 and uid is not None:
        os.chown(folder, uid, uid)


def ensure(folder: Path) -> None:
    """Make the folder if it is not there. Raises PibrambleError when what is there is another's or open to others."""
    _make_base(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    paths.give_to_owner(folder)
    info = folder.lstat()
    if info.st_uid not in {os.getuid(), paths.owner().pw_uid} or stat.S_IMODE(info.st_mode) & 0o077:
        raise PibrambleError(f"{folder} is open to others, or somebody else's", hint="Remove it, or ask its owner to.")


def remove(folder: Path) -> None:
    """Remove the folder with what is in it; that nothing is there is no error."""
    if folder.is_dir() and not folder.is_symlink():
        for entry in folder.iterdir():
            entry.unlink(missing_ok=True)  # a master that has just been ended takes its socket along
        folder.rmdir()


def end(socket: Path) -> None:
    """End the master that serves a control socket, if one does: it would take a while to notice that its node died."""
    if socket.exists():
        proc.run(["ssh", "-F", "none", "-S", str(socket), "-O", "exit", "node"], check=False)


def end_all(folder: Path) -> bool:
    """End the masters of all control sockets in a folder, and remove it; return whether there was one."""
    if not folder.is_dir():
        return False
    served = [entry for entry in folder.iterdir() if entry.is_socket()]
    ended = [
        proc.run(["ssh", "-F", "none", "-S", str(entry), "-O", "exit", "node"], check=False).returncode == 0
        for entry in served
    ]
    remove(folder)
    return any(ended)


def _make_base(base: Path) -> None:
    base.mkdir(mode=0o711 if os.getuid() == 0 else 0o700, exist_ok=True)
    paths.give_to_owner(base)
    info = base.lstat()
    if info.st_uid not in {0, paths.owner().pw_uid} or not stat.S_ISDIR(info.st_mode):
        raise PibrambleError(f"{base} belongs to somebody else", hint="Remove it, or ask its owner to.")
