"""The types of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

import attrs


class Architecture(StrEnum):
    """Instruction sets, as far as they decide which programs run on a board."""

    ARMV6 = "armv6"  # Debian's armel (soft-float ABI)
    ARMV7 = "armv7"  # Debian's armhf
    ARM64 = "arm64"
    AMD64 = "amd64"

    @property
    def debian(self) -> str:
        """Return Debian's name for it."""
        return {"armv6": "armel", "armv7": "armhf"}.get(self.value, self.value)

    @property
    def word_bits(self) -> int:
        """Return the size of a pointer; MPICH of different word sizes cannot talk to each other."""
        return 32 if self in {Architecture.ARMV6, Architecture.ARMV7} else 64


@attrs.frozen
class Uart:
    """A serial port that a board brings out on its header."""

    device: str  # as Linux names it: /dev/ttyAMA0
    kind: str  # pl011 | mini | 8250 | usb
    max_baud: int  # without flow control
    max_baud_flow_control: int  # with RTS/CTS wired
    needs: str = ""  # the config.txt line that frees it, where one is needed
    pins: tuple[int, ...] = ()  # header pins, TX then RX; ports with the same pins exclude each other


@attrs.frozen
class Board:
    """A board by its catalogue name. Sources of the figures stand in the data file beside them."""

    name: str  # pi-zero
    title: str  # Raspberry Pi Zero
    architecture: Architecture
    cores: int
    memory_mb: int
    usb_gadget: bool  # its USB port can be a device
    usb_host_ports: int
    ethernet_mbit: int | None  # None: no Ethernet port
    gadget_to_head_mbit: float | None  # what a gadget link carries, worker to head
    gadget_from_head_mbit: float | None  # and head to worker
    gadget_measured: bool  # false: an estimate that nobody has verified on this board
    uarts: tuple[Uart, ...] = ()
    firmware: bool = True  # boots from a Raspberry Pi boot partition (config.txt, cmdline.txt)
    act_led_active_low: bool = False
    usb_buses: int = 1  # that its host ports hang on, 480 Mbit/s each
    ethernet_on_usb: bool = False  # its Ethernet port is a device on the first of them


class Additions(NamedTuple):
    """What a person adds to the catalogue or knows better: section, name, and the keys that were said.

    From the cluster file's `[catalog...]` tables and from `~/.config/pibramble/catalog/*.toml`, fitted to their types.
    """

    said: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType({})

    def of(self, section: str) -> Mapping[str, Mapping[str, Any]]:
        """Return what was said in one section, by name."""
        return self.said.get(section, {})

    def over(self, earlier: Additions) -> Additions:
        """Return both, this one's word counting where both speak."""
        merged: dict[str, dict[str, dict[str, Any]]] = {}
        for said in (earlier.said, self.said):
            for section, names in said.items():
                for name, keys in names.items():
                    merged.setdefault(section, {}).setdefault(name, {}).update(keys)
        return Additions(merged)


NOTHING_ADDED = Additions()
