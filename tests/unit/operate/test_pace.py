from __future__ import annotations

import time

import pytest

from pibramble.operate.pace import Pace

KIB = 1024


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets."""
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


def test_a_node_that_has_said_nothing_gets_little(now: list[float]) -> None:
    pace = Pace()
    assert pace.room("a") == 128 * KIB
    pace.sent("a", 128 * KIB)
    now[0] += 60
    assert pace.room("a") == 0
    assert pace.room("b") == 128 * KIB


def test_a_slow_wire_gets_no_more_ahead_than_the_least(now: list[float]) -> None:
    pace = Pace()
    pace.room("a")
    pace.sent("a", 128 * KIB)
    pace.arrived("a", 50 * KIB)
    now[0] += 1
    pace.arrived("a", 50 * KIB)
    assert pace.room("a") == 100 * KIB


def test_a_quick_wire_gets_what_it_carries_in_a_second(now: list[float]) -> None:
    pace = Pace()
    pace.room("a")
    pace.sent("a", 128 * KIB)
    pace.arrived("a", 28 * KIB)  # when the clock starts
    now[0] += 0.0078125
    pace.arrived("a", 100 * KIB)
    assert pace.room("a") == 8192 * KIB  # 10 MB/s, but never more than that


def test_room_is_told_to_whoever_waits_for_it() -> None:
    told: list[str] = []
    pace = Pace()
    pace.on_room(told.append)
    pace.arrived("a", 1)
    assert told == ["a"]
