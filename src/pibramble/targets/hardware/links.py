"""What is wrong with a link, and what the head can do about it by itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from pibramble.plan.model import BRIDGE, LinkPlan, NodePlan, Plan
from pibramble.spec.model import Link
from pibramble.targets.hardware.look import Interface, Seen

RUNS = ("active", "activating", "reloading")  # what systemd says of a unit that is at work


class Trouble(StrEnum):
    """What is wrong with a link, as far as the head's interfaces tell."""

    ABSENT = "absent"
    MISNAMED = "misnamed"
    FOREIGN = "foreign"  # the name is right, the address is another's
    DOWN = "down"
    UNBRIDGED = "unbridged"
    SILENT = "silent"  # no carrier


@attrs.frozen
class Repair:
    """What the head does by itself: commands for root, one after the other, and what to tell of it."""

    said: str
    commands: tuple[tuple[str, ...], ...]


def interface_of(link: LinkPlan) -> str:
    """Return the head's interface that a link hangs on; Ethernet workers share a port."""
    return link.head_port or link.head_interface if link.kind is Link.ETHERNET else link.head_interface


def unit_of(node: str) -> str:
    """Return the unit that keeps a serial link up (files/ppp.py)."""
    return f"pibramble-ppp@{node}.service"


def troubles(plan: Plan, interfaces: Mapping[str, Interface]) -> dict[str, Trouble]:
    """Return worker -> what is wrong with its link, for those where something is."""
    found = {worker.name: _trouble(worker.link, interfaces) for worker in plan.workers if worker.link}
    return {node: trouble for node, trouble in found.items() if trouble}


def _trouble(link: LinkPlan, interfaces: Mapping[str, Interface]) -> Trouble | None:
    there = interfaces.get(interface_of(link))
    if there is None:
        return Trouble.MISNAMED if by_address(link, interfaces) else Trouble.ABSENT
    if link.kind is Link.USB and there.mac != link.head_mac:
        return Trouble.FOREIGN
    if not there.up:
        return Trouble.DOWN
    if link.bridged and there.bridge != BRIDGE:
        return Trouble.UNBRIDGED
    return None if there.carrier else Trouble.SILENT


def by_address(link: LinkPlan, interfaces: Mapping[str, Interface]) -> Interface | None:
    """Return the interface with a USB link's address, whatever it is called."""
    if link.kind is not Link.USB:
        return None
    return next((interface for interface in interfaces.values() if interface.mac == link.head_mac), None)


# --- What the head does by itself -------------------------------------------------------------------------------------


def repair(node: NodePlan, trouble: Trouble, seen: Seen) -> Repair | None:
    """Return what the head can do about a link's trouble; None when it takes a person, or time."""
    match node.link.kind if node.link else None:
        case Link.SERIAL:
            return _restart(node, seen)
        case None:
            return None
        case _:
            return _mend_interface(node, trouble, seen)


def _restart(node: NodePlan, seen: Seen) -> Repair | None:
    unit = unit_of(node.name)
    state = seen.units.get(unit)
    if state is None or state in RUNS:
        return None
    return Repair(f"{unit} was {state}: restarted", (("systemctl", "restart", unit),))


def _mend_interface(node: NodePlan, trouble: Trouble, seen: Seen) -> Repair | None:
    assert node.link  # noqa: S101 (for mypy: the caller has looked)
    name = interface_of(node.link)
    other = by_address(node.link, seen.interfaces)
    match trouble:
        case Trouble.MISNAMED if other:
            rename = (("ip", "link", "set", "dev", other.name, *words) for words in (("down",), ("name", name)))
            return Repair(f"its interface was called {other.name}: renamed to {name}", (*rename, *_into_bridge(name)))
        case Trouble.DOWN:
            return Repair(f"the interface {name} was down: brought up", _into_bridge(name))
        case Trouble.UNBRIDGED:
            return Repair(f"the interface {name} was not in the bridge: put there", _into_bridge(name))
        case Trouble.ABSENT if node.link.kind is Link.USB and seen.on_usb(node.name):
            return Repair("the board is plugged in without a driver: loaded", (("modprobe", "cdc_ether"),))
        case _:
            return None


def takes_time(node: NodePlan, seen: Seen) -> bool:
    """Say whether a link may come up by itself within seconds: pppd is at it."""
    return seen.units.get(unit_of(node.name)) in RUNS


def _into_bridge(name: str) -> tuple[tuple[str, ...], ...]:
    # As networkd does it (files/network.py); it leaves what it finds done.
    return (("ip", "link", "set", "dev", name, "master", BRIDGE), ("ip", "link", "set", "dev", name, "up"))
