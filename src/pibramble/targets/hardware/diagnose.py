"""What a person is told of a link that does not work: what is wrong, the likely cause, the cure. Pure.

The causes are those that builders of such clusters report; none has been provoked on a physical board yet (verify).
"""

from __future__ import annotations

import attrs

from pibramble.plan.model import BRIDGE, LinkPlan, NodePlan, Plan
from pibramble.spec.model import Link
from pibramble.targets.hardware.links import RUNS, Trouble, interface_of, unit_of
from pibramble.targets.hardware.look import Seen

# What a board's boot ROM shows when it finds no card that it can start from: BCM2835 and BCM2837 [raspberrypi/usbboot].
_WAITING_FOR_BOOT = ("0a5c:2763", "0a5c:2764")


@attrs.frozen
class Diagnosis:
    """What is wrong, with the likely cause, and what to do about it."""

    said: str
    hint: str


def brief(node: NodePlan, trouble: Trouble) -> Diagnosis:
    """Return what is wrong without looking for causes."""
    name = interface_of(node.link) if node.link else node.name
    said = {
        Trouble.ABSENT: f"no link: there is no interface {name}",
        Trouble.MISNAMED: f"its interface is not called {name}",
        Trouble.FOREIGN: f"the interface {name} belongs to another board",
        Trouble.DOWN: f"no link: the interface {name} is down",
        Trouble.UNBRIDGED: f"the interface {name} is not in the bridge {BRIDGE}",
        Trouble.SILENT: f"no link: the interface {name} has no carrier",
    }
    return Diagnosis(said[trouble], "`pibramble up` looks for the cause and repairs what it can")


def diagnose(plan: Plan, node: NodePlan, trouble: Trouble, seen: Seen) -> Diagnosis:
    """Return what is wrong with a worker's link after all repairs, the likely cause and the cure."""
    link = node.link
    if link is None:
        return Diagnosis("it has no link", "")
    if link.kind is Link.SERIAL:
        return _serial(node, link, seen)
    if trouble in {Trouble.DOWN, Trouble.UNBRIDGED, Trouble.MISNAMED}:
        said = f"the interface {interface_of(link)} could not be made a port of the bridge {BRIDGE}"
        return Diagnosis(said, "`networkctl` and `sudo dmesg | tail` say how it is")
    return _ethernet(link, trouble) if link.kind is Link.ETHERNET else _usb(plan, node, link, trouble, seen)


def _usb(plan: Plan, node: NodePlan, link: LinkPlan, trouble: Trouble, seen: Seen) -> Diagnosis:
    name = link.head_interface
    match trouble:
        case Trouble.FOREIGN:
            return Diagnosis(
                f"the interface {name} has the address {seen.interfaces[name].mac} instead of {link.head_mac}",
                "the card in it was made for another plan: `pibramble card write` that of today",
            )
        case Trouble.SILENT:
            return Diagnosis(
                f"{name} is plugged in, but its network does not run (no carrier)",
                "still starting? Then `pibramble up` again in a minute; else its power, its card",
            )
        case _:
            return _absent(plan, node, name, seen)


def _absent(plan: Plan, node: NodePlan, name: str, seen: Seen) -> Diagnosis:
    if seen.on_usb(node.name):
        return Diagnosis("it is on the USB, but no driver makes an interface of it", "`sudo dmesg | tail` says why")
    if waiting := next((device for device in seen.usb if device.product in _WAITING_FOR_BOOT), None):
        return Diagnosis(
            f"no interface {name}, and a board on the USB finds no card to start from ({waiting.product})",
            "push the card in; `pibramble card inspect` on a PC says whether it can be read",
        )
    if strangers := _strangers(plan, seen):
        return Diagnosis(
            f"no interface {name}, and one that is not in the plan: {', '.join(strangers)}",
            "a card of another cluster or of an older cluster file: `pibramble card inspect` says whose",
        )
    return Diagnosis(
        f"no interface {name}: nothing of it is on the USB",
        "the cable in the port marked USB, and one that carries data? Power? The card? Still starting?",
    )


def _strangers(plan: Plan, seen: Seen) -> list[str]:
    """Return gadgets that are not of this plan: they keep the name that the kernel gives them."""
    known = {worker.link.head_mac for worker in plan.workers if worker.link}
    gadgets = (interface for interface in seen.interfaces.values() if interface.name.startswith("usb"))
    return [f"{gadget.name} ({gadget.mac})" for gadget in gadgets if gadget.mac not in known]


def _serial(node: NodePlan, link: LinkPlan, seen: Seen) -> Diagnosis:
    unit = unit_of(node.name)
    state = seen.units.get(unit)
    if link.head_port and link.head_port not in seen.ports:
        hint = "is its adapter plugged in? A UART of the head: is it switched on in config.txt?"
        return Diagnosis(f"there is no {link.head_port}", hint)
    if state is not None and state not in RUNS:
        return Diagnosis(f"{unit} is {state}", f"`journalctl -u {unit}` says why")
    return Diagnosis(
        f"nobody answers on {link.head_port}",
        f"power? The card? TX and RX crossed, ground joined? {link.baud} baud at both ends? Still starting?",
    )


def _ethernet(link: LinkPlan, trouble: Trouble) -> Diagnosis:
    name = interface_of(link)
    if trouble is Trouble.SILENT:
        return Diagnosis(f"{name} has no carrier", "the cable? The switch, and its power?")
    return Diagnosis(f"the head has no interface {name}", "is its adapter plugged in? `ip link` lists the names")
