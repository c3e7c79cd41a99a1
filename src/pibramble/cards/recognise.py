"""What an image holds: which system, in which release, for which processors. What does not fit is refused by name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

import attrs

from pibramble.cards import elf, rootfs, systems
from pibramble.cards.elf import Binary
from pibramble.cards.ext4tree import Ext4Tree
from pibramble.cards.fat import FatVolume
from pibramble.errors import PibrambleError

_MARK = "/etc/rpi-issue"  # pi-gen writes it into every image that it makes (export-image/05-finalise)
_STATUS = "/var/lib/dpkg/status"
_SHELL = "/bin/sh"  # every program of a system is built alike; this one is always there
_BOOT_FILES = ("config.txt", "cmdline.txt")


class UnknownImageError(PibrambleError):
    """An image of a system that cards cannot be made from."""


@attrs.frozen
class Recognised:
    """What an image holds."""

    release: str
    binary: Binary
    packages: Mapping[str, str]  # that are installed, and their versions


def recognise(name: str, tree: Ext4Tree, boot: FatVolume) -> Recognised:
    """Return what the image called `name` holds. Raises UnknownImageError, Ext4Error, FatError."""
    release = _release(name, tree)
    for file in _BOOT_FILES:
        if boot.content(file) is None:
            message = f"{name}: its boot partition has no {file}"
            raise UnknownImageError(message, hint="is it an image of Raspberry Pi OS as it was downloaded?")
    _check_boot_folder(name, tree, release)
    for folder in (*rootfs.CHANGED_FOLDERS, systems.raspios()[release].boot_folder):
        if link := tree.link_in(folder):
            message = f"{name}: {link} is a link, where a system has a folder"
            raise UnknownImageError(message, hint="such an image is not changed: the link might lead out of it")
    shell = tree.read_file(_SHELL)
    if shell is None:
        raise UnknownImageError(f"{name} has no {_SHELL}: its processor cannot be told", hint=_fitting())
    try:
        binary = elf.read(shell)
    except elf.ElfError as error:
        raise UnknownImageError(f"{name} is for no Raspberry Pi: its {_SHELL} is {error}", hint=_fitting()) from None
    return Recognised(release, binary, _installed(tree))


def _release(name: str, tree: Ext4Tree) -> str:
    said = _assignments(_text(tree, "/etc/os-release"))
    if not said:
        raise UnknownImageError(f"{name} does not say which system it holds (/etc/os-release)", hint=_fitting())
    title = said.get("PRETTY_NAME") or said.get("ID", "an unknown system")
    # 32-bit images call themselves raspbian, 64-bit ones debian.
    if said.get("ID") not in {"raspbian", "debian"}:
        raise UnknownImageError(f"{name} holds {title}", hint=_fitting())
    if not _text(tree, _MARK):
        hint = f"{_fitting()}\nDebian itself is made from its packages: leave `image` out of the cluster file"
        raise UnknownImageError(f"{name} holds {title}, but not Raspberry Pi OS (no {_MARK})", hint=hint)
    release = said.get("VERSION_CODENAME", "")
    if release not in systems.raspios():
        message = f"{name} holds Raspberry Pi OS {release or 'of an unknown release'} ({title})"
        raise UnknownImageError(message, hint=_fitting())
    return release


def _check_boot_folder(name: str, tree: Ext4Tree, release: str) -> None:
    """Refuse a system that was upgraded from an older release: its boot partition has stayed where it was."""
    table = [line.split() for line in _text(tree, "/etc/fstab").splitlines() if not line.lstrip().startswith("#")]
    there = [fields[1] for fields in table if len(fields) > 2 and fields[2] == "vfat"]  # noqa: PLR2004 (fstab(5))
    wanted = systems.raspios()[release].boot_folder
    if there and wanted not in there:
        message = f"{name} mounts its boot partition at {there[0]}; in {release} that is {wanted}"
        raise UnknownImageError(message, hint="a system that was upgraded in place does not fit; a fresh image does")


def _installed(tree: Ext4Tree) -> dict[str, str]:
    """Return the packages that are installed, from dpkg's own list."""
    found = {}
    for block in _text(tree, _STATUS).split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", block, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            found[fields["Package"]] = fields.get("Version", "")
    return found


def _assignments(text: str) -> dict[str, str]:
    """Return the settings of os-release(5)."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.lstrip().startswith("#"):
            try:
                found[key.strip()] = " ".join(shlex.split(value))
            except ValueError:  # an open quote
                found[key.strip()] = value
    return found


def _text(tree: Ext4Tree, path: str) -> str:
    return (tree.read_file(path) or b"").decode(errors="replace")


def _fitting() -> str:
    return f"these fit: Raspberry Pi OS {', '.join(systems.raspios())}"
