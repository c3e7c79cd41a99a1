from __future__ import annotations

import subprocess
import sys

import pytest

from pibramble.errors import UsageError
from pibramble.operate.nodeset import fold, select
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, Link, WorkerGroup


@pytest.fixture(scope="module")
def plan() -> Plan:
    return resolve(
        Cluster(
            workers=(
                WorkerGroup(name="zero[1-4]", link=Link.USB),
                WorkerGroup(name="aplus", board="pi-1a-plus", link=Link.SERIAL, head_port="/dev/ttyAMA0", baud=921600),
            )
        )
    )


@pytest.mark.parametrize(
    ("wanted", "excluded", "meant"),
    [
        (None, None, "zero1 zero2 zero3 zero4 aplus"),  # all workers
        (None, "zero[2-3]", "zero1 zero4 aplus"),
        ("zero2", None, "zero2"),
        ("aplus,head,zero1", None, "head zero1 aplus"),  # in the plan's order
        ("zero[1-3],aplus", "zero2", "zero1 zero3 aplus"),
        ("zero[1-4]!zero3", None, "zero1 zero2 zero4"),
        ("zero*", None, "zero1 zero2 zero3 zero4"),
        ("@all", None, "head zero1 zero2 zero3 zero4 aplus"),
        ("@workers", "@serial", "zero1 zero2 zero3 zero4"),
        ("@usb&zero[3-9]", None, "zero3 zero4"),
        ("@head", None, "head"),
        ("zero1,zero1", None, "zero1"),
    ],
)
def test_sets_are_read_as_clustershell_reads_them(plan: Plan, wanted: str, excluded: str, meant: str) -> None:
    assert " ".join(select(plan, wanted, excluded)) == meant


@pytest.mark.parametrize(
    ("wanted", "excluded", "message", "hint"),
    [
        ("zero5", None, "there is no node `zero5`", "did you mean `zero"),
        ("zero[3-6]", None, "there is no node `zero[5-6]`", "did you mean `zero"),
        ("quux", None, "there is no node `quux`", "the cluster's nodes are aplus,head,zero[1-4]"),
        ("zero[1-", None, "is no set of nodes", "zero[1-3],aplus"),
        ("zero[3-1]", None, "is no set of nodes", "zero[1-3],aplus"),
        ("@nobody", None, "there is no group `@nobody`", "@workers"),
        ("", None, "is empty", "the cluster's nodes"),
        (" ", None, "is empty", "the cluster's nodes"),
        (None, "", "is empty", "the cluster's nodes"),
        ("zero1", "zero1", "no node is left", "the cluster's nodes"),
        ("@ethernet", None, "means no node", "the cluster's nodes"),
        ("zero1,", None, "is no set of nodes", "zero[1-3],aplus"),
        ("zero1;reboot", None, "there is no node", "the cluster's nodes"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    plan: Plan, wanted: str, excluded: str, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        select(plan, wanted, excluded)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_cluster_without_workers_says_so() -> None:
    with pytest.raises(UsageError, match="no workers"):
        select(resolve(Cluster()), None, None)


def test_names_are_folded() -> None:
    assert fold(["zero1", "zero3", "zero2"]) == "zero[1-3]"
    assert fold(["aplus"]) == "aplus"
    assert fold([]) == ""


def test_plain_names_do_not_import_clustershell() -> None:
    code = """
import sys
from pibramble.operate.nodeset import fold, select
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, Link, WorkerGroup
plan = resolve(Cluster(workers=(WorkerGroup(name="zero1", link=Link.USB), WorkerGroup(name="b", link=Link.USB))))
already = "ClusterShell.NodeSet" in sys.modules
sys.modules.pop("ClusterShell.NodeSet", None)
print(select(plan, "zero1,b", "b"), fold(["b"]), "ClusterShell.NodeSet" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "('zero1',) b False\n"
