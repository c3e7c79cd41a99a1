"""A small event loop: descriptors and timers, nothing else.

asyncio costs a 700 MHz board most of a second to import, and selectors a namedtuple an event.
"""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable
from itertools import count

READ = select.EPOLLIN
WRITE = select.EPOLLOUT


class Loop:
    """Calls a function when a descriptor is ready, or when a time has come."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def watch(self, descriptor: int, ready: Callable[[], None], events: int = READ) -> None:
        """Call `ready` whenever `descriptor` is. Raises PermissionError for a regular file: that one always is."""
        self._epoll.register(descriptor, events)
        self._ready[descriptor] = ready

    def forget(self, descriptor: int) -> None:
        """Watch this descriptor no longer; to be called before it is closed. Unknown ones are fine."""
        if self._ready.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def after(self, seconds: float, due: Callable[[], None]) -> None:
        """Call `due` once, when `seconds` have passed. It looks for itself whether it still matters."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), due))

    def turn(self, timeout_s: float | None = None) -> None:
        """Wait until something is ready or due, at most `timeout_s`, and call what belongs to it."""
        if self._timers:
            until = max(0.0, self._timers[0][0] - time.monotonic())
            timeout_s = until if timeout_s is None else min(until, timeout_s)
        for descriptor, _ in self._epoll.poll(timeout_s):
            ready = self._ready.get(descriptor)  # an earlier one of this turn may have forgotten it
            if ready is not None:
                ready()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def close(self) -> None:
        """Let go of everything."""
        self._epoll.close()
        self._ready.clear()
        self._timers.clear()
