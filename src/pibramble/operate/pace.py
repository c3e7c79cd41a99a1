"""How far a node's standard input may run ahead of what has arrived there.

An SSH channel takes two megabytes before it waits, and on a serial wire those take half a minute: so long would Ctrl-C
have no effect, every other command on that connection would wait, and a progress bar would lie. So the node says how
much it has got, and gets about a second's worth more.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

_AHEAD_S = 1.0
_LEAST = 128 * 1024  # bytes: some multiples of what a node acknowledges at once
_MOST = 8 * 1024 * 1024


@attrs.define
class _Flow:
    """One node's."""

    sent: int = 0
    arrived: int = 0
    first: int = 0  # what had arrived when the clock was started: what came before says nothing about the wire
    since: float = 0.0


class Pace:
    """Shared by whoever sends and whoever hears of arrivals."""

    def __init__(self) -> None:
        """Know of no node yet."""
        self._flows: dict[str, _Flow] = {}
        self._resume: Callable[[str], None] = lambda _node: None

    def on_room(self, resume: Callable[[str], None]) -> None:
        """Set who is told that a node has room again."""
        self._resume = resume

    def room(self, node: str) -> int:
        """Return how many bytes may be sent to the node now."""
        flow = self._flows.setdefault(node, _Flow())
        return _window(flow) - (flow.sent - flow.arrived)

    def sent(self, node: str, count: int) -> None:
        """Take down that so many bytes are on their way."""
        self._flows[node].sent += count

    def arrived(self, node: str, count: int) -> None:
        """Take down that so many bytes have arrived."""
        flow = self._flows.setdefault(node, _Flow())
        flow.arrived += count
        if not flow.since:
            flow.since, flow.first = time.monotonic(), flow.arrived
        self._resume(node)


def _window(flow: _Flow) -> int:
    elapsed_s = time.monotonic() - flow.since if flow.since else 0.0
    if elapsed_s <= 0:
        return _LEAST
    return int(min(_MOST, max(_LEAST, (flow.arrived - flow.first) / elapsed_s * _AHEAD_S)))
