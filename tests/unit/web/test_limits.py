"""Guessing is slow."""

from __future__ import annotations

from pibramble.web.limits import Limiter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def guesses_in(hours: float, limiter: Limiter, clock: Clock) -> int:
    """Guess whenever it is allowed; return how often that was."""
    end, count = clock.now + hours * 3600, 0
    while clock.now < end:
        if wait := limiter.wait_s("a"):
            clock.now += wait
        else:
            limiter.tried("a")
            count += 1
    return count


def test_a_few_mistakes_cost_nothing() -> None:
    limiter = Limiter(5, Clock())
    for _ in range(5):
        assert limiter.wait_s("a") == 0
        limiter.tried("a")
    assert limiter.wait_s("a") == 2


def test_who_guesses_all_day_gets_a_dozen_tries_an_hour() -> None:
    clock = Clock()
    assert guesses_in(24, Limiter(5, clock), clock) <= 24 * 13 + 5


def test_others_are_not_held_up() -> None:
    limiter = Limiter(1, Clock())
    limiter.tried("a")
    assert limiter.wait_s("a") > 0
    assert limiter.wait_s("b") == 0


def test_tries_at_the_same_time_count_before_they_have_failed() -> None:
    limiter = Limiter(5, Clock())
    for _ in range(1000):
        limiter.tried("a")
    assert limiter.wait_s("a") == 300


def test_success_and_time_make_a_clean_slate() -> None:
    clock = Clock()
    limiter = Limiter(1, clock)
    limiter.tried("a")
    limiter.succeeded("a")
    assert limiter.wait_s("a") == 0
    limiter.tried("a")
    clock.now += 901
    limiter.tried("a")
    assert limiter.wait_s("a") == 2


def test_a_flood_of_names_fills_no_memory() -> None:
    limiter = Limiter(1, Clock())
    for number in range(10_100):
        limiter.tried(str(number))
    assert limiter.wait_s("0") == 0
    assert limiter.wait_s("10099") > 0
