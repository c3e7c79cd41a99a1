"""From cards to machines that can start: a throw-away disk over each card, its boot files, and QEMU's command line."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import attrs

from pibramble import proc
from pibramble.cards import export
from pibramble.cards.delta import DeltaImage
from pibramble.errors import MissingError
from pibramble.plan.model import NodePlan, Plan
from pibramble.targets.emulator import bootfiles, cpio, extras
from pibramble.targets.emulator.command import Places, Uplink, command, uplink
from pibramble.targets.emulator.differences import command_line
from pibramble.targets.emulator.extras import Backplane
from pibramble.targets.emulator.machines import machine_for
from pibramble.targets.emulator.order import NodeOrder

_SMALLEST_DISK = 1 << 31
_SECOND_UART = "/soc/serial@7e215040"  # in the device trees of the BCM2835


def check_programs(nodes: Sequence[NodePlan]) -> None:
    """Return when this machine has what the nodes' machines take. Raises MissingError with apt's line."""
    wanted = {machine_for(node).program: "qemu-system-arm" for node in nodes}
    wanted |= {"fdtput": "device-tree-compiler"} if any(machine_for(node).is_board for node in nodes) else {}
    missing = {
        program: package
        for program, package in wanted.items()
        if shutil.which(program, path=proc.system_path()) is None
    }
    if missing:
        raise MissingError(
            f"the emulator needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            hint=f"sudo apt-get install --no-install-recommends {' '.join(sorted(set(missing.values())))}",
        )


def check_wires(plan: Plan, nodes: Sequence[NodePlan]) -> None:
    """Return when the nodes' machines can be made and wired. Raises UsageError, as `Bench.prepare` would.

    That takes the plan alone: the machines are worked out over files that are not there, and forgotten.
    """
    for node in nodes:
        extras.archive(plan, node, Backplane(0, ""))
        command(plan, node, machine_for(node), Places(Path(), Path(), node.name), "", uplink(plan, 0, Path()))


@attrs.frozen
class Bench:
    """What all machines of a cluster share."""

    plan: Plan
    sockets: Path
    backplane: Backplane
    uplink: Uplink

    def prepare(self, node: NodePlan, image: DeltaImage, folder: Path, *, verify: bool = False) -> NodeOrder:
        """Lay out one node's machine in `folder`, from its opened card; the card is not changed.

        `verify`: the guest says on its console how its boot ended. Raises BootError, UsageError, CommandFailedError.
        """
        machine = machine_for(node)
        places = Places(folder, self.sockets, node.name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = bootfiles.read(image, machine)
        more = extras.archive(self.plan, node, self.backplane, verify=verify)
        places.kernel.write_bytes(found.kernel)
        places.initramfs.write_bytes(cpio.append(found.initramfs, more))
        if found.device_tree:
            _switch_on_second_uart(found.device_tree, places.device_tree)
        export.overlay(image, places.disk, size_bytes=disk_size(image.size_bytes))
        words = command_line(found.command_line, machine)
        argv = command(self.plan, node, machine, places, words, self.uplink)
        return NodeOrder(tuple(argv), str(places.log), str(folder / "qemu.log"))


def disk_size(card_bytes: int) -> int:
    """Return how large the emulated SD card is: QEMU takes powers of two only, and a real card has room to grow."""
    return max(_SMALLEST_DISK, 1 << (card_bytes - 1).bit_length())


def remove(folder: Path) -> None:
    """Remove a node's disk and boot files; what its console said stays."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.suffix != ".log":
                path.unlink()


def _switch_on_second_uart(tree: bytes, path: Path) -> None:
    path.write_bytes(tree)
    proc.run(["fdtput", "-t", "s", str(path), _SECOND_UART, "status", "okay"])
