"""Files that are kept under git: one is written, and committed when it has changed."""

from __future__ import annotations

from pathlib import Path

import attrs

from pibramble import proc
from pibramble.paths import make_private, write_private

_NOBODY = (
    "-c",
    "user.name=pibramble",
    "-c",
    "user.email=pibramble@localhost",
)  # where git knows no name for the person


@attrs.frozen
class Kept:
    """What became of a file."""

    path: Path
    diff: str  # empty: it is as it was
    first: bool  # it was not there before
    since: str  # when it was committed as it is now: "2026-11-25 02:36"


def keep(folder: Path, name: str, text: str, message: str) -> Kept:
    """Write a file and commit it if it has changed, it alone. The folder becomes a repository if it lies in none.

    Raises MissingError without git, CommandFailedError for what git says.
    """
    make_private(folder)
    if proc.run(_git(folder, "rev-parse", "--git-dir"), check=False).returncode:
        proc.run(_git(folder, "init", "--quiet"))
    path = folder / name
    first = not proc.run(_git(folder, "ls-files", "--", name)).stdout.strip()
    write_private(path, text)
    proc.run(_git(folder, "add", "--", name))
    diff = proc.run(_git(folder, "diff", "--cached", "--no-color", "--no-ext-diff", "--", name)).stdout
    if diff:
        known = proc.run(_git(folder, "config", "user.email"), check=False).returncode == 0
        who = () if known else _NOBODY
        proc.run(("git", "-C", str(folder), *who, "commit", "--quiet", "--message", message, "--only", "--", name))
    since = proc.run(
        _git(folder, "log", "-1", "--format=%cd", "--date=format:%Y-%m-%d %H:%M", "--", name)
    ).stdout.strip()
    return Kept(path, diff, first, since)


def _git(folder: Path, *words: str) -> tuple[str, ...]:
    return ("git", "-C", str(folder), *words)
