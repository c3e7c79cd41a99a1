"""Rtnetlink, as far as a lab's wires need it: the requests that ip(8) and tc(8) would send.

Why not these programs: starting them in each of 64 nodes costs more than everything that they do there, and the
libraries that speak rtnetlink take longer to import than the whole lab to come up. See rtnetlink(7), netlink(7),
veth(4), tc-tbf(8) and the kernel's include/uapi/linux/{netlink,rtnetlink,if_link,if_addr,neighbour,pkt_sched}.h.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import NamedTuple

_RTM_NEWLINK, _RTM_NEWADDR, _RTM_NEWROUTE, _RTM_NEWNEIGH, _RTM_NEWQDISC = 16, 20, 24, 28, 36
_REQUEST, _ACK, _REPLACE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x100, 0x200, 0x400
_NLMSG_ERROR = 2
_ACK_TLVS = 0x200  # NLM_F_ACK_TLVS: the kernel's own words follow an error
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_NESTED = 0x8000

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_AF_SPEC = 1, 3, 4, 10, 18, 26
_IFLA_NET_NS_FD, _IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER, _IFLA_INET6_ADDR_GEN_MODE = 28, 1, 2, 1, 8
_GEN_MODE_NONE = 1  # no IPv6 link-local address
_IFA_ADDRESS, _IFA_LOCAL, _RTA_OIF, _RTA_GATEWAY, _NDA_DST = 1, 2, 4, 5, 1
_TCA_KIND, _TCA_OPTIONS, _TCA_TBF_PARMS, _TCA_TBF_RATE64, _TCA_TBF_BURST = 1, 2, 1, 4, 6

_IFF_UP = 1
_TABLE_MAIN, _PROTOCOL_BOOT, _SCOPE_UNIVERSE, _UNICAST, _ONLINK = 254, 3, 0, 1, 4
_NUD_PERMANENT, _NTF_PROXY = 0x80, 8
_TC_ROOT = 0xFFFFFFFF
_LINKLAYER_ETHERNET = 1
_U32_MAX = 0xFFFFFFFF


class VethEnd(NamedTuple):
    """One end of a virtual wire."""

    name: str
    mac: str | None = None


class Rtnetlink:
    """A conversation with the kernel about the network namespace that this process is in when it begins."""

    def __init__(self) -> None:
        """Begin it."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        self._sequence = 0

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def add_bridge(self, name: str, mac: str) -> None:
        """Make a bridge. Raises OSError, as all of these do, with the kernel's reason and the interface's name."""
        self._new_link(name, _end(name, mac) + _link_info("bridge"))

    def add_veth(self, here: VethEnd, there: VethEnd, mtu: int, namespace: int) -> None:
        """Make a pair of virtual Ethernet ends: `there` in the namespace of an open /proc/PID/ns/net."""
        peer = _end(there.name, there.mac, mtu) + _attribute(_IFLA_NET_NS_FD, _u32(namespace))
        data = _attribute(_VETH_INFO_PEER | _NESTED, _link_header(0) + peer)
        self._new_link(here.name, _end(here.name, here.mac, mtu) + _link_info("veth", data))

    def set_up(self, name: str, *, master: str | None = None) -> None:
        """Bring an interface up, without an IPv6 link-local address; make it a port of bridge `master` if given."""
        attributes = b""
        if name != "lo":
            mode = _attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes([_GEN_MODE_NONE]))
            attributes += _attribute(_IFLA_AF_SPEC | _NESTED, _attribute(socket.AF_INET6 | _NESTED, mode))
        if master:
            attributes += _attribute(_IFLA_MASTER, _u32(socket.if_nametoindex(master)))
        body = _link_header(socket.if_nametoindex(name), up=True) + attributes
        self._ask(_RTM_NEWLINK, 0, body, f"set {name} up")

    def add_address(self, name: str, address: str, prefix: int, *, peer: str | None = None) -> None:
        """Give an interface an address; `peer` is the other end's on a wire between two."""
        header = struct.pack("=BBBBI", socket.AF_INET, prefix, 0, _SCOPE_UNIVERSE, socket.if_nametoindex(name))
        there = socket.inet_aton(peer or address)
        body = header + _attribute(_IFA_LOCAL, socket.inet_aton(address)) + _attribute(_IFA_ADDRESS, there)
        self._ask(_RTM_NEWADDR, _CREATE | _REPLACE, body, f"add address {address} to {name}")

    def add_default_route(self, name: str, gateway: str) -> None:
        """Send what is for nobody here to `gateway`, which is taken to be on this wire even while it is still down."""
        kind = (_TABLE_MAIN, _PROTOCOL_BOOT, _SCOPE_UNIVERSE, _UNICAST, _ONLINK)
        header = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, *kind)
        out = _attribute(_RTA_OIF, _u32(socket.if_nametoindex(name)))
        body = header + _attribute(_RTA_GATEWAY, socket.inet_aton(gateway)) + out
        self._ask(_RTM_NEWROUTE, _CREATE | _REPLACE, body, f"add default route by {gateway}")

    def answer_for(self, name: str, address: str) -> None:
        """Answer ARP questions for `address` on an interface (proxy ARP)."""
        index = socket.if_nametoindex(name)
        body = struct.pack("=BxxxiHBB", socket.AF_INET, index, _NUD_PERMANENT, _NTF_PROXY, 0)
        body += _attribute(_NDA_DST, socket.inet_aton(address))
        self._ask(_RTM_NEWNEIGH, _CREATE | _REPLACE, body, f"answer for {address} on {name}")

    def shape(self, name: str, rate_bps: int, burst_bytes: int, limit_bytes: int) -> None:
        """Let no more than `rate_bps` leave through an interface (tc-tbf(8))."""
        rate = rate_bps // 8
        spec = struct.pack("=BBHhHI", 0, _LINKLAYER_ETHERNET, 0, 0, 0, min(rate, _U32_MAX))
        parameters = spec + bytes(len(spec)) + struct.pack("=III", limit_bytes, 0, 0)
        options = (
            _attribute(_TCA_TBF_PARMS, parameters)
            + _attribute(_TCA_TBF_BURST, _u32(burst_bytes))
            + (_attribute(_TCA_TBF_RATE64, struct.pack("=Q", rate)) if rate > _U32_MAX else b"")
        )
        body = struct.pack("=BxxxiIII", 0, socket.if_nametoindex(name), 0, _TC_ROOT, 0)
        body += _attribute(_TCA_KIND, b"tbf\0") + _attribute(_TCA_OPTIONS | _NESTED, options)
        self._ask(_RTM_NEWQDISC, _CREATE | _REPLACE, body, f"shape {name}")

    def _new_link(self, name: str, attributes: bytes) -> None:
        self._ask(_RTM_NEWLINK, _CREATE | _EXCLUSIVE, _link_header(0) + attributes, f"make {name}")

    def _ask(self, kind: int, flags: int, body: bytes, what: str) -> None:
        self._sequence += 1
        length = struct.calcsize("=IHHII") + len(body)
        self._socket.send(struct.pack("=IHHII", length, kind, _REQUEST | _ACK | flags, self._sequence, 0) + body)
        answer = self._socket.recv(65536)
        _, said, answer_flags, _, _, code = struct.unpack_from("=IHHIIi", answer)
        if said != _NLMSG_ERROR or code != 0:
            reason = os.strerror(-code)
            if answer_flags & _ACK_TLVS:
                # Behind our own header come the kernel's words: one attribute, a text that ends in NUL.
                words = answer[36:]
                reason += ": " + words[4 : struct.unpack_from("=H", words)[0] - 1].decode(errors="replace")
            raise OSError(-code, f"{what}: {reason}")


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + bytes(-length % 4)


def _u32(number: int) -> bytes:
    return struct.pack("=I", number)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _link_header(index: int, *, up: bool = False) -> bytes:
    flags = _IFF_UP if up else 0
    return struct.pack("=BxHiII", 0, 0, index, flags, flags)


def _end(name: str, mac: str | None, mtu: int | None = None) -> bytes:
    return (
        _attribute(_IFLA_IFNAME, name.encode() + b"\0")
        + (_attribute(_IFLA_ADDRESS, _mac(mac)) if mac else b"")
        + (_attribute(_IFLA_MTU, _u32(mtu)) if mtu else b"")
    )


def _link_info(kind: str, data: bytes = b"") -> bytes:
    described = _attribute(_IFLA_INFO_KIND, kind.encode()) + (
        _attribute(_IFLA_INFO_DATA | _NESTED, data) if data else b""
    )
    return _attribute(_IFLA_LINKINFO | _NESTED, described)
