"""What holds for every plan, whatever the cluster file says."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from pibramble.plan.addresses import assign
from pibramble.plan.interfaces import link_names
from pibramble.plan.macs import End, derive

LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
SOON_TAKEN = st.sampled_from(["eth0", "lo", "link1", "link2", "bramble", "uplink", "all", "usb0", "exactly-15-char"])
SUBNETS = st.sampled_from([IPv4Network(text) for text in ("10.0.0.0/8", "192.168.7.0/24", "192.168.7.64/26")])


@st.composite
def requests(draw: st.DrawFn) -> tuple[IPv4Network, IPv4Address | None, list[IPv4Address | None]]:
    """Draw a subnet and what the file says of addresses in it: no address twice, as a judged file has it."""
    subnet = draw(SUBNETS)
    hosts = st.integers(1, 60).map(lambda number: subnet.network_address + number)
    given_ones = draw(st.lists(hosts, unique=True, max_size=10))
    moved: bool = draw(st.booleans())
    head = given_ones.pop() if given_ones and moved else None
    if head is None:  # the first host is the head's own then
        given_ones = [address for address in given_ones if address != subnet.network_address + 1]
    silent: list[IPv4Address | None] = [None] * draw(st.integers(0, 20))
    return subnet, head, draw(st.permutations([*given_ones, *silent]))


@given(requests())
def test_every_node_has_an_address_of_its_own_in_the_subnet(
    asked: tuple[IPv4Network, IPv4Address | None, list[IPv4Address | None]],
) -> None:
    subnet, head, workers = asked
    first, rest = assign(subnet, head, workers)
    everybody = [first, *rest]
    assert len(set(everybody)) == len(everybody)
    assert all(address in subnet for address in everybody)
    assert not {subnet.network_address, subnet.broadcast_address} & set(everybody)
    assert [address for address, asked_for in zip(rest, workers, strict=True) if asked_for not in {None, address}] == []
    free = [address for address, asked_for in zip(rest, workers, strict=True) if asked_for is None]
    assert free == sorted(free)


@given(st.lists(LABELS | SOON_TAKEN, unique=True, max_size=30), st.sets(SOON_TAKEN, max_size=4))
def test_every_link_has_an_interface_name_of_its_own_that_linux_takes(workers: list[str], reserved: set[str]) -> None:
    names = link_names(workers, reserved)
    assert len(set(names)) == len(workers)
    assert not set(names) & (reserved | {"lo", "all", "default"})
    assert all(0 < len(name.encode()) <= 15 for name in names)
    assert all(name == worker or name.startswith("link") for name, worker in zip(names, workers, strict=True))


@given(st.text(), st.text(), st.sampled_from(End))
def test_every_mac_address_is_local_and_unicast(cluster: str, node: str, end: End) -> None:
    first = int(derive(cluster, node, end)[:2], 16)
    assert first & 0b11 == 0b10
