"""Names of the world: a fixed resolv.conf(5), and nobody who rewrites it."""

from __future__ import annotations

from pibramble.files import units
from pibramble.files.model import NodeFile, Symlink
from pibramble.plan.model import Plan


def resolv_conf(plan: Plan) -> NodeFile:
    """Return the resolver's configuration, the same on every node: the head passes the questions on."""
    lines = [f"nameserver {address}" for address in plan.nameservers]
    # The defaults, 5 s and 2 attempts, make a node without uplink look dead at every look-up of a foreign name.
    lines.append("options timeout:2 attempts:2")
    return NodeFile("/etc/resolv.conf", "\n".join(lines) + "\n", "the name servers of the cluster file")


def services() -> list[Symlink]:
    """Keep those away who would write another resolv.conf."""
    return [units.mask("systemd-resolved.service", "resolv.conf is fixed; a resolver daemon would only cost memory")]
