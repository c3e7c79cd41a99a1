"""The times of several runs, call by call."""

from __future__ import annotations

import struct

import pytest

from pibramble.advise.predict.times import shortest


def written(*ranks: list[float]) -> bytes:
    return b"".join(struct.pack(f"=q{len(times)}d", len(times), *times) for times in ranks)


def test_each_call_has_its_shortest_time() -> None:
    runs = [written([1.0, 5.0], [3.0]), written([2.0, 4.0], [9.0]), written([2.0, 6.0], [2.5])]
    assert shortest(runs) == written([1.0, 4.0], [2.5])


@pytest.mark.parametrize(
    "runs",
    [
        [written([1.0]), written([1.0, 2.0])],
        [written([1.0]), written([1.0], [2.0])],
        [written([1.0])[:-1]],
        [written([1.0]) + b"123"],
        [b"", b""],
    ],
)
def test_runs_that_made_other_calls_have_none(runs: list[bytes]) -> None:
    assert shortest(runs) is None
