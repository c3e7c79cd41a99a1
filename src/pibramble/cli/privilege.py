"""Root, when a verb cannot do without: by running the same command again under sudo."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pibramble.errors import MissingError

if TYPE_CHECKING:
    from pibramble.targets.base import Target

_KEPT = (
    "PIBRAMBLE_STATE",
    "PIBRAMBLE_CACHE",
    "PIBRAMBLE_FILE",
    "PIBRAMBLE_TARGET",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "NO_COLOR",
)


def become_root_to_begin(target: Target) -> None:
    """Go on as root if the target cannot be brought up without; return if it can, or if we are root."""
    if os.getuid() == 0 or target.name != "lab":
        return
    from pibramble.targets.lab import ground

    become_root_to_end(target)
    if not ground.permitted(rootless=True):
        _again_under_sudo("this kernel does not let ordinary users make a lab")


def become_root_to_end(target: Target) -> None:
    """Go on as root if root brought the target up."""
    if target.name != "lab":
        return
    from pibramble.targets.lab.lab import Lab

    if isinstance(target, Lab) and target.needs_root_to_end():
        _again_under_sudo("root brought this lab up")


def become_root_for_device(path: Path) -> None:
    """Go on as root if this user may not write to the device. A regular file is left to whoever owns it."""
    if os.getuid() != 0 and path.is_block_device() and not os.access(path, os.W_OK | os.R_OK):
        _again_under_sudo(f"you may not write to {path}", hint=f"as root, or as a member of {path.group()}")


def _again_under_sudo(reason: str, hint: str = "") -> None:
    """Replace this process by the same command under sudo, which asks for the password by itself."""
    from pibramble.targets.lab.ground import NOT_PERMITTED

    if shutil.which("sudo") is None:
        raise MissingError(f"{reason}, and there is no sudo here", hint=hint or NOT_PERMITTED)
    print(f"pibramble: {reason}: going on with sudo", file=sys.stderr)
    argv = ["sudo", f"--preserve-env={','.join(_KEPT)}", sys.executable, "-m", "pibramble", *sys.argv[1:]]
    os.execvp(argv[0], argv)  # noqa: S606 (no shell)
