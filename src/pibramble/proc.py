"""The one door to the outside world's programs.

Every command that pibramble starts passes through `run` or `start`: it is logged in a form that can be pasted into
a shell (`pibramble -v`), it never goes through a shell of ours, and when it fails its standard error comes along.
"""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from pibramble.errors import MissingError, PibrambleError, TimedOutError

log = logging.getLogger("pibramble.proc")

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@attrs.frozen
class Completed:
    """What a finished command left behind."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class CommandFailedError(PibrambleError):
    """A command ended with an exit code that says it failed."""

    def __init__(self, completed: Completed, *, hint: str = "") -> None:
        """Wrap `completed`; its last lines of standard error become the hint unless one is given."""
        self.completed = completed
        last = completed.stderr.strip() or completed.stdout.strip()
        shown = "\n".join(last.splitlines()[-8:])
        super().__init__(
            f"`{paste(completed.argv)}` failed with exit code {completed.returncode}",
            hint="\n".join(part for part in (shown, hint) if part),
        )


def paste(argv: Sequence[str]) -> str:
    """Return the command as a person would type it."""
    return shlex.join(argv)


def system_path(path: str | None = None) -> str:
    """Return a search path, by default PATH, with the folders of tc, nft and sshd: Debian's users do not have them."""
    folders = (os.environ.get("PATH", os.defpath) if path is None else path).split(os.pathsep)
    return os.pathsep.join([*folders, *(folder for folder in _SYSTEM_FOLDERS if folder not in folders)])


def run(  # noqa: PLR0913 (these are subprocess.run's own knobs)
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout_s: float = 30,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    hint: str = "",
) -> Completed:
    """Run a command to its end and return what it printed.

    Raises MissingError when there is no such program, TimedOutError after `timeout_s` seconds, and
    CommandFailedError for a non-zero exit code unless `check` is false. `hint` says what a person can do about it.
    """
    argv = tuple(argv)
    log.debug("+ %s", paste(argv))
    began = time.monotonic()
    try:
        done = subprocess.run(  # noqa: S603 (an argument list, never a shell string)
            argv,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            env=_environment(env),
            cwd=cwd,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise _missing(argv, error) from None
    except subprocess.TimeoutExpired:
        message = f"`{paste(argv)}` did not end within {timeout_s:g} s and was stopped"
        raise TimedOutError(message, hint=hint) from None
    seconds = time.monotonic() - began
    completed = Completed(argv, done.returncode, done.stdout, done.stderr, seconds)
    log.debug("  -> %d in %.3f s", completed.returncode, seconds)
    if check and completed.returncode != 0:
        raise CommandFailedError(completed, hint=hint)
    return completed


def start(argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 (Popen's own)
    """Start a command and return it running; the caller owns it. `options` are those of subprocess.Popen."""
    argv = tuple(argv)
    log.debug("+ %s &", paste(argv))
    options["env"] = _environment(options.get("env"))
    try:
        return subprocess.Popen(argv, **options)  # noqa: S603 (an argument list, never a shell string)
    except FileNotFoundError as error:
        raise _missing(argv, error) from None


def _environment(env: Mapping[str, str] | None) -> dict[str, str]:
    env = os.environ if env is None else env
    return {**env, "PATH": system_path(env.get("PATH"))}


def _missing(argv: Sequence[str], error: FileNotFoundError) -> PibrambleError:
    if error.filename != argv[0]:  # the working folder, not the program
        return PibrambleError(f"{error.filename}: no such file or folder")
    return MissingError(
        f"the program `{argv[0]}` is not installed",
        hint="`pibramble doctor` says which package brings it",
    )
