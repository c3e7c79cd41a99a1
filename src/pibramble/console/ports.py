"""From a plan to the ports of its console. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pibramble.console.model import Port, Profile, Settings, Source
from pibramble.plan.model import ConsolePlan, Plan

NODE_PROFILE = "raspberry-pi"


def of_plan(plan: Plan, load_profile: Callable[[str], Profile]) -> tuple[Port, ...]:
    """Return the ports that the cluster file names. Raises ProfileError, UnknownProfileError."""
    return tuple(_port(console, load_profile) for console in plan.consoles)


def of_nodes(devices: Mapping[str, str], load_profile: Callable[[str], Profile]) -> tuple[Port, ...]:
    """Return the nodes' own ports: each node's name, and the device that its target offers as its console."""
    settings = load_profile(NODE_PROFILE).settings
    return tuple(Port(name, device, NODE_PROFILE, settings, Source.NODE) for name, device in devices.items())


def _port(console: ConsolePlan, load_profile: Callable[[str], Profile]) -> Port:
    settings = Settings.parse(console.settings) if console.settings else load_profile(console.profile).settings
    return Port(console.name, console.port, console.profile, settings, Source.CLUSTER_FILE, console.tcp_port)
