"""Who joins, who leaves first, who is replaced, and who is refused."""

from __future__ import annotations

import json

import attrs
import pytest

from pibramble.errors import PibrambleError
from pibramble.operate.swarm import membership
from pibramble.operate.swarm.engine import Engine, Membership
from pibramble.operate.swarm.membership import Member
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ContainersSection, WorkerGroup
from pibramble.spec.model import Engine as Kind

PLAN = resolve(
    Cluster(workers=(WorkerGroup(name="zero[1-2]"),), containers=ContainersSection(engine=Kind.DOCKER_SWARM))
)
MANAGER = ("192.168.7.1:2377",)


def engine(node: str, state: str = "inactive", node_id: str = "", managers: tuple[str, ...] = MANAGER) -> Engine:
    swarm = Membership(state, node_id, manager=node == "head" and state == "active", managers=managers)
    return Engine(node, reachable=True, installed=True, version="26.1", swarm=swarm)


def member(name: str, node_id: str, *, manager: bool = False, ready: bool = True) -> Member:
    labels = PLAN.containers.labels[name] if PLAN.containers else {}
    return Member(node_id, name, ready=ready, available=True, manager=manager, labels=labels)


HEAD = engine("head", "active", "h")
KNOWN_HEAD = member("head", "h", manager=True)


def engines(*ones: Engine) -> dict[str, Engine]:
    return {one.node: one for one in ones}


def test_whoever_is_in_no_swarm_joins() -> None:
    steps = membership.steps(PLAN, engines(HEAD, engine("zero1", "active", "z1"), engine("zero2")),
                             [KNOWN_HEAD, member("zero1", "z1")])  # fmt: skip
    assert steps == membership.Steps(join=("zero2",), leave_first=())


def test_all_joined_is_nothing_to_do() -> None:
    asked = engines(HEAD, engine("zero1", "active", "z1"), engine("zero2", "active", "z2"))
    known = [KNOWN_HEAD, member("zero1", "z1"), member("zero2", "z2")]
    assert membership.steps(PLAN, asked, known) == membership.Steps((), ())
    assert membership.cleaning(PLAN, asked, known) == membership.Cleaning((), {})


def test_a_worker_of_a_head_that_got_a_new_card_leaves_its_old_swarm_first() -> None:
    steps = membership.steps(PLAN, engines(HEAD, engine("zero1", "active", "of-the-old-head")), [KNOWN_HEAD])
    assert steps == membership.Steps(join=("zero1",), leave_first=("zero1",))


def test_a_worker_with_a_new_card_takes_the_place_of_its_older_self() -> None:
    asked = engines(HEAD, engine("zero1", "active", "new"))
    old = member("zero1", "old", ready=False)
    cleaning = membership.cleaning(PLAN, asked, [KNOWN_HEAD, old, member("zero1", "new")])
    assert cleaning.remove == (old,)


def test_a_node_that_was_not_asked_is_left_alone() -> None:
    cleaning = membership.cleaning(PLAN, engines(HEAD), [KNOWN_HEAD, member("zero2", "z2", ready=False)])
    assert cleaning.remove == ()


def test_labels_are_set_where_they_differ() -> None:
    bare = attrs.evolve(member("zero1", "z1"), labels={"board": "pi-1b", "mine": "stays"})
    cleaning = membership.cleaning(PLAN, engines(HEAD, engine("zero1", "active", "z1")), [KNOWN_HEAD, bare])
    assert cleaning.label["z1"]["board"] == "pi-zero"
    assert cleaning.label["z1"]["link"] == "usb"
    assert "mine" not in cleaning.label["z1"]


def test_a_worker_of_another_swarm_is_refused() -> None:
    with pytest.raises(PibrambleError, match=r"zero1 is in another swarm already, whose manager is 10\.0\.0\.9:2377"):
        membership.steps(PLAN, engines(HEAD, engine("zero1", "active", "x", ("10.0.0.9:2377",))), [KNOWN_HEAD])


def test_a_second_manager_is_refused() -> None:
    with pytest.raises(PibrambleError, match="another manager beside head: zero1"):
        membership.steps(PLAN, engines(HEAD), [KNOWN_HEAD, member("zero1", "z1", manager=True)])


def test_a_head_that_serves_another_manager_is_refused() -> None:
    swarm = Membership("active", "h", manager=False, managers=("10.0.0.9:2377",))
    with pytest.raises(PibrambleError, match=r"head is in another swarm already, whose manager is 10\.0\.0\.9:2377"):
        membership.check_head(PLAN, attrs.evolve(HEAD, swarm=swarm))
    assert membership.check_head(PLAN, HEAD)
    assert not membership.check_head(PLAN, engine("head"))


def test_the_managers_words_are_read() -> None:
    line = {
        "ID": "z1",
        "Spec": {"Role": "worker", "Availability": "drain", "Labels": {"link": "usb"}},
        "Description": {"Hostname": "zero1"},
        "Status": {"State": "down"},
    }
    [found] = membership.members(f"warning: something\n{json.dumps(line)}\n")
    assert found == Member("z1", "zero1", ready=False, available=False, manager=False, labels={"link": "usb"})
