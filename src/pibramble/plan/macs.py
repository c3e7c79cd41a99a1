"""MAC addresses, derived from the cluster and the node, so that an interface is known by its address, not by luck."""

from __future__ import annotations

import hashlib
from enum import StrEnum

_LOCAL = 0x02  # IEEE 802, 8.2: the U/L bit of the first octet; set: administered locally
_GROUP = 0x01  # the I/G bit; set: multicast


class End(StrEnum):
    """Which interface a MAC address is for. The values go into the hash: changing one changes every cluster."""

    WORKER = "worker"  # the worker's end of its link
    HEAD = "head"  # the head's end of that link
    BRIDGE = "bridge"  # the head's bridge


def derive(cluster_id: str, node: str, end: End) -> str:
    """Return a locally administered unicast MAC address: the same for the same three, another for any other.

    46 bits of the hash are left: in a cluster of 1,000 nodes two ends share an address once in 35 million clusters.
    """
    digest = hashlib.blake2b(f"{cluster_id}\0{node}\0{end}".encode(), digest_size=6, person=b"pibramble-mac").digest()
    return bytes([(digest[0] | _LOCAL) & ~_GROUP, *digest[1:]]).hex(":")


def derive_for(cluster_id: str, node: str, purpose: str, *, vendor: str) -> str:
    """Return a MAC address under a vendor's prefix (three octets), for an adapter that only an emulator has."""
    digest = hashlib.blake2b(
        f"{cluster_id}\0{node}\0{purpose}".encode(), digest_size=3, person=b"pibramble-mac"
    ).digest()
    return f"{vendor}:{digest.hex(':')}"


def is_local(mac: str) -> bool:
    """Tell a locally administered address, which is ours to set, from one that is burned into hardware."""
    return bool(int(mac[:2], 16) & _LOCAL)
