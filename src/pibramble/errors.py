"""The one kind of error that is meant for people, and the exit codes of the command.

Nothing here may import anything slow: every run of the command loads this module.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Exit(IntEnum):
    """Exit codes of `pibramble`. They are part of its interface: never renumber one."""

    OK = 0
    FAILED = 1  # the thing asked for was tried and did not succeed
    WRONG = 2  # the cluster file or the command line is wrong; nothing was tried
    MISSING = 3  # a system program, a permission or a kernel feature is missing
    NOT_UP = 4  # the cluster is not up (or not all of it)
    UNREACHABLE = 5  # a node did not answer
    BUSY = 6  # another pibramble is at work on this cluster
    TIMEOUT = 124  # as in timeout(1)
    INTERRUPTED = 130  # as in sh(1): 128 + SIGINT


class Location(NamedTuple):
    """A place in a file that a person wrote; line and column count from 1, 0 means unknown."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `path:line:column`, the form that editors and terminals make clickable."""
        known = [str(n) for n in (self.line, self.column) if n]
        return ":".join([self.path, *known])


class PibrambleError(Exception):
    """What is wrong, where, and what to do about it; printed without a traceback.

    `message` says what is wrong in one sentence; `hint` what to do next (may have several lines).
    """

    exit_code: Exit = Exit.FAILED
    standalone: bool = False  # the text begins with a clickable place: the program's name is not put before it

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        where: Location | None = None,
        exit_code: Exit | None = None,
    ) -> None:
        """Make the error; `exit_code` overrides the class's own."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        """Return the whole report, ready to be printed."""
        head = f"{self.where}: {self.message}" if self.where else self.message
        return f"{head}\n  {self.hint.replace(chr(10), chr(10) + '  ')}" if self.hint else head


class UsageError(PibrambleError):
    """The command line asks for something that makes no sense."""

    exit_code = Exit.WRONG


class MissingError(PibrambleError):
    """A system program, a permission or a kernel feature is missing."""

    exit_code = Exit.MISSING


class NotUpError(PibrambleError):
    """The cluster, or the part of it that is asked for, is not up."""

    exit_code = Exit.NOT_UP


class UnreachableError(PibrambleError):
    """A node does not answer."""

    exit_code = Exit.UNREACHABLE


class BusyError(PibrambleError):
    """Another pibramble is at work on the same cluster."""

    exit_code = Exit.BUSY


class TimedOutError(PibrambleError):
    """Something took longer than it was allowed to."""

    exit_code = Exit.TIMEOUT
