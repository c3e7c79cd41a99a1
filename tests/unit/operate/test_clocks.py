"""What clocks say, and which of them is wrong."""

from __future__ import annotations

import pytest

from pibramble.operate.clocks import Astray, Clock, Reading, astray, complaint, span
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, WorkerGroup

YEAR_S = 365 * 86_400.0

# As chronyd 4.3 printed them, of a lab.
HEAD = (
    "47505300,GPS,1,1795572069.839509796,0.299073577,0.000072895,0.000072895,0.333,0.000,543.141,"
    "1.000000000,0.005874529,8.0,Normal"
)
WORKER = (
    "C0A80701,192.168.7.1,2,1795572504.094006595,-0.005267955,0.001778351,0.001185919,0.077,106.596,2.673,"
    "0.000017874,0.005880535,16.2,Normal"
)
ALONE = "7F7F0101,,10,1795571833.519015451" + ",0.000000000" * 3 + ",0.000" * 3 + ",0.000000000" * 2 + ",0.0,Normal"
NEVER = "00000000,,0" + ",0.000000000" * 4 + ",0.000" * 3 + ",1.000000000" * 2 + ",0.0,Not synchronised"


@pytest.fixture
def plan() -> Plan:
    return resolve(Cluster(workers=(WorkerGroup(name="zero[1-2]"),)))


def test_a_clock_that_follows_the_receiver_is_behind_by_what_is_to_be_added(plan: Plan) -> None:
    clock = Clock.read(f"load 1\ntracking {HEAD}\n", plan)
    assert clock is not None
    assert (clock.source, clock.ahead_s, clock.stratum, clock.problem) == ("GPS", -0.299073577, 1, "")
    assert clock.doubt_s == pytest.approx(0.505874529)


def test_an_address_of_the_plan_is_a_node_s_name(plan: Plan) -> None:
    clock = Clock.read(f"tracking {WORKER}\n", plan)
    assert clock is not None
    assert (clock.source, clock.ahead_s) == ("head", 0.005267955)


@pytest.mark.parametrize("line", [ALONE, NEVER])
def test_a_clock_that_follows_nobody_has_no_source_and_no_offset(plan: Plan, line: str) -> None:
    clock = Clock.read(f"tracking {line}\n", plan)
    assert clock is not None
    assert (clock.source, clock.ahead_s, clock.problem) == ("", None, "")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("tracking none\n", "there is no chrony"),
        ("tracking 506 Cannot talk to daemon\n", "chronyd does not answer"),
        ("tracking \n", "chronyd does not answer"),
        ("tracking 1,2,3\n", "chronyd does not answer"),
        ("tracking " + ",x" * 13 + "\n", "chronyd's answer makes no sense"),
    ],
)
def test_what_keeps_chronyd_from_answering_is_said(plan: Plan, said: str, problem: str) -> None:
    clock = Clock.read(said, plan)
    assert clock is not None
    assert clock.problem == problem


def test_who_was_not_asked_says_nothing(plan: Plan) -> None:
    assert Clock.read("load 1\n", plan) is None


@pytest.mark.parametrize("clock", ["1000.500000000", "1000.500000", "1000,500000"])
def test_a_clock_is_read_in_the_middle_of_question_and_answer(clock: str) -> None:
    reading = Reading.read(f"clock {clock}\nload 1\n", heard_s=1000.7, took_s=0.4)
    assert reading is not None
    assert reading.ahead_s == pytest.approx(0.0)
    assert reading.doubt_s == pytest.approx(0.2)


@pytest.mark.parametrize("said", ["", "clock\n", "clock %s.%N\n", "clock 1000.%N\n", "o'clock 1000.5\n"])
def test_a_date_that_is_none_is_no_reading(said: str) -> None:
    assert Reading.read(said, 1000.0, 0.1) is None


def readings(**ahead_s: float) -> dict[str, Reading | None]:
    return {node: Reading(seconds, 0.05) for node, seconds in ahead_s.items()}


def test_a_clock_is_held_against_the_head_s_and_not_against_who_asks() -> None:
    assert astray(readings(head=500.0, zero1=500.2, zero2=499.9), "head", 1.0) == ()


def test_a_year_is_found() -> None:
    assert astray(readings(head=0.0, zero1=0.1, zero2=-YEAR_S), "head", 1.0) == (Astray("zero2", -YEAR_S),)


def test_a_slow_answer_accuses_nobody() -> None:
    slow = {**readings(head=0.0), "zero1": Reading(1.4, 0.5)}
    assert astray(slow, "head", 1.0) == ()
    assert astray({**slow, "zero1": Reading(1.6, 0.5)}, "head", 1.0) == (Astray("zero1", 1.6),)


def test_without_the_head_the_middle_is_right() -> None:
    (wrong,) = astray(readings(zero1=YEAR_S, zero2=0.0, zero3=0.25), "head", 1.0)
    assert wrong == Astray("zero1", YEAR_S - 0.25)


def test_chronyd_s_own_word_counts_where_nobody_could_see_it_from_outside(plan: Plan) -> None:
    clock = Clock.read(f"tracking {HEAD}\n", plan)
    assert astray(readings(head=0.0), "head", 0.2, {"head": clock}) == (Astray("head", -0.299073577),)
    assert astray(readings(head=0.0), "head", 0.3, {"head": clock}) == ()


def test_who_did_not_answer_is_left_out() -> None:
    assert astray({"head": None, "zero1": None}, "head", 1.0) == ()


def test_a_complaint_names_nodes_that_are_off_alike_together() -> None:
    told = complaint([Astray("zero1", -YEAR_S), Astray("zero2", -YEAR_S - 5), Astray("aplus", 3.21)], 1.0)
    assert told.splitlines()[0] == "3 clocks are more than 1 s off: zero[1-2] 365 d behind, aplus 3.21 s ahead"
    assert complaint([], 1.0) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 us"),
        (12.4e-6, "12 us"),
        (-3.456e-3, "3.46 ms"),
        (0.5, "500 ms"),
        (1.25, "1.25 s"),
        (119, "119 s"),
        (300, "5 min"),
        (3 * 3600, "3 h"),
        (-YEAR_S, "365 d"),
    ],
)
def test_spans_are_in_units_that_people_can_see(seconds: float, text: str) -> None:
    assert span(seconds) == text
