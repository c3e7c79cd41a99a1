"""What the head's kernel and systemd say of its links. Looking costs no process as long as all is well."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from pibramble import proc
from pibramble.errors import PibrambleError

_IFF_UP = 0x1  # linux/if.h


@attrs.frozen
class Interface:
    """A network interface, as /sys/class/net has it."""

    name: str
    mac: str
    up: bool
    carrier: bool
    bridge: str  # "" or the bridge whose port it is


@attrs.frozen
class UsbDevice:
    """A device on the head's USB."""

    product: str  # idVendor:idProduct
    serial: str  # g_ether says the node's name there


@attrs.frozen
class Seen:
    """All that was seen. What is not among the interfaces is looked at only when some link is not as it should be."""

    interfaces: Mapping[str, Interface]
    usb: tuple[UsbDevice, ...] = ()
    ports: frozenset[str] = frozenset()  # serial devices that are there
    units: Mapping[str, str] = attrs.field(factory=dict)  # active, activating, failed, inactive; {}: no systemd here

    def on_usb(self, node: str) -> bool:
        """Say whether a board of that name is on the USB, interface or not."""
        return any(device.serial == node for device in self.usb)


@attrs.frozen
class System:
    """The machine that is looked at; the tests have another root."""

    root: Path = Path("/")

    def interfaces(self) -> dict[str, Interface]:
        """Return all network interfaces, by name."""
        folder = self.root / "sys/class/net"
        names = sorted(at.parent.name for at in folder.glob("*/flags"))
        return {name: _interface(folder / name) for name in names}

    def forwards(self) -> bool:
        """Say whether the kernel passes packets on."""
        return _read(self.root / "proc/sys/net/ipv4/ip_forward") == "1"

    def all(self, ports: Sequence[str], units: Sequence[str]) -> Seen:
        """Look everywhere: at the interfaces, on the USB, at these serial devices, at these units."""
        usb = [
            UsbDevice(f"{_read(device / 'idVendor')}:{_read(device / 'idProduct')}", _read(device / "serial"))
            for device in sorted((self.root / "sys/bus/usb/devices").glob("*"))
            if (device / "idVendor").exists()
        ]
        there = frozenset(port for port in ports if _is_device(self.root / port.lstrip("/")))
        return Seen(self.interfaces(), tuple(usb), there, self._units(units))

    def _units(self, units: Sequence[str]) -> dict[str, str]:
        if not units or not (self.root / "run/systemd/system").is_dir():  # sd_booted(3)
            return {}
        try:
            said = proc.run(as_root("systemctl", "is-active", *units), check=False).stdout.split()
        except PibrambleError:
            return {}
        return dict(zip(units, said, strict=False))


def as_root(*words: str) -> Sequence[str]:
    """Return a command for root. Systemd answers nobody else: cards have no D-Bus, and its own socket is root's."""
    return words if os.getuid() == 0 else ("sudo", "-n", *words)


def _interface(at: Path) -> Interface:
    flags = _read(at / "flags")
    return Interface(
        name=at.name,
        mac=_read(at / "address").lower(),
        up=bool(int(flags or "0", 16) & _IFF_UP),
        carrier=_read(at / "carrier") == "1",
        bridge=(at / "master").readlink().name if (at / "master").is_symlink() else "",
    )


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


def _read(path: Path) -> str:
    """Return a file's text without its newline, "" where it has none, as the carrier of an interface that is down."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
