"""Who gets which address: the head the subnet's first, the workers the next free ones in the order of the file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network

from pibramble.errors import Exit, PibrambleError


def assign(
    subnet: IPv4Network, head: IPv4Address | None, workers: Sequence[IPv4Address | None]
) -> tuple[IPv4Address, tuple[IPv4Address, ...]]:
    """Return the head's address and the workers': those that were given, and the next free ones for the rest (None).

    The workers' begin at the subnet's second host even when the head sits elsewhere, so that moving the head moves
    nobody else. Raises PibrambleError when the subnet is too small; a cluster file that was judged never gets that far.
    """
    given = {address for address in workers if address is not None}
    hosts = subnet.hosts()  # lazy: a /8 costs nothing
    first = next(iter(hosts))
    at_head = first if head is None else head
    free = _free(hosts, given | {at_head}, subnet)
    return at_head, tuple(next(free) if address is None else address for address in workers)


def _free(hosts: Iterator[IPv4Address], taken: Collection[IPv4Address], subnet: IPv4Network) -> Iterator[IPv4Address]:
    for address in hosts:
        if address not in taken:
            yield address
    message = f"the subnet {subnet} has no address left for a worker"
    raise PibrambleError(message, hint="give [cluster] a larger subnet", exit_code=Exit.WRONG)
