"""Whose a connection from this very machine is: the kernel knows the account, as ident did (proc(5), /proc/net/tcp).

Loopback is no wall between the users of one machine; this is. A connection that ssh forwards is its user's.
"""

from __future__ import annotations

import grp
import os
import pwd
import struct
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from pibramble import paths

_ESTABLISHED = "01"


def uid_of(table: str, near: tuple[str, int], far: tuple[str, int]) -> int | None:
    """Return who owns the socket from `near` to `far` in the text of /proc/net/tcp or tcp6."""
    wanted = (_hexadecimal(*near), _hexadecimal(*far), _ESTABLISHED)
    for line in table.splitlines()[1:]:
        fields = line.split()
        if (fields[1], fields[2], fields[3]) == wanted:
            return int(fields[7])
    return None


def uid(client: tuple[str, int], server: tuple[str, int]) -> int | None:
    """Return the account at the other end of a connection; None when it is not on this machine's loopback."""
    address = ip_address(client[0])
    if not address.is_loopback:
        return None
    # Of this process, since a service that is kept from seeing others still sees its own network.
    table = Path("/proc/self/net/tcp" if isinstance(address, IPv4Address) else "/proc/self/net/tcp6")
    with suppress(OSError):
        return uid_of(table.read_text(encoding="ascii"), client, server)
    return None


def trusted_uids() -> frozenset[int]:
    """Return who needs no login here: whoever may use the broker's socket may use its page."""
    return frozenset((0, os.geteuid(), paths.owner().pw_uid, *_members(os.getegid())))


def account(number: int) -> str:
    """Return the name of an account."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _members(gid: int) -> Iterable[int]:
    with suppress(KeyError):
        for name in grp.getgrgid(gid).gr_mem:
            with suppress(KeyError):
                yield pwd.getpwnam(name).pw_uid


def _hexadecimal(host: str, port: int) -> str:
    """Return an address as the kernel prints it: words of 32 bits in the machine's own order."""
    address: IPv4Address | IPv6Address = ip_address(host)
    words = struct.unpack(f"={len(address.packed) // 4}I", address.packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
