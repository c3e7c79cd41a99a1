from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from ClusterShell.NodeSet import NodeSet  # type: ignore[import-untyped]  # has no stubs
from hypothesis import given
from hypothesis import strategies as st

from pibramble.spec.expand import RangeError, count_names, expand, expand_names
from pibramble.spec.model import Cluster, HeadSection, Link, NodeOverride, WorkerGroup


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("zero", "zero"),
        ("zero[1-4]", "zero1 zero2 zero3 zero4"),
        ("node[08-11]", "node08 node09 node10 node11"),
        ("n[0-10/5]", "n0 n5 n10"),
        ("zero[3,1-2]", "zero3 zero1 zero2"),
        ("b,a[2-3],c", "b a2 a3 c"),
        ("r[1-2]n[2,1]", "r1n2 r1n1 r2n2 r2n1"),
        ("/dev/ttyUSB[0-1]", "/dev/ttyUSB0 /dev/ttyUSB1"),
        ("rack[1-2]-node", "rack1-node rack2-node"),
    ],
)
def test_ranges_expand_in_the_order_in_which_they_are_written(expression: str, names: str) -> None:
    assert list(expand_names(expression)) == names.split()
    assert count_names(expression) == len(names.split())


@pytest.mark.parametrize(
    "expression",
    [
        "z[1-4",
        "z1-4]",
        "z]1[",
        "z[[1]]",
        "z[]",
        "z[1,]",
        "z[,1]",
        "z[a-b]",
        "z[4-1]",
        "z[1-4/0]",
        "z[9-011]",
        "a,,b",
        ",a",
        "z[-1]",
        "z[1-]",
        "z[1-2-3]",
        "z[1-99999999999]",
        "z[1-9999][1-9999]",
        "z[\N{ARABIC-INDIC DIGIT ONE}-2]",
        "z[1 - 2]",
    ],
)
def test_what_is_no_range_says_why(expression: str) -> None:
    with pytest.raises(RangeError, match=r"\w"):
        expand_names(expression)


part = st.one_of(
    st.integers(0, 120).map(str),
    st.tuples(st.integers(0, 120), st.integers(0, 12), st.integers(1, 3)).map(lambda t: f"{t[0]}-{t[0] + t[1]}/{t[2]}"),
    st.tuples(st.integers(0, 80), st.integers(0, 12)).map(lambda t: f"{t[0]:03}-{t[0] + t[1]:03}"),
)
pattern = st.lists(part, min_size=1, max_size=3).map(lambda parts: f"n[{','.join(parts)}]")


@given(st.lists(pattern, min_size=1, max_size=3).map(",".join))
def test_the_same_names_come_out_as_in_clustershell(expression: str) -> None:
    assert set(expand_names(expression)) == set(NodeSet(expression, resolver=None))
    assert len(expand_names(expression)) == count_names(expression)


@given(st.text("zn09-,[]/ ", max_size=14))
def test_any_text_is_a_range_or_a_refusal_in_words(expression: str) -> None:
    try:
        names = expand_names(expression)
    except RangeError:
        return
    assert len(names) == count_names(expression)


def test_defaults_are_filled_in() -> None:
    cluster = Cluster(
        head=HeadSection(board="pi-zero-w"),
        workers=(
            WorkerGroup(name="zero"),
            WorkerGroup(name="b", board="pi-3b", head_port="/dev/ttyS0"),
            WorkerGroup(name="plain", board="pi-1b", link=Link.ETHERNET),
            WorkerGroup(name="quick", link=Link.SERIAL, head_port="/dev/ttyUSB0", flow_control=True),
        ),
    )
    zero, b, plain, quick = expand(cluster)
    assert (zero.link, zero.head_port, zero.worker_port, zero.baud) == (Link.USB, None, None, None)
    assert (b.link, b.head_port, b.worker_port, b.baud) == (Link.SERIAL, "/dev/ttyS0", "/dev/ttyAMA0", 460_800)
    assert (plain.link, plain.head_port, plain.baud, plain.flow_control) == (Link.ETHERNET, "eth1", None, False)
    assert (quick.baud, quick.flow_control, quick.group) == (921_600, True, 3)


def test_ports_and_addresses_count_along_with_the_names() -> None:
    group = WorkerGroup(
        name="m[1-3]",
        link=Link.SERIAL,
        head_port="/dev/ttyUSB[2,0-1]",
        address=IPv4Address("192.168.7.254"),
    )
    workers = expand(Cluster(workers=(group,)))
    assert [worker.head_port for worker in workers] == ["/dev/ttyUSB2", "/dev/ttyUSB0", "/dev/ttyUSB1"]
    assert [str(worker.address) for worker in workers] == ["192.168.7.254", "192.168.7.255", "192.168.8.0"]


def test_one_ethernet_port_serves_a_whole_range() -> None:
    workers = expand(
        Cluster(workers=(WorkerGroup(name="b[1-3]", board="pi-3b", link=Link.ETHERNET, head_port="eth2"),))
    )
    assert [worker.head_port for worker in workers] == ["eth2"] * 3


def test_an_override_beats_its_group() -> None:
    override = NodeOverride(
        address=IPv4Address("192.168.7.77"),
        mac="02:00:00:00:00:AA",
        head_port="/dev/ttyUSB9",
        worker_port="/dev/ttyUSB0",
        baud=115_200,
    )
    group = WorkerGroup(name="m[1-2]", link=Link.SERIAL, head_port="/dev/ttyUSB[0-1]", baud=57_600)
    first, second = expand(Cluster(workers=(group,), nodes={"m2": override}))
    assert (first.baud, first.head_port, first.address, first.mac) == (57_600, "/dev/ttyUSB0", None, None)
    assert (second.baud, second.head_port, second.worker_port) == (115_200, "/dev/ttyUSB9", "/dev/ttyUSB0")
    assert (str(second.address), second.mac) == ("192.168.7.77", "02:00:00:00:00:aa")
