"""From a plan to the ports of its console. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from pibramble.console.model import Port, Profile, Settings, Source
from pibramble.plan.model import NODE_PROFILE, ConsolePlan, Plan


def of_plan(plan: Plan, devices: Mapping[str, str], load_profile: Callable[[str], Profile]) -> tuple[Port, ...]:
    """Return the ports that the cluster file names, then the nodes' own that it does not.

    `devices`: by nodes' names, what their target offers as their consoles. A worker's UART that the file names
    too is that device there: in the lab and the emulator nothing hangs on the head's adapter.
    Raises ProfileError, UnknownProfileError.
    """
    named = [_port(console, load_profile) for console in plan.consoles]
    rest = {name: device for name, device in devices.items() if name not in {port.name for port in named}}
    nodes = {node.name for node in plan.nodes}
    return (
        *(
            attrs.evolve(port, device=devices.get(port.name, port.device), source=Source.NODE)
            if port.name in nodes
            else port
            for port in named
        ),
        *of_nodes(rest, load_profile),
    )


def of_nodes(devices: Mapping[str, str], load_profile: Callable[[str], Profile]) -> tuple[Port, ...]:
    """Return the nodes' own ports: each node's name, and the device that its target offers as its console."""
    settings = load_profile(NODE_PROFILE).settings
    return tuple(Port(name, device, NODE_PROFILE, settings, Source.NODE) for name, device in devices.items())


def _port(console: ConsolePlan, load_profile: Callable[[str], Profile]) -> Port:
    settings = Settings.parse(console.settings) if console.settings else load_profile(console.profile).settings
    return Port(console.name, console.port, console.profile, settings, Source.CLUSTER_FILE, console.tcp_port)
