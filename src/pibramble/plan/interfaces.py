"""What the head's interfaces are called: each link after its worker, wherever the kernel and udev allow that name."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import count

_LONGEST = 15  # bytes; Linux: IFNAMSIZ is 16 with the final NUL

# Names the kernel hands out by itself (renaming one interface to another's first name fails), and the words that
# stand beside interface names in /proc/sys/net/ipv4/conf.
_KERNELS = re.compile(
    r"(?:eth|usb|ppp|wlan|wwan|tun|tap|veth|end|en[opsx]\w*?|br|bond|dummy|ifb|sit)\d*|lo|all|default"
)


def link_names(workers: Sequence[str], reserved: Collection[str]) -> tuple[str, ...]:
    """Return the head's interface for each worker's link: the worker's name where it is free and fits, else `link<N>`.

    `reserved` are the names of the head's other interfaces.
    """
    own = {name for name in workers if _usable(name) and name not in reserved}
    spare = (name for name in (f"link{number}" for number in count(1)) if name not in own and name not in reserved)
    return tuple(name if name in own else next(spare) for name in workers)


def _usable(name: str) -> bool:
    return len(name.encode()) <= _LONGEST and "." not in name and _KERNELS.fullmatch(name) is None
