"""What times mean: speed-up, efficiency, shares, and the knee."""

from __future__ import annotations

import pytest

from pibramble.advise.predict.scaling import Simulated, judge, steps_to


def run(ranks: int, seconds: float, without_wires: float | None = None, compute: float | None = None) -> Simulated:
    ideal = seconds if without_wires is None else without_wires
    return Simulated(ranks, seconds, ideal, ideal if compute is None else compute)


def test_speed_up_and_efficiency_are_against_the_smallest() -> None:
    points = judge([run(4, 30.0), run(2, 50.0)]).points
    assert [(p.ranks, p.speed_up, p.efficiency) for p in points] == [(2, 1.0, 1.0), (4, 50 / 30, 50 / 60)]


def test_the_time_is_shared_out_between_compute_wire_and_waiting() -> None:
    [point] = judge([run(4, 10.0, without_wires=7.0, compute=5.0)]).points
    assert (point.compute, point.wire, point.waiting) == pytest.approx((0.5, 0.3, 0.2))


def test_noise_between_the_two_runs_makes_no_share_negative() -> None:
    [faster] = judge([run(4, 10.0, without_wires=10.4, compute=10.2)]).points
    assert (faster.compute, faster.wire, faster.waiting) == (1.0, 0.0, 0.0)


def test_the_knee_is_the_last_number_that_was_worth_its_boards() -> None:
    # 1 -> 2 adds 0.9 of a board, 2 -> 4 adds 0.7 each, 4 -> 8 only 0.2 each.
    scaling = judge([run(1, 100.0), run(2, 100 / 1.9), run(4, 100 / 3.3), run(8, 100 / 4.1)])
    assert (scaling.knee, scaling.fastest) == (4, 8)


def test_a_program_that_scales_has_no_knee() -> None:
    scaling = judge([run(count, 100 / count) for count in (1, 2, 4, 256)])
    assert (scaling.knee, scaling.fastest) == (None, 256)


def test_a_program_that_only_gets_slower_has_its_knee_at_once() -> None:
    assert judge([run(1, 1.0), run(2, 1.5), run(4, 2.0)]).knee == 1


def test_a_base_of_many_ranks_counts_boards_not_multiples() -> None:
    # From 16 to 32 ranks 8 of the 16 new ones are gained: just worth it; from 32 to 64 nothing is.
    assert judge([run(16, 90.0), run(32, 60.0), run(64, 60.0)]).knee == 32


@pytest.mark.parametrize(("most", "steps"), [(1, (1,)), (2, (1, 2)), (5, (1, 2, 4, 5)), (8, (1, 2, 4, 8))])
def test_the_numbers_of_ranks_that_are_tried(most: int, steps: tuple[int, ...]) -> None:
    assert steps_to(most) == steps
