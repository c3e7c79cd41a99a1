"""Interfaces, as systemd.link(5), systemd.netdev(5) and systemd.network(5).

An interface is known by its MAC address, which the plan derives: what the kernel calls the far end of a USB gadget
depends on the address, the kernel's age and the order of plugging. All links lack IPv6: nothing here would use it, and
its router solicitations are traffic on slow wires.
"""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.files import units
from pibramble.files.model import NodeFile, Symlink
from pibramble.plan.macs import is_local
from pibramble.plan.model import BRIDGE, WORKER_INTERFACE, LinkPlan, NodePlan, Plan
from pibramble.spec.model import Link

_FOLDER = "/etc/systemd/network"

# Neither end waits for the other: an interface gets its address whether or not somebody is plugged in.
_QUIET = ["ConfigureWithoutCarrier=yes", "LinkLocalAddressing=no", "IPv6AcceptRA=no"]

# Whatever else would configure interfaces on a base system of Debian or Raspberry Pi OS.
_RIVALS = ("NetworkManager.service", "dhcpcd.service", "networking.service")


def head(plan: Plan) -> Iterator[NodeFile]:
    """Yield the head's interfaces: the uplink, the bridge, and the bridge's ports."""
    links = [(worker, worker.link) for worker in plan.workers if worker.link]
    yield from _bridge(plan, routed=any(not link.bridged for _, link in links))
    yield _uplink(plan)
    by_mac = [link.head_mac for _, link in links if link.kind is Link.USB and link.head_mac]
    by_name = dict.fromkeys(link.head_port for _, link in links if link.kind is Link.ETHERNET and link.head_port)
    for worker, link in links:
        if link.kind is Link.USB and link.head_mac:
            yield _name(f"20-{worker.name}", link.head_interface, [f"MACAddress={link.head_mac}"])
    if by_mac:
        yield _port("20-usb-workers", [f"MACAddress={mac}" for mac in by_mac], "USB workers")
    if by_name:
        yield _port("20-ethernet-workers", [f"Name={' '.join(by_name)}"], "Ethernet workers")
    if any(link.kind is Link.SERIAL for _, link in links):
        yield _leave_ppp()


def worker(plan: Plan, link: LinkPlan, node: NodePlan) -> Iterator[NodeFile]:
    """Yield a worker's only interface."""
    if link.kind is Link.SERIAL:
        yield _leave_ppp()  # pppd sets address and route
        return
    assigned = link.kind is Link.ETHERNET and link.worker_mac is not None and is_local(link.worker_mac)
    if assigned:
        # An Ethernet port has an address of its own, which the plan does not know. It is given ours instead.
        yield _name("10-uplink", WORKER_INTERFACE, ["OriginalName=eth*"], [f"MACAddress={link.worker_mac}"])
    else:
        yield _name("10-uplink", WORKER_INTERFACE, [f"MACAddress={link.worker_mac}"])
    network = [f"Address={node.address}/{plan.subnet.prefixlen}", f"Gateway={plan.head.address}", *_QUIET]
    yield _file(
        "10-uplink.network",
        {"Match": [f"MACAddress={link.worker_mac}"], "Link": [f"MTUBytes={link.mtu}"], "Network": network},
        "the worker's address, and the head as its way to the world",
    )


def services() -> Iterator[Symlink]:
    """Yield what starts networkd and keeps its rivals away."""
    yield units.enable("systemd-networkd.service", "networkd configures the interfaces")
    yield units.enable("systemd-networkd.socket", "networkd hears of new interfaces early", wanted_by="sockets.target")
    yield units.mask("systemd-networkd-wait-online.service", "a node without its wire plugged in boots all the same")
    for rival in _RIVALS:
        yield units.mask(rival, "networkd alone configures the interfaces")


def _bridge(plan: Plan, *, routed: bool) -> Iterator[NodeFile]:
    yield _file(
        f"10-{BRIDGE}.netdev",
        {
            "NetDev": [f"Name={BRIDGE}", "Kind=bridge", f"MACAddress={plan.bridge_mac}"],
            # A star of single wires has no loops, and no groups to learn.
            "Bridge": ["STP=no", "MulticastSnooping=no"],
        },
        "the bridge that joins the workers to one network",
    )
    network = [f"Address={plan.head.address}/{plan.subnet.prefixlen}", *_QUIET]
    if routed:
        # The bridge answers ARP for the workers that a route leads to: they share the subnet, but no wire.
        network.append("IPv4ProxyARP=yes")
    yield _file(
        f"10-{BRIDGE}.network",
        {"Match": [f"Name={BRIDGE}"], "Link": ["RequiredForOnline=no"], "Network": network},
        "the head's address in the cluster",
    )


def _uplink(plan: Plan) -> NodeFile:
    uplink = plan.uplink
    sections = {"Match": [f"Name={uplink.interface}"]}
    if uplink.address is None:
        # The name servers are those of the cluster file, and the name is the plan's.
        sections |= {"Network": ["DHCP=ipv4"], "DHCPv4": ["UseDNS=no", "UseHostname=no", "UseDomains=no"]}
        why = "the way to the world, by DHCP"
    else:
        gateway = [f"Gateway={uplink.gateway}"] if uplink.gateway else []
        sections |= {"Network": [f"Address={uplink.address}", *gateway, "DHCP=no"]}
        why = "the way to the world, at a fixed address"
    return _file("30-uplink.network", sections, why)


def _port(stem: str, match: list[str], whose: str) -> NodeFile:
    return _file(
        f"{stem}.network",
        {"Match": match, "Link": ["RequiredForOnline=no"], "Network": [f"Bridge={BRIDGE}", *_QUIET]},
        f"the {whose}' wires are ports of the bridge",
    )


def _name(stem: str, name: str, match: list[str], more: list[str] | None = None) -> NodeFile:
    # This .link file replaces the base system's, and with it the policy that would invent an address.
    link = [f"Name={name}", *(more or []), *(["MACAddressPolicy=none"] if not more else [])]
    return _file(
        f"{stem}.link", {"Match": match, "Link": link}, f"the interface is called {name}, wherever it is plugged"
    )


def _leave_ppp() -> NodeFile:
    sections = {"Match": ["Type=ppp"], "Link": ["Unmanaged=yes"]}
    return _file("05-ppp.network", sections, "serial links are pppd's business")


def _file(name: str, sections: dict[str, list[str]], why: str) -> NodeFile:
    blocks = ["\n".join([f"[{title}]", *lines]) + "\n" for title, lines in sections.items()]
    return NodeFile(f"{_FOLDER}/{name}", "\n".join(blocks), why)
