"""Rules on addresses: networks, node addresses and MACs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from pibramble.spec.findings import Finding, Severity
from pibramble.spec.locate import Path
from pibramble.spec.rules.view import View

SUBNET: Path = ("cluster", "subnet")
WORLD: Path = ("lab", "world")
UPLINK: Path = ("head", "uplink_address")

SHORTEST_PREFIX = 8  # a shorter one would swallow much of the Internet
LONGEST_PREFIX = 30  # a /31 has no room for a head, a worker, a network and a broadcast address

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE | re.ASCII)


class _Given(NamedTuple):
    address: IPv4Address
    owner: str
    path: Path


def networks(view: View) -> Iterator[Finding]:
    """Check that each network is one that hosts can have."""
    for path, network in (SUBNET, view.cluster.cluster.subnet), (WORLD, view.cluster.lab.world):
        if network.is_multicast or network.is_loopback or network.is_link_local or network.is_reserved:
            message = f"{network} is set aside for other purposes"
            yield Finding("network", path, message, 'take a private network, as "192.168.7.0/24"')
        elif network.prefixlen < SHORTEST_PREFIX:
            message = f"{network} is too large: a /{SHORTEST_PREFIX} is the most"
            yield Finding("network", path, message, 'for example "10.7.0.0/16"')
        elif not network.is_private:
            message = f"{network} belongs to somebody on the Internet, whom the nodes will not reach"
            yield Finding("network", path, message, 'take a private network, as "192.168.7.0/24"', Severity.WARNING)
    if view.cluster.lab.world.prefixlen > LONGEST_PREFIX:
        yield Finding("network", WORLD, f"{view.cluster.lab.world} has no room for two ends", "a /30 is enough")


def room(view: View) -> Iterator[Finding]:
    """Check that the subnet has an address for every node."""
    subnet = view.cluster.cluster.subnet
    needed = 1 + len(view.workers)
    usable = usable_addresses(subnet)
    if needed > usable:
        fits = f"room for {_workers(usable - 1)} beside the head" if usable > 1 else "no room for a worker"
        prefix = 32 - (needed + 1).bit_length()
        cure = f'a /{prefix} would do: "{IPv4Network((subnet.network_address, prefix), strict=False)}"'
        message = f"{subnet} has {fits}, and there {_are(needed - 1)}"
        yield Finding("subnet-too-small", SUBNET, message, cure if prefix >= SHORTEST_PREFIX else "")


def overlaps(view: View) -> Iterator[Finding]:
    """Check that no two networks share addresses: a packet could not tell which way to go."""
    given = [("the cluster's subnet", SUBNET, view.cluster.cluster.subnet)]
    if view.cluster.head.uplink_address:
        given.append(("the uplink's network", UPLINK, view.cluster.head.uplink_address.network))
    given.append(("the lab's world", WORLD, view.cluster.lab.world))
    for number, (name, path, network) in enumerate(given):
        for other_name, other_path, other in given[:number]:
            if network.overlaps(other):
                message = f"{name} {network} overlaps {other_name} {other}"
                key, prefix = ("world", 30) if path == WORLD else ("subnet", max(16, other.prefixlen))
                free = _free_network(prefix, [entry[2] for entry in given])
                cure = f'under [{path[0] if path == WORLD else other_path[0]}], {key} = "{free}" is free'
                yield Finding("overlapping-networks", path, message, cure, rests_on=(other_path,))


def uplink(view: View) -> Iterator[Finding]:
    """Check the head's fixed address on its uplink, and the gateway that goes with it."""
    address, gateway = view.cluster.head.uplink_address, view.cluster.head.uplink_gateway
    path: Path = ("head", "uplink_gateway")
    if address is None:
        if gateway is not None:
            message = "a gateway goes with a fixed address; without one, DHCP names the gateway"
            cure = f'add uplink_address = "{gateway + 1}/24", or take this line out'
            yield Finding("uplink", path, message, cure, rests_on=(UPLINK,))
        return
    network = address.network
    if network.prefixlen <= LONGEST_PREFIX and address.ip in {network.network_address, network.broadcast_address}:
        yield Finding("uplink", UPLINK, f"{address.ip} is no host's: {_special(address.ip, network)}", "take another")
    if gateway is None:
        message = "without a gateway, the nodes reach this network only, not the world"
        cure = f'add uplink_gateway = "{network.network_address + 1}"'
        yield Finding("uplink", UPLINK, message, cure, Severity.WARNING, rests_on=(path,))
    elif gateway not in network:
        message = f"the gateway {gateway} is not in the uplink's network {network}"
        yield Finding("uplink", path, message, f'as "{network.network_address + 1}"', rests_on=(UPLINK,))
    elif gateway == address.ip:
        message = f"the gateway {gateway} is the head itself"
        yield Finding("uplink", path, message, "it is the router's address", rests_on=(UPLINK,))


def node_addresses(view: View) -> Iterator[Finding]:
    """Check that every given address lies in the subnet, is a host's, and is given once."""
    subnet = view.cluster.cluster.subnet
    owners: dict[IPv4Address, _Given] = {}
    told: set[Path] = set()
    for given in _given_addresses(view):
        wrong, cure = _address_wrong(given, subnet, owners.get(given.address))
        owners.setdefault(given.address, given)
        if wrong and given.path not in told:
            told.add(given.path)  # of a range that runs out of the subnet, the first one is enough
            yield Finding("address", given.path, wrong, cure, rests_on=(SUBNET, ("head", "address")))


def _given_addresses(view: View) -> Iterator[_Given]:
    head = view.cluster.head.address
    subnet = view.cluster.cluster.subnet
    first = head or subnet.network_address + 1
    yield _Given(first, "the head", ("head", "address") if head else SUBNET)
    for worker in view.workers:
        if worker.own and worker.own.address:
            yield _Given(worker.own.address, worker.name, ("nodes", worker.name, "address"))
        elif base := worker.of.group.address:
            path = worker.of.path("address")
            if int(base) + worker.number < 2**32:
                yield _Given(base + worker.number, worker.name, path)


def _address_wrong(given: _Given, subnet: IPv4Network, earlier: _Given | None) -> tuple[str, str]:
    if given.path == SUBNET:
        return "", ""  # the head's default: right whenever the subnet is
    address, whose = given.address, "" if given.path[0] == "head" else f", of {given.owner},"
    if address not in subnet:
        hint = f"its hosts are {subnet.network_address + 1} to {subnet.broadcast_address - 1}"
        return f"{address}{whose} is outside the subnet {subnet}", hint if subnet.num_addresses > 2 else ""  # noqa: PLR2004
    if address in {subnet.network_address, subnet.broadcast_address}:
        return f"{address}{whose} is no host's: {_special(address, subnet)}", "take another"
    if earlier:
        return f"{address}{whose} is given twice: {earlier.owner} has it too", "give every node an address of its own"
    return "", ""


def macs(view: View) -> Iterator[Finding]:
    """Check that given MAC addresses are single hosts', and given once."""
    owners: dict[str, Path] = {}
    for name, override in view.cluster.nodes.items():
        for key in ("mac", "head_mac"):
            mac, path = getattr(override, key), ("nodes", name, key)
            if mac is None:
                continue
            wrong, cure = mac_wrong(mac)
            first = owners.setdefault(mac.lower(), path)
            if wrong:
                yield Finding("mac", path, f'"{mac}" {wrong}', cure)
            elif first != path:
                message = f'"{mac}" is given twice: {first[1]} has it too'
                yield Finding("mac", path, message, "every interface has a MAC of its own", rests_on=(first,))


def mac_wrong(mac: str) -> tuple[str, str]:
    """Return why a text is no host's MAC address, and what would be right; two empty texts when it is one."""
    if not _MAC.fullmatch(mac):
        digits = re.sub(r"[^0-9a-f]", "", mac.lower())
        spelt = ":".join(digits[at : at + 2] for at in range(0, 12, 2))
        example = spelt if len(digits) == 12 else "02:00:5e:10:00:01"  # noqa: PLR2004 (six bytes in hexadecimal)
        return "is no MAC address", f'as "{example}"'
    first = int(mac[:2], 16)
    if first & 1:  # IEEE 802: the group bit
        return "is a group's (multicast) address, not one interface's", f'as "{first & 0xFE | 2:02x}{mac[2:].lower()}"'
    if not int(mac.replace(":", ""), 16):
        return "is all zeros", 'as "02:00:5e:10:00:01"'
    return "", ""


def usable_addresses(network: IPv4Network) -> int:
    """Return how many hosts a network can have."""
    return max(0, network.num_addresses - 2)


def _special(address: IPv4Address, network: IPv4Network) -> str:
    kind = "network" if address == network.network_address else "broadcast"
    return f"it is the {kind} address of {network}"


def _free_network(prefix: int, taken: list[IPv4Network]) -> IPv4Network:
    for second in range(213, 0, -1):
        candidate = IPv4Network((f"10.{second}.7.0", max(prefix, 16)), strict=False)
        if not any(candidate.overlaps(network) for network in taken):
            break
    return candidate


def _workers(number: int) -> str:
    return f"{number:,} worker" if number == 1 else f"{number:,} workers"


def _are(number: int) -> str:
    return "is 1" if number == 1 else f"are {number:,}"
