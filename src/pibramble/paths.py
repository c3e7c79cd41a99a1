"""Where pibramble keeps things, and whose they are.

State (keys, records of jobs, what is up) lives in the state folder of the person at the keyboard: under `sudo` that is
still the person, not root, so that what was brought up with sudo can be used without it.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def owner() -> pwd.struct_passwd:
    """Return the account of the person at the keyboard, seen through sudo."""
    uid = os.getuid()
    if uid == 0:
        uid = int(os.environ.get("SUDO_UID", "0"))
    try:
        return pwd.getpwuid(uid)
    except KeyError:  # a container may run us under a number that has no name
        home = os.environ.get("HOME", "/")
        return pwd.struct_passwd((str(uid), "x", uid, os.getgid(), "", home, "/bin/sh"))


def state_folder() -> Path:
    """Return the folder of all clusters' state; `PIBRAMBLE_STATE` overrides it (the tests do)."""
    if override := os.environ.get("PIBRAMBLE_STATE"):
        return Path(override)
    if xdg := os.environ.get("XDG_STATE_HOME"):
        return Path(xdg) / "pibramble"
    return Path(owner().pw_dir) / ".local" / "state" / "pibramble"


def cache_folder() -> Path:
    """Return the folder of what can be made again (bases of cards); `PIBRAMBLE_CACHE` overrides it."""
    if override := os.environ.get("PIBRAMBLE_CACHE"):
        return Path(override)
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "pibramble"
    return Path(owner().pw_dir) / ".cache" / "pibramble"


def config_folder() -> Path:
    """Return the folder of what a person set up by hand."""
    if xdg := os.environ.get("XDG_CONFIG_HOME"):
        return Path(xdg) / "pibramble"
    return Path(owner().pw_dir) / ".config" / "pibramble"


def cluster_folder(name: str, identity: str) -> Path:
    """Return the state folder of one cluster: by its name, and by its id where that says more."""
    return state_folder() / (name if identity == name else f"{name}-{identity}")


def make_private(folder: Path) -> Path:
    """Make `folder`, 0700 and the owner's, with all that is missing above it; return it."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        give_to_owner(path)
    return folder


def give_to_owner(path: Path) -> None:
    """Hand a file or folder that root made under sudo to the person who called sudo."""
    if os.getuid() == 0 and owner().pw_uid != 0:
        os.chown(path, owner().pw_uid, owner().pw_gid, follow_symlinks=False)


def write_private(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Write a file so that it is there whole or not at all, never readable to others in between."""
    data = content.encode() if isinstance(content, str) else content
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        give_to_owner(scratch)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
