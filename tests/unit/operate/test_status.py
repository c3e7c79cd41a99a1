"""What a node answers, read."""

from __future__ import annotations

import json

import attrs
import pytest

from pibramble.operate.measure import read
from pibramble.operate.outcome import Outcome
from pibramble.operate.status import Machine, read_machine

BOARD = """\
load 0.42
uptime 3600.50
MemTotal: 443080
MemAvailable: 381204
temperature 47078
MPICH Version:      4.2.1
"""


def test_a_board_s_answer_is_read_in_people_s_units() -> None:
    assert read_machine(BOARD) == Machine(
        load=0.42, memory_used_mb=60, memory_total_mb=433, temperature_c=47.078, uptime_s=3600.5
    )


@pytest.mark.parametrize("text", ["", "load x\n", "garbage\x00\n" * 3])
def test_an_answer_that_makes_no_sense_leaves_the_figures_open(text: str) -> None:
    assert read_machine(text) == Machine()


def answered(stdout: bytes, exit_code: int = 0) -> Outcome:
    return Outcome(node="head", exit_code=exit_code, stdout=stdout, stderr=b"", seconds=2.0, problem="")


def test_iperf3_s_report_counts_what_arrived() -> None:
    report = {"end": {"sum_sent": {"bits_per_second": 9e5}, "sum_received": {"bits_per_second": 7.05e5}}}
    assert read(answered(json.dumps(report).encode()), "head") == (705_000, "")


def test_iperf3_s_own_reason_is_passed_on() -> None:
    assert read(answered(b'{"error": "unable to connect"}', 1), "head") == (None, "iperf3: unable to connect")


def test_a_report_that_is_none_is_a_problem_and_no_figure() -> None:
    for outcome in (answered(b""), answered(b"{}"), attrs.evolve(answered(b""), exit_code=None, problem="timed out")):
        figure, problem = read(outcome, "head")
        assert figure is None
        assert problem
