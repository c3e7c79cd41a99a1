"""Where the pages are served: this machine alone, or its network. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

import attrs

from pibramble.errors import UsageError

DEFAULT_PORT = 8470
_BRACKETED = re.compile(r"\[(?P<address>[^]]+)\](:(?P<port>\d+))?")


@attrs.frozen
class Listen:
    """An address and a TCP port."""

    address: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    port: int = DEFAULT_PORT

    @property
    def loopback(self) -> bool:
        """Tell whether nobody but this machine can reach it."""
        return self.address.is_loopback

    @property
    def every(self) -> bool:
        """Tell whether it is every address of this machine."""
        return self.address.is_unspecified

    def __str__(self) -> str:
        """Return "127.0.0.1:8470", "[::1]:8470"."""
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"  # noqa: PLR2004

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Return what a person writes: "8470", "0.0.0.0", "192.168.1.5:8443", "[::1]:8470". Raises UsageError."""
        address, port = text, ""
        if text.isdecimal():
            address, port = "", text
        elif bracketed := _BRACKETED.fullmatch(text):
            address, port = bracketed["address"], bracketed["port"] or ""
        elif text.count(":") == 1:
            address, _, port = text.partition(":")
        try:
            number = int(port) if port else DEFAULT_PORT
            found = cls(cls().address if text.isdecimal() else ip_address(address), number)
        except ValueError:
            found = None
        if found is None or not 0 <= found.port < 1 << 16:
            raise UsageError(f'"{text}" is no address to listen on', hint='as "8470", "0.0.0.0" or "192.168.1.5:8443"')
        return found
