"""How a job ended, read from what hydra says: it has no better way to tell."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

import attrs

from pibramble.operate.mpi import Share

TAIL_BYTES = 16 * 1024  # so much of the output's end is enough to find hydra's words
_HYDRA_FAILED = 255
_SIGNAL_BASE = 128  # as in sh(1)

# hydra/mpiexec/pmiserv_cb.c; EXIT CODE is the raw wait status of wait(2).
_BANNER = re.compile(rb"=   PID (?P<pid>\d+) RUNNING AT (?P<node>\S+)\s*\n=   EXIT CODE: (?P<status>\d+)")
_MISSING_LIBRARY = re.compile(rb"error while loading shared libraries: (\S+):")
_NOT_STARTED = re.compile(rb": exec: (\S+): ([^\n]+)$", re.MULTILINE)  # the shell that starts a rank


@attrs.frozen
class Verdict:
    """The exit code that stands for the job, and why, for people."""

    exit_code: int
    reason: str = ""
    hint: str = ""
    explained: bool = True  # false: hydra ended with an error of its own, and its words are all there is


def judge(exit_code: int, stdout_tail: bytes, stderr_tail: bytes, shares: Sequence[Share]) -> Verdict:
    """Make out how a job ended that nobody ended from outside.

    mpiexec returns the exit codes of all ranks, or'ed; when a signal ended one, it may return anything.
    """
    if exit_code == 0:
        return Verdict(0, explained=False)
    found = list(_BANNER.finditer(stdout_tail))
    killed = [match for match in found if int(match["status"]) & 0x7F]
    if killed:
        first = killed[0]  # the others are those that hydra ended because of this one
        number = int(first["status"]) & 0x7F
        who = _who(first["node"].decode(errors="replace"), shares)
        hint = _HINTS.get(number, "")
        return Verdict(_SIGNAL_BASE + number, f"{who} was ended by {_signal_name(number)}", hint)
    if library := _MISSING_LIBRARY.search(stderr_tail):
        name = library[1].decode(errors="replace")
        hint = "it was compiled for another machine: let `pibramble run SOURCE.c` compile it on the cluster"
        return Verdict(exit_code, f"the nodes have no {name}", hint)
    if missing := _NOT_STARTED.search(stderr_tail):
        program, why = (part.decode(errors="replace") for part in missing.groups())
        hint = "the nodes do not have what its #! line names" if why == "not found" else ""
        return Verdict(exit_code, f"{program.rpartition('/')[2]} could not be started: {why}", hint)
    explained = exit_code != _HYDRA_FAILED
    return Verdict(exit_code, f"exit code {exit_code}", explained=explained)


_HINTS: dict[int, str] = {
    signal.SIGILL: "the program was compiled for a newer processor than the node has",
    signal.SIGKILL: "a node that is out of memory ends programs like that: `pibramble exec -- dmesg | tail` says so",
    signal.SIGBUS: "a full /dev/shm or a file that became shorter is the usual cause",
}


def _who(node: str, shares: Sequence[Share]) -> str:
    for share in shares:
        if share.node.name == node:
            return f"{share.rank_names} on {node}" if share.ranks == 1 else f"one of {share.rank_names} on {node}"
    return f"a rank on {node}"


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} ({(signal.strsignal(number) or '').lower()})"
