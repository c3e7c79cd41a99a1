"""A keeper with harmless machines in place of QEMU."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from pibramble.targets.emulator.keeping import start_keeper
from pibramble.targets.emulator.order import LineOrder, NodeOrder, Order, socket_paths
from pibramble.targets.emulator.state import EmulatorState, control_socket
from pibramble.targets.processes import Process

PATIENCE_S = 20
TOKEN = "0123456789abcdef"  # noqa: S105 (a test's)
FOREVER = ("sleep", "1000")


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


@attrs.frozen
class Bench:
    """A folder for a cluster whose machines a test makes up."""

    folder: Path
    wires: Path
    cables: socket.socket
    keepers: list[Process] = attrs.field(factory=list)

    def log(self, node: str) -> Path:
        return self.folder / f"{node}.log"

    def order(self, *, lines: tuple[str, ...] = (), cables: tuple[str, ...] = (), **machines: tuple[str, ...]) -> Order:
        nodes = {
            name: NodeOrder(argv, str(self.log(name)), str(self.folder / f"{name}.errors"))
            for name, argv in machines.items()
        }
        serial = {name: LineOrder(*socket_paths(self.wires, name), baud=None) for name in lines}
        return Order(nodes, serial, str(control_socket(self.wires)), self.cables.fileno(), TOKEN, cables)

    def start(
        self, *, lines: tuple[str, ...] = (), cables: tuple[str, ...] = (), **machines: tuple[str, ...]
    ) -> EmulatorState:
        keeper = start_keeper(self.order(lines=lines, cables=cables, **machines), self.folder / "keeper.log")
        self.keepers.append(keeper)
        return EmulatorState(keeper, "digest", 22_022, str(self.wires))
