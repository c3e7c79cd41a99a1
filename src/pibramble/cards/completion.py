"""Adds the packages that an image lacks, with the image's own apt and from its own sources, as if on the board.

mmdebstrap gives what a system in a folder needs for that (namespaces, /proc, /dev, services that do not start); foreign
programs run under qemu-user. The alternative, to install at the first boot, leaves a worker without the network that it
would need to get its network.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from pibramble.cards import archive as apt
from pibramble.cards import bootstrap, foreign
from pibramble.cards.recipe import BaseFile
from pibramble.errors import PibrambleError
from pibramble.progress import Progress

_SETTINGS = "/etc/apt/apt.conf.d/99pibramble-building"
_RESOLVER = "/etc/resolv.conf"
_LISTED = "installed-package:"
_LISTING = rf"{_LISTED} ${{Package}} ${{Version}} ${{db:Status-Status}}\n"
# 32-bit images load a faster memcpy into every program, by a name that the emulator does not have [pi-gen
# export-image/05-finalise moves the file aside as well].
_PRELOAD = "/etc/ld.so.preload"

# mmdebstrap makes device nodes, which are wanted, and files for an apt of its own, which are not.
_EMPTY = 'find "$1/etc" "$1/var" -type f -delete'
_INSIDE = (
    'chroot "$1" env --unset=APT_CONFIG TMPDIR=/tmp DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8'
    " PATH=/usr/sbin:/usr/bin:/sbin:/bin"
)


class CompletionError(PibrambleError):
    """The packages that an image lacks could not be added."""


@attrs.frozen
class Complete:
    """An image with all it needs."""

    archive: Path
    packages: Mapping[str, str]  # that are installed, and their versions


def complete(  # noqa: PLR0913, PLR0917 (where everything is and goes)
    archive: Path, lacking: Sequence[str], abi: str, time_s: int, scratch: Path, workshop: Path, progress: Progress
) -> Complete:
    """Return a tar archive in `scratch` of the system in `archive` with the packages that it is `lacking`.

    It is unpacked in `workshop`, which must let other users pass. Raises CompletionError, and MissingError when this
    machine cannot run the image's programs.
    """
    foreign.check(abi)
    bootstrap.check_user()
    settings, result, log = scratch / "settings.tar", scratch / "root.tar", scratch / "build.log"
    bootstrap.pack([BaseFile(_SETTINGS, "\n".join([*_settings(), *apt.proxies()]) + "\n")], settings, time_s)
    options = [
        *("--variant=custom", f"--architectures={abi}", "--skip=update,cleanup"),
        f"--setup-hook={_EMPTY}",
        *(f"--setup-hook=tar-in {shlex.quote(str(part))} /" for part in (archive, settings)),
        *(f"--customize-hook={order}" for order in _orders(lacking)),
        # Neither is used: the image's own sources are.
        *("", "-", "deb copy:/nonexistent ./"),
    ]
    with progress.step(f"Adding {len(lacking)} packages and what they need", unit="packages") as step:
        trouble = bootstrap.mmdebstrap(options, result, log, workshop, time_s, step)
        if trouble is not None:
            cure = "They come from the image's own sources; with all of them in the image nothing is fetched"
            hint = "\n".join([*trouble[-bootstrap.TAIL_LINES :], f"It lacks: {' '.join(lacking)}", cure])
            raise CompletionError("the packages that the image lacks could not be added", hint=hint)
    return Complete(result, _listed(log))


def _settings() -> list[str]:
    return [
        'APT::Install-Recommends "false";',
        'APT::Update::Error-Mode "any";',
        'Acquire::Languages "none";',
        'Acquire::Retries "2";',
        'DPkg::Options:: "--force-confold";',
        'DPkg::Options:: "--force-unsafe-io";',  # what is left of an interrupted build is thrown away
        'Dpkg::Use-Pty "false";',
    ]


def _orders(lacking: Sequence[str]) -> list[str]:
    """Return what is done in the image, as commands of sh; "$1" is its folder."""
    packages = " ".join(shlex.quote(name) for name in lacking)
    aside = f"{_PRELOAD}.aside"
    return [
        # A link may lead to what only a running system has.
        f'rm -f "$1{_RESOLVER}" && cat {_RESOLVER} >"$1{_RESOLVER}"',
        f'if [ -e "$1{_PRELOAD}" ]; then mv "$1{_PRELOAD}" "$1{aside}"; fi',
        f"{_INSIDE} apt-get --quiet update",
        f"{_INSIDE} apt-get --quiet --yes install {packages}",
        f"{_INSIDE} apt-get clean",
        f"{_INSIDE} dpkg-query --show --showformat={shlex.quote(_LISTING)} >&2",
        f'if [ -e "$1{aside}" ]; then mv "$1{aside}" "$1{_PRELOAD}"; fi',
        f"{_INSIDE} find /var/lib/apt/lists -type f -delete",
        f"{_INSIDE} rm -f {_SETTINGS} {_RESOLVER}",
        'rm -f "$1"/tmp/mmdebstrap.*',
    ]


def _listed(log: Path) -> dict[str, str]:
    said = log.read_text(encoding="utf-8", errors="replace")
    return dict(re.findall(rf"^{re.escape(_LISTED)} (\S+) (\S+) installed$", said, re.MULTILINE))
