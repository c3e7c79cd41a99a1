"""Which of QEMU's machines stands in for a board (machines.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs

from pibramble.errors import UsageError
from pibramble.plan.model import NodePlan

_VIRTUAL = "virt"


@attrs.frozen
class Machine:
    """A machine of QEMU's."""

    machine: str  # QEMU's -M
    program: str  # qemu-system-arm or qemu-system-aarch64
    memory_mb: int
    kernel: str  # that the firmware starts when config.txt names none
    filters: tuple[str, ...] = attrs.field(converter=tuple)  # the model filters of config.txt that let settings through
    processor: str = ""  # QEMU's -cpu; empty: the machine has its own
    device_tree: str = ""  # on the boot partition; empty: QEMU makes one
    downstream_tree: str = ""  # its name where the kernel is Raspberry Pi's own

    @property
    def is_board(self) -> bool:
        """Say whether it has the processor, the UARTs and the SD host of the board."""
        return not self.machine.startswith(_VIRTUAL)

    @property
    def console(self) -> str:
        """Return the kernel's console: one that no link uses."""
        # The boards' second UART; virt has one UART only, so it gets a second one on PCI.
        return "ttyS1,115200" if self.is_board else "ttyS0,115200"


def machine_for(node: NodePlan) -> Machine:
    """Return what stands in for the node's board. Raises UsageError where nothing does."""
    facts = _machines().get(node.board.name)
    if facts is None:
        raise UsageError(
            f"{node.name} is a {node.board.title}, which the emulator cannot be",
            hint=f"it can be one of these: {', '.join(_machines())}; `pibramble up --target lab` needs no board at all",
        )
    return Machine(**facts)


@cache
def _machines() -> Mapping[str, Any]:
    found: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("machines.toml").read_text("utf-8"))["machine"]
    return found
