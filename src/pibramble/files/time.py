"""Time: the head asks the world or a receiver and tells the workers, as chrony.conf(5).

No board has a clock that runs while it is off.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address

from pibramble.files import gps, units
from pibramble.files.model import NodeFile, Symlink
from pibramble.plan.model import NodePlan, Plan, Role

_CONFIGURATION = "/etc/chrony/chrony.conf"

_COMMON = [
    # Whenever it is a second off: a head may learn the time hours after it told the workers another one.
    "makestep 1 -1",
    "driftfile /var/lib/chrony/chrony.drift",
    # Who is on the node may ask how its clock is; nobody else, and nobody may change anything there.
    "bindcmdaddress 127.0.0.1",
]

# At the most every 64 s (2 ** 6): when the head's clock was stepped, nobody is to compute for a quarter of an hour with
# the old time. A packet a minute is nothing on any wire.
_POLL = "minpoll 4 maxpoll 6"


def clock(plan: Plan, node: NodePlan) -> Iterator[NodeFile]:
    """Yield chrony's configuration."""
    if node.role is Role.HEAD:
        sources = [f"{_kind(server)} {server} iburst" for server in plan.ntp]
        if plan.gps:
            sources.append(f"include {gps.CHOSEN}")
        # Without the world the cluster still agrees on one time: its own. A receiver that may be half a second wrong is
        # better than that; by itself chronyd would follow nobody who may be a whole one wrong.
        sources += [f"allow {plan.subnet}", "local stratum 10" + (" distance 3" if plan.gps else "")]
        whom = "the receiver and the world" if plan.gps else "the world"
        why = f"asks {whom} for the time and tells the workers"
    else:
        sources = [f"server {plan.head.address} iburst {_POLL}"]
        why = "asks the head for the time"
    yield NodeFile(_CONFIGURATION, "\n".join([*sources, *_COMMON]) + "\n", why)
    # -s: begin where the last run ended, not in 1970. -F 1 is Debian's own: the system call filter.
    yield NodeFile("/etc/default/chrony", 'DAEMON_OPTS="-F 1 -s"\n', "the clock begins where it was switched off")


def services() -> Iterator[Symlink]:
    """Yield what starts chrony alone."""
    yield units.enable("chrony.service", "chrony keeps the time")
    yield units.mask("systemd-timesyncd.service", "chrony keeps the time")


def _kind(server: str) -> str:
    """Return `server` for one machine's address, `pool` for a name, which may be many machines'."""
    try:
        IPv4Address(server)
    except AddressValueError:
        return "pool"
    return "server"
