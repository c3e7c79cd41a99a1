"""What became of a command on a node."""

from __future__ import annotations

from enum import StrEnum

import attrs

from pibramble.errors import Exit
from pibramble.operate import mux


class Fate(StrEnum):
    """How a command on a node came to its end."""

    EXITED = "exited"
    SIGNALLED = "signalled"  # a signal ended it on the node, we do not know which
    UNREACHABLE = "unreachable"  # it did not start, or the connection was lost while it ran
    TIMED_OUT = "timed out"
    STOPPED = "stopped"  # by a listener of ours
    INTERRUPTED = "interrupted"


@attrs.frozen
class Outcome:
    """What became of the command on one node."""

    node: str
    exit_code: int | None  # None: it came to no end of its own
    stdout: bytes
    stderr: bytes
    seconds: float
    problem: str  # "" or what went wrong, for people: "unreachable: ...", "timed out after 5 s ..."
    hint: str = ""  # what to do about it
    fate: Fate = Fate.EXITED

    @property
    def code(self) -> int:
        """Return the exit code that stands for this outcome."""
        if self.exit_code is not None:
            return self.exit_code
        return _CODES[self.fate]


_CODES = {
    Fate.EXITED: Exit.FAILED,
    Fate.SIGNALLED: mux.SIGNALLED,
    Fate.UNREACHABLE: Exit.UNREACHABLE,
    Fate.TIMED_OUT: Exit.TIMEOUT,
    Fate.STOPPED: Exit.FAILED,
    Fate.INTERRUPTED: Exit.INTERRUPTED,
}
