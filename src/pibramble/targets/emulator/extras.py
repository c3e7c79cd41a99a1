"""What a guest's initramfs gets beyond the card's own: the scripts of `guest/`, and units with the node's words."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path

import attrs

from pibramble.errors import UsageError
from pibramble.plan.macs import derive_for
from pibramble.plan.model import NodePlan, Plan, Role
from pibramble.spec.model import Link
from pibramble.targets.emulator import cpio
from pibramble.targets.emulator.cpio import Member

# The hidden network of the USB cables: addresses that no plan can have (spec/rules/addresses.py) and nobody routes.
NETWORK = IPv4Network("169.254.213.0/24")
HOST, GUEST = NETWORK[2], NETWORK[15]  # the keeper's side, and each guest's: every guest has a network of its own
_PORTS = 8  # of the kernel's vhci-hcd at high speed

_UNITS, _NETWORK, _SCRIPTS = (
    "pibramble/run/systemd/system",
    "pibramble/run/systemd/network",
    "pibramble/run/pibramble-emulator",
)


@attrs.frozen
class Backplane:
    """Where the keeper joins the two ends of a USB cable."""

    port: int
    token: str  # so that no other user of this machine can join in


def has_backplane(plan: Plan, node: NodePlan) -> bool:
    """Say whether the node has a USB cable at one of its ends."""
    return bool(usb_workers(plan)) if node.role is Role.HEAD else _is_usb(node)


def archive(plan: Plan, node: NodePlan, backplane: Backplane, *, verify: bool = False) -> bytes:
    """Return the archive for one node; with `verify` it says on its console how its boot ended.

    Raises UsageError where the head has more USB cables than the kernel has ports.
    """
    members = {"pibramble/init": _file("init", 0o755), "scripts/init-bottom/pibramble": _file("init-bottom", 0o755)}
    if node.role is Role.HEAD:
        members |= _name("10-emulator-uplink", uplink_mac(plan), plan.uplink.interface)
    if node.role is Role.HEAD or has_backplane(plan, node):
        # It takes QEMU's adapters for one of an older kind and gives them an address of its own making.
        members["pibramble/run/modprobe.d/pibramble-emulator.conf"] = _text("blacklist cdc_subset\n")
    if has_backplane(plan, node):
        members |= _name("10-emulator-backplane", backplane_mac(plan, node), "backplane")
        members[f"{_NETWORK}/10-emulator-backplane.network"] = _text(
            "[Match]\nName=backplane\n[Link]\nRequiredForOnline=no\n"
            f"[Network]\nAddress={GUEST}/{NETWORK.prefixlen}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        )
        script = "usb-head" if node.role is Role.HEAD else "usb-worker"
        words = _words(plan, node)
        members[f"{_SCRIPTS}/{script}"] = _file(script)
        command = (
            f"/bin/bash /run/pibramble-emulator/{script} {HOST} {backplane.port} {backplane.token} {' '.join(words)}"
        )
        members[f"{_UNITS}/pibramble-emulator.service"] = _text(
            "[Unit]\nDescription=USB cables of the emulator\n[Service]\n"
            f"ExecStart={command}\nRestart=on-failure\nRestartSec=1\n"
        )
    if verify:
        members |= {f"{_SCRIPTS}/verify": _file("verify")}
        members[f"{_UNITS}/pibramble-verify.service"] = _text(
            "[Unit]\nDescription=Tells the emulator how the boot ended\n[Service]\nStandardOutput=tty\n"
            "TTYPath=/dev/console\nExecStart=/bin/bash /run/pibramble-emulator/verify\n"
        )
    return cpio.archive(members)


def uplink_mac(plan: Plan) -> str:
    """Return the address of the head's uplink: a vendor's, as a board's own is."""
    return derive_for(plan.id, plan.head.name, "emulated uplink", vendor="b8:27:eb")


def backplane_mac(plan: Plan, node: NodePlan) -> str:
    """Return the address of a node's adapter on the hidden network."""
    return derive_for(plan.id, node.name, "backplane", vendor="b8:27:eb")


def _words(plan: Plan, node: NodePlan) -> list[str]:
    if node.role is not Role.HEAD:
        return [node.name]
    cables = usb_workers(plan)
    if len(cables) > _PORTS:
        raise UsageError(
            f"{len(cables)} workers hang on the head by USB, and an emulated head has {_PORTS} ports for them",
            hint="the lab takes them all: `pibramble up --target lab`",
        )
    return [word for worker in cables for word in (worker.name, str(worker.link.head_mac if worker.link else ""))]


def usb_workers(plan: Plan) -> list[NodePlan]:
    """Return the workers that hang on the head by a USB cable."""
    return [worker for worker in plan.workers if _is_usb(worker)]


def _is_usb(node: NodePlan) -> bool:
    return node.link is not None and node.link.kind is Link.USB


def _name(stem: str, mac: str, name: str) -> Mapping[str, Member]:
    content = f"[Match]\nMACAddress={mac}\n[Link]\nName={name}\nMACAddressPolicy=none\n"
    return {f"{_NETWORK}/{stem}.link": _text(content)}


def _text(content: str) -> Member:
    return Member(content.encode())


def _file(name: str, mode: int = 0o644) -> Member:
    return Member((Path(__file__).with_name("guest") / name).read_bytes(), mode)
