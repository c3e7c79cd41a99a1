"""Serial links: one pppd(8) at each end of a wire, restarted for ever by systemd.

The addresses are those of the cluster's subnet, one /32 route a worker at the head. That bridged workers find a serial
one is the bridge's proxy ARP (network.py), not pppd's `proxyarp`: pppd looks for the bridge once, when the link comes
up, and gives up when it is early.
"""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.files import units
from pibramble.files.model import NodeFile, Symlink
from pibramble.plan.model import WORKER_INTERFACE, LinkPlan, NodePlan, Plan

_UNIT = """\
[Unit]
Description=Serial link to %i
Documentation=man:pppd(8)
# However often the other end is away: never give up.
StartLimitIntervalSec=0

[Service]
# What it says goes to the journal by syslog already.
StandardOutput=null
ExecStart=/usr/sbin/pppd call %i nodetach
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""

# As sysctl.d(5). RFC 1144 compresses no header whose TCP options change from packet to packet, and timestamps do
# (RFC 7323). One end without them is enough: every connection over this link is without, and no other. They are for
# wires on which sequence numbers come round within a minute.
_SETTINGS = "net.ipv4.tcp_timestamps = 0\n"


def head(plan: Plan, worker: NodePlan, link: LinkPlan) -> Iterator[NodeFile | Symlink]:
    """Yield the head's end of one worker's line."""
    options = [f"ifname {link.head_interface}", f"{plan.head.address}:{worker.address}", "nodefaultroute"]
    yield _peer(worker.name, link.head_port, link, options)
    yield _start(worker.name)


def worker(plan: Plan, node: NodePlan, link: LinkPlan) -> Iterator[NodeFile | Symlink]:
    """Yield a worker's end of its line."""
    options = [f"ifname {WORKER_INTERFACE}", f"{node.address}:{plan.head.address}", "defaultroute"]
    yield _peer(plan.head.name, link.worker_port, link, options)
    yield _start(plan.head.name)
    yield NodeFile("/etc/sysctl.d/60-pibramble.conf", _SETTINGS, "packets on the serial link are small")


def unit() -> NodeFile:
    """Return the unit of which every line is an instance."""
    return NodeFile("/etc/systemd/system/pibramble-ppp@.service", _UNIT, "keeps a serial link up")


def _start(peer: str) -> Symlink:
    return units.enable(f"pibramble-ppp@{peer}.service", f"the serial link to {peer} comes up at boot", ours=True)


def _peer(peer: str, device: str | None, link: LinkPlan, own: list[str]) -> NodeFile:
    options = [
        str(device),
        str(link.baud),
        *own,
        *_flow_control(link),
        # Three wires: nobody at the other end lifts DCD.
        "local",
        "lock",
        # Whoever can touch the wire can touch the board.
        "noauth",
        "noipv6",
        # Compressing costs a 700 MHz board more than it saves; headers only (RFC 1144) it does by itself.
        "noccp",
        f"mtu {link.mtu}",
        f"mru {link.mtu}",
        "persist",
        "maxfail 0",
        "holdoff 1",
        # Without carrier detect only silence tells that the other end went away: 4 x 5 s of it.
        "lcp-echo-interval 5",
        "lcp-echo-failure 4",
    ]
    return NodeFile(f"/etc/ppp/peers/{peer}", "\n".join(options) + "\n", f"the serial link to {peer}")


def _flow_control(link: LinkPlan) -> list[str]:
    if link.flow_control:
        return ["crtscts", "asyncmap 0"]
    # Software flow control, as in the field; then XON and XOFF (0x11, 0x13) must not occur in the data.
    return ["nocrtscts", "xonxoff", "asyncmap a0000"]
