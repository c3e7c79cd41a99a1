"""Runs mmdebstrap: packages from the mirror become a root file system, as a tar archive.

As an ordinary user this happens in a user namespace, with the numbers of /etc/subuid as the base's owners.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import tarfile
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from pibramble import paths, proc
from pibramble.cards import child
from pibramble.cards.archive import Archive
from pibramble.cards.recipe import BaseFile, Recipe
from pibramble.errors import MissingError, PibrambleError
from pibramble.progress import Progress, Step

TAIL_LINES = 12  # so much of the trouble is shown to people
_KEPT_LINES = 1000  # a mirror that lacks packages names each
_SET_UP = re.compile(r"Setting up (?P<name>[^\s:]+)")
_AT_HAND = re.compile(r"(?P<verb>Get:\d+|Unpacking|Processing triggers for|update-initramfs: Generating) (?P<what>\S+)")
_NOT_THERE = re.compile(r"^E: Failed to fetch \S+/(?P<name>[^/_\s]+?)(?:_\S+)?\.deb\s.*404")
_TROUBLE = re.compile(r"^(?:E:|dpkg: error|Errors were|.*No space left on device)", re.MULTILINE)

# What nobody reads on a board that has no screen: a tenth of the card, and of the time to unpack it. The copyright
# files stay, as their licences ask.
_LEFT_OUT = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)
# Our early files are there before the packages that bring the same ones; dpkg would stop and ask which to keep.
_KEEP_OURS = "force-confold"


class BootstrapError(PibrambleError):
    """Packages could not be made into a root file system."""


class LackingError(BootstrapError):
    """The mirror has not got `packages` that its index names."""

    def __init__(self, message: str, packages: Sequence[str], *, hint: str) -> None:
        """Make the error."""
        super().__init__(message, hint=hint)
        self.packages = tuple(packages)


def check_user() -> None:
    """Return when this user may have a user namespace with many users in it. Raises MissingError."""
    if os.getuid() == 0:
        return
    name = paths.owner().pw_name
    for file in (Path("/etc/subuid"), Path("/etc/subgid")):
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        owners = [line.split(":")[0] for line in text.splitlines()]
        if name not in owners and str(os.getuid()) not in owners:
            raise MissingError(
                f"{name} has no range of numbers in {file}: the owners of a base's files could not be kept",
                hint=f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}",
            )
    if proc.run([*as_root(), "true"], check=False).returncode != 0:
        raise MissingError(
            "this machine does not let users have namespaces of their own",
            hint="sudo apt-get install uidmap\n"
            "On Ubuntu also: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0\n"
            "Or build as root: sudo pibramble card build",
        )


def as_root() -> tuple[str, ...]:
    """Return the words before a command that make its owners and modes those of a real system.

    Files of root belong to the user in this namespace, those of others to numbers of /etc/subuid.
    """
    return () if os.getuid() == 0 else ("unshare", "--user", "--map-root-user", "--map-auto", "--")


def bootstrap(recipe: Recipe, archive: Archive, scratch: Path, workshop: Path, progress: Progress) -> Path:
    """Return a tar archive in `scratch` of what the recipe's packages make; build.log there has what was printed.

    mmdebstrap unpacks in `workshop`, which must let other users pass: it works as one. Raises BootstrapError,
    LackingError.
    """
    log = scratch / "build.log"
    early, sources, result = scratch / "early.tar", scratch / "pibramble.sources", scratch / "root.tar"
    pack(recipe.early_files, early, archive.time_s)
    sources.write_text("\n".join(source.deb822() for source in archive.sources), encoding="utf-8")
    argv = [
        "--variant=minbase",
        f"--architectures={recipe.architecture.debian}",
        f"--include={','.join(recipe.packages)}",
        f"--essential-hook=tar-in {shlex.quote(str(early))} /",
        *(f"--dpkgopt={option}" for option in (*_LEFT_OUT, _KEEP_OURS)),
        *(recipe.release, "-", str(sources)),
    ]
    with progress.step(f"Installing {recipe.title}", total=len(archive.packages), unit="packages") as step:
        trouble = mmdebstrap(argv, result, log, workshop, archive.time_s, step)
        if trouble is not None:  # within the step: its bar must not end as if it were done
            raise _failure(recipe.title, trouble)
    return result


def _failure(title: str, trouble: Sequence[str]) -> BootstrapError:
    message, hint = f"mmdebstrap could not make {title}", "\n".join(trouble[-TAIL_LINES:])
    lacking = dict.fromkeys(match["name"] for line in trouble if (match := _NOT_THERE.match(line)))
    return LackingError(message, [*lacking], hint=hint) if lacking else BootstrapError(message, hint=hint)


def mmdebstrap(  # noqa: PLR0913, PLR0917 (where everything goes)
    options: Sequence[str], result: Path, log: Path, workshop: Path, time_s: int, step: Step
) -> list[str] | None:
    """Run mmdebstrap, its archive going to `result`, its words to `log`; return what went wrong, None if nothing."""
    argv = [
        # As root it mounts /proc and /sys of this machine into what it makes: where nobody else sees them, and where
        # they go with it, however it ends.
        *(("unshare", "--mount", "--propagation", "private", "--") if os.getuid() == 0 else ()),
        *("mmdebstrap", "--verbose", f"--mode={'root' if os.getuid() == 0 else 'unshare'}", "--format=tar"),
        *options,
    ]
    # Times that are newer than the mirror's index are cut to it: the same packages give the same base.
    env = {**os.environ, "TMPDIR": str(workshop), "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(time_s)}
    with (
        result.open("wb") as out,
        log.open("w", encoding="utf-8") as record,
        child.running(argv, stdout=out, stderr=subprocess.PIPE, env=env) as working,
    ):
        lines = io.TextIOWrapper(working.stderr or io.BytesIO(), encoding="utf-8", errors="replace")
        tail = _follow(lines, record, step)
        code = working.wait()
    return [*tail] if code != 0 else None


def pack(files: Iterable[BaseFile], archive: Path, time_s: int) -> None:
    """Write files of root's, with the folders above them, as a tar archive."""
    with tarfile.open(archive, "w") as tar:
        folders: set[str] = set()
        for file in files:
            for parent in reversed(Path(file.path).parents[:-1]):
                if str(parent) not in folders:
                    folders.add(str(parent))
                    entry = tarfile.TarInfo(f".{parent}")
                    entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, time_s
                    tar.addfile(entry)
            entry = tarfile.TarInfo(f".{file.path}")
            entry.mode, entry.mtime = file.mode, time_s
            content = file.content.encode()
            if file.target:
                entry.type, entry.linkname = tarfile.SYMTYPE, file.target
            else:
                entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def _follow(lines: Iterable[str], record: io.TextIOBase, step: Step) -> deque[str]:
    """Count packages as they are set up; return what was said last, and everything that sounds like trouble."""
    done: set[str] = set()
    tail: deque[str] = deque(maxlen=_KEPT_LINES)
    for line in lines:
        record.write(line)
        if match := _SET_UP.match(line):
            new = match["name"] not in done
            done.add(match["name"])
            step.advance(1 if new else 0, match["name"])
        elif match := _AT_HAND.match(line):
            step.advance(0, "downloading" if match["verb"].startswith("Get") else f"{match['verb']} {match['what']}")
        if _TROUBLE.match(line):
            tail.append(line.rstrip())
    return tail
