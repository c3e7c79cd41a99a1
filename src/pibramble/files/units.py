"""Enabling and masking systemd units, as `systemctl` would do it: by symbolic links."""

from __future__ import annotations

from pibramble.files.model import Symlink

_ETC = "/etc/systemd/system"
_PACKAGED = "/usr/lib/systemd/system"


def enable(unit: str, why: str, *, wanted_by: str = "multi-user.target", ours: bool = False) -> Symlink:
    """Start `unit` with `wanted_by`. `ours`: its file is a node file; otherwise its package brought it."""
    template = f"{unit.partition('@')[0]}@.service" if "@" in unit else unit
    return Symlink(f"{_ETC}/{wanted_by}.wants/{unit}", f"{_ETC if ours else _PACKAGED}/{template}", why)


def mask(unit: str, why: str) -> Symlink:
    """Keep `unit` from ever starting, installed or not."""
    return Symlink(f"{_ETC}/{unit}", "/dev/null", why)
