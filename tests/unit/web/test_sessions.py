"""Sessions begin, run out and end."""

from __future__ import annotations

from pibramble.web import sessions
from pibramble.web.sessions import Sessions


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_session_is_found_by_its_secret_alone() -> None:
    known = Sessions()
    secret = known.begin("ada", "hash")
    found = known.find(secret)
    assert found is not None
    assert found.name == "ada"
    assert known.find(secret[:-1]) is None
    assert known.find("") is None
    assert secret != known.begin("ada", "hash")


def test_a_session_that_nobody_uses_runs_out() -> None:
    clock = Clock()
    known = Sessions(clock)
    secret = known.begin("ada", "hash")
    clock.now = sessions.IDLE_S - 1
    assert known.find(secret)
    clock.now = 2 * sessions.IDLE_S
    assert known.find(secret) is None


def test_no_session_lasts_for_ever() -> None:
    clock = Clock()
    known = Sessions(clock)
    secret = known.begin("ada", "hash")
    while clock.now < sessions.LONGEST_S:
        assert known.find(secret)
        clock.now += sessions.IDLE_S / 2
    clock.now += 1
    assert known.find(secret) is None


def test_logging_out_ends_it() -> None:
    known = Sessions()
    secret = known.begin("ada", "hash")
    known.end(secret)
    assert known.find(secret) is None
