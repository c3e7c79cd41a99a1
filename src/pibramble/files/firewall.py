"""The head's firewall: workers reach the world through it, the world reaches the head's SSH and nothing behind it.

The rules live in a table of their own, so that loading them again, or beside somebody else's, disturbs nobody. The
workers need none: nothing but the head can reach them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pibramble.files import units
from pibramble.files.console import PAGES_PORT
from pibramble.files.model import NodeFile, Symlink
from pibramble.plan.model import BRIDGE, Plan

_RULES = """\
#!/usr/sbin/nft -f

# First made, then deleted, so that deleting never fails; the rest is loaded in the same step, without a gap.
table inet pibramble
delete table inet pibramble

table inet pibramble {{
    chain input {{
        type filter hook input priority filter; policy drop;

        ct state established,related accept
        ct state invalid drop
        iifname "lo" accept
        iifname "{uplink}" jump world
        iifname {cluster} ip saddr {subnet} accept
    }}

    chain world {{
        # Nobody out there has an address of ours.
        ip saddr {subnet} drop
        tcp dport {open_ports} accept
        # So that one can see whether the head is there; ten a second do no harm to a small board.
        icmp type echo-request limit rate 10/second burst 20 packets accept
        icmpv6 type echo-request limit rate 10/second burst 20 packets accept
        # What an interface needs to have addresses at all: leases (answers may be broadcast, which the connection
        # tracker does not relate to the question) and IPv6 neighbours, routers, and their reports (RFC 4890, 4.4.1).
        udp sport 67 udp dport 68 accept
        ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
        icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, mld-listener-query }} accept
    }}

    chain forward {{
        type filter hook forward priority filter; policy drop;

        ct state established,related accept
        ct state invalid drop
        iifname {cluster} ip saddr {subnet} oifname "{uplink}" accept
        iifname {cluster} ip saddr {subnet} oifname {cluster} ip daddr {subnet} accept
{containers}    }}

    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;

        oifname "{uplink}" ip saddr {subnet} masquerade
    }}
}}
"""

# The world is reached by the head's containers, and reaches none of them: what a stack publishes is the cluster's.
_CONTAINERS = """\
        iifname {{ "docker0", "docker_gwbridge" }} oifname "{uplink}" accept
        iifname {cluster} ip saddr {subnet} oifname "docker_gwbridge" accept
"""

# The neighbour table of Linux holds 1,024 entries for the whole machine and drops fresh ones beyond 512.
_NEIGHBOURS_BY_DEFAULT = 128


def rules(plan: Plan) -> NodeFile:
    """Return the rules of nftables(8)."""
    routed = [worker.link.head_interface for worker in plan.workers if worker.link and not worker.link.bridged]
    cluster = "{ " + ", ".join(f'"{name}"' for name in (BRIDGE, *routed)) + " }"
    said = {"uplink": plan.uplink.interface, "cluster": cluster, "subnet": plan.subnet}
    open_ports = f"{{ 22, {PAGES_PORT} }}" if plan.web_uplink else "22"
    opened = _CONTAINERS.format(**said) if plan.containers else ""
    content = _RULES.format(**said, open_ports=open_ports, containers=opened)
    return NodeFile("/etc/nftables.conf", content, "firewall and address translation", mode=0o755)


def forwarding(plan: Plan) -> NodeFile:
    """Return the kernel's settings of a node that passes other nodes' packets on, as sysctl.d(5)."""
    # With a leading minus: what only the machine itself has; a namespace that stands in for it has not, and goes on.
    lines = [
        "net.ipv4.ip_forward = 1",
        # The head answers ARP for the workers on serial lines; by default it ponders each answer for up to 0.8 s.
        "-net.ipv4.neigh.default.proxy_delay = 0",
    ]
    if len(plan.nodes) > _NEIGHBOURS_BY_DEFAULT:
        lines += [
            f"-net.ipv4.neigh.default.gc_thresh{level} = {len(plan.nodes) * factor}"
            for level, factor in ((1, 2), (2, 4), (3, 8))
        ]
    return NodeFile("/etc/sysctl.d/60-pibramble.conf", "\n".join(lines) + "\n", "the head passes packets on")


def services() -> Sequence[Symlink]:
    """Load the rules at boot, before any interface comes up."""
    return [units.enable("nftables.service", "the firewall is there before the network is", wanted_by="sysinit.target")]
