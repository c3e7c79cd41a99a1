"""What ranks computed between their MPI calls, as bench/once.c writes it: a number and so many seconds a rank."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

_COUNT_BYTES = array("q").itemsize


def shortest(measured: Sequence[bytes]) -> bytes | None:
    """Return each call's shortest time of several runs, as bench/speed.c takes its fastest round: noise only adds.

    None where the runs made different calls, or what stands there makes no sense.
    """
    try:
        first, *others = [_read(content) for content in measured]
    except ValueError:
        return None
    shape = [len(times) for times in first]
    if not shape or any([len(times) for times in other] != shape for other in others):
        return None
    for other in others:
        first = [array("d", map(min, times, more)) for times, more in zip(first, other, strict=True)]
    return b"".join(array("q", [len(times)]).tobytes() + times.tobytes() for times in first)


def _read(content: bytes) -> list[array[float]]:
    """Return the times of each rank. Raises ValueError."""
    found, at = [], 0
    while at < len(content):
        [count] = array("q", content[at : at + _COUNT_BYTES])
        at += _COUNT_BYTES
        times = array("d", content[at : at + count * 8])
        if len(times) != count:
            raise ValueError
        found.append(times)
        at += count * 8
    return found
