"""What chrony makes of its sources: `chronyc` asked for comma-separated values (chronyc(1), -c)."""

from __future__ import annotations

from collections.abc import Sequence

from pibramble import proc
from pibramble.chronyc import Tracking
from pibramble.errors import MissingError, PibrambleError
from pibramble.gps.model import Chosen, Chrony, TimeSource

NOT_INSTALLED = "chrony is not installed"
_TIMEOUT_S = 3
_KINDS = {"^": "server", "=": "peer", "#": "reference clock"}
_CHOICES = {
    "*": Chosen.BEST, "+": Chosen.COMBINED, "-": Chosen.REJECTED, "x": Chosen.FALSE, "~": Chosen.VARIABLE,
    "?": Chosen.UNUSABLE,
}  # fmt: skip
_NEVER = 4_294_967_295  # chronyc's "no sample yet"


def ask() -> Chrony:
    """Ask the chronyd of this machine. What keeps it from answering comes back in words."""
    try:
        tracking = proc.run(["chronyc", "-n", "-c", "tracking"], timeout_s=_TIMEOUT_S, check=False)
        if tracking.returncode != 0:
            said = (tracking.stdout + tracking.stderr).strip().splitlines()
            return Chrony(problem=f"chronyd does not answer: {said[-1] if said else 'no reason given'}")
        sources = proc.run(["chronyc", "-n", "-c", "sources"], timeout_s=_TIMEOUT_S, check=False)
    except MissingError:
        return Chrony(problem=NOT_INSTALLED)
    except PibrambleError as error:
        return Chrony(problem=error.message)
    return Chrony(Tracking.read(tracking.stdout), read_sources(sources.stdout))


def read_sources(text: str) -> tuple[TimeSource, ...]:
    """Return what `chronyc -c sources` printed, line by line."""
    found = (_source(line.split(",")) for line in text.splitlines())
    return tuple(source for source in found if source)


def _source(fields: Sequence[str]) -> TimeSource | None:
    try:
        age_s = int(fields[6])
        return TimeSource(
            kind=_KINDS.get(fields[0], fields[0]),
            name=fields[2],
            chosen=_CHOICES.get(fields[1], Chosen.UNUSABLE),
            stratum=int(fields[3]),
            reach=int(fields[5], 8),
            last_sample_s=None if age_s == _NEVER else age_s,
            offset_s=float(fields[7]),
            error_s=float(fields[9]),
        )
    except (IndexError, ValueError):
        return None
