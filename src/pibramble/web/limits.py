"""How often somebody may try to log in: a few times at once, then ever more slowly."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import attrs

_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 300.0
_FORGET_S = 900.0
_MOST_KEYS = 10_000  # a flood of names or addresses fills no memory


@attrs.define
class _Tries:
    count: int = 0
    last_s: float = 0


class Limiter:
    """Counts tries by a key: an address, a name."""

    def __init__(self, free: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Let `free` tries through at once; `clock` gives seconds."""
        self._free, self._clock = free, clock
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Return for how many seconds no further try is let through; 0: one may try."""
        tries = self._tries.get(key)
        if tries is None or tries.count < self._free:
            return 0
        pause = min(_FIRST_WAIT_S * 2.0 ** min(tries.count - self._free, 16), _LONGEST_WAIT_S)
        return max(0.0, tries.last_s + pause - self._clock())

    def tried(self, key: str) -> None:
        """Count a try, before it is known how it ends: many at once count as many."""
        now = self._clock()
        tries = self._tries.pop(key, None)
        if tries is None or now - tries.last_s > _FORGET_S:
            tries = _Tries()
        tries.count, tries.last_s = tries.count + 1, now
        self._tries[key] = tries
        if len(self._tries) > _MOST_KEYS:
            self._tries.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the tries of somebody who got in."""
        self._tries.pop(key, None)
