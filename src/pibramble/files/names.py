"""Who a node is and how it knows the others: hostname(5), hosts(5)."""

from __future__ import annotations

from pibramble.files.model import NodeFile
from pibramble.plan.model import NodePlan, Plan

CARD_FILE = "/etc/pibramble/card.json"  # on a card: for which node of which cluster it was made


def hostname(node: NodePlan) -> NodeFile:
    """Return the node's name."""
    return NodeFile("/etc/hostname", f"{node.name}\n", "the node's name")


def hosts(plan: Plan) -> NodeFile:
    """Return every node's name and address, the same file on every node.

    A node's own name stands at its address in the cluster, never at 127.0.1.1 as Debian's installer has it: MPICH
    would tell the other ranks to call it there, and hang.
    """
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback", ""]
    lines += [f"{node.address} {node.name}" for node in plan.nodes]
    return NodeFile("/etc/hosts", "\n".join(lines) + "\n", "every node by its name, without a name server")
