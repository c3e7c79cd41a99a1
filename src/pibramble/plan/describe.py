"""The plan in words and columns, for people."""

from __future__ import annotations

from collections.abc import Container, Sequence

import attrs

from pibramble.plan.model import BRIDGE, WORKER_INTERFACE, LinkPlan, NodePlan, Plan
from pibramble.spec.model import Link

NO_VALUE = "-"
_UNVERIFIED = "*"
_FOOTNOTE = f"{_UNVERIFIED} an estimate: nobody has measured this rate on such a board"


@attrs.frozen
class Table:
    """A heading a column and a row a node."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def lines(self, right: Container[int] = ()) -> list[str]:
        """Return the table as aligned text; the columns of these numbers stand on the right."""
        widths = [max(map(len, column)) for column in zip(self.headings, *self.rows, strict=True)]
        sides = [">" if at in right else "<" for at in range(len(widths))]
        return [
            "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
            for row in (self.headings, *self.rows)
        ]


@attrs.frozen
class Description:
    """What a person wants to know of a plan."""

    title: str
    facts: tuple[tuple[str, str], ...]  # what, and how it is
    nodes: Table
    wires: Table
    footnote: str  # empty when every rate is known


def describe(plan: Plan) -> Description:
    """Put the plan into words."""
    workers = f"{len(plan.workers)} worker" + ("s" if len(plan.workers) != 1 else "")
    identity = f", id {plan.id}" if plan.id != plan.name else ""
    links = [worker.link for worker in plan.workers if worker.link]
    return Description(
        title=f"{plan.name}{identity}: a head and {workers} in {plan.subnet}, worked on by {plan.user}",
        facts=tuple(_facts(plan, links)),
        nodes=Table(
            ("NODE", "BOARD", "LINK", "ADDRESS", "TO WORKER", "TO HEAD"),
            tuple(_node_row(node) for node in plan.nodes),
        ),
        wires=Table(
            ("NODE", "INTERFACE", "REACHED BY", "HEAD'S END", "WORKER'S END"),
            tuple(_wire_row(node) for node in plan.nodes),
        ),
        footnote="" if all(link.rate_verified for link in links) else _FOOTNOTE,
    )


def rate(bps: int) -> str:
    """Return a rate as people write it: three digits, and bit/s with a prefix."""
    for factor, prefix in ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")):
        if bps >= factor:
            return f"{bps / factor:.3g} {prefix}bit/s"
    return f"{bps} bit/s"


def _facts(plan: Plan, links: Sequence[LinkPlan]) -> list[tuple[str, str]]:
    uplink = plan.uplink
    how = f"{uplink.address}" if uplink.address else "address by DHCP"
    how += f", gateway {uplink.gateway}" if uplink.gateway else ""
    facts = [
        ("uplink", f"{uplink.interface} of {plan.head.name}, {how}"),
        ("bridge", f"{BRIDGE} of {plan.head.name}, {plan.head.address}, {plan.bridge_mac}"),
        ("workers", f"interface {WORKER_INTERFACE}, default route by {plan.head.address}"),
        ("names", "asked of " + ", ".join(map(str, plan.nameservers)) if plan.nameservers else "of the cluster only"),
        ("time", _time(plan)),
    ]
    if plan.gps:
        who = "every node" if plan.gps.share_position else f"programs on {plan.head.name}"
        facts.append(("position", f"told to {who}"))
    workers = {worker.name for worker in plan.workers}
    facts += [
        (
            f"console {console.name}",
            f"{console.port}, {console.profile}"
            + (f" at {console.settings}" if console.settings else "")
            + (", its UART" if console.name in workers else ""),
        )
        for console in plan.consoles
    ]
    facts += [(f"console {name}", f"{device}, on its USB cable") for name, device in plan.node_consoles.items()]
    if any(not link.bridged for link in links):
        facts.insert(3, ("routed", "serial workers have a /32 route and proxy ARP at the head"))
    return facts


def _time(plan: Plan) -> str:
    asked = "asked of " + ", ".join(plan.ntp) if plan.ntp else ""
    if plan.gps is None:
        return asked or "the head's own"
    speed = f"{plan.gps.baud} baud" if plan.gps.baud else "speed found by gpsd"
    pulse = f", pulse on {plan.gps.pps}" if plan.gps.pps else ""
    receiver = f"told by the receiver on {plan.gps.port} ({speed}{pulse})"
    return f"{receiver}, and {asked}" if asked else receiver


def _node_row(node: NodePlan) -> tuple[str, ...]:
    link = node.link
    if link is None:
        return node.name, node.board.name, NO_VALUE, str(node.address), NO_VALUE, NO_VALUE
    mark = "" if link.rate_verified else _UNVERIFIED
    rates = (f"{rate(link.to_worker_bps)}{mark}", f"{rate(link.to_head_bps)}{mark}")
    return node.name, node.board.name, link.kind, str(node.address), *rates


def _wire_row(node: NodePlan) -> tuple[str, ...]:
    link = node.link
    if link is None:
        return node.name, BRIDGE, NO_VALUE, NO_VALUE, NO_VALUE
    way = BRIDGE if link.bridged else "route"
    match link.kind:
        case Link.USB:
            ends = (link.head_mac or NO_VALUE, link.worker_mac or NO_VALUE)
        case Link.SERIAL:
            flow = " RTS/CTS" if link.flow_control else ""
            ends = (link.head_port or NO_VALUE, f"{link.worker_port or NO_VALUE} {link.baud}{flow}")
        case Link.ETHERNET:
            ends = (link.head_port or NO_VALUE, link.worker_mac or NO_VALUE)
    return node.name, link.head_interface, way, *ends
