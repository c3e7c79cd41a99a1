"""Which machine stands in for a board."""

from __future__ import annotations

import attrs
import pytest

from pibramble.catalog.load import boards
from pibramble.catalog.model import Architecture, Board
from pibramble.errors import UsageError
from pibramble.plan.model import Plan
from pibramble.targets.emulator.machines import machine_for

WITHOUT = {"pi-5", "pc"}  # machines.toml says why
PROCESSORS = {
    Architecture.ARMV6: "qemu-system-arm",
    Architecture.ARMV7: "qemu-system-arm",
    Architecture.ARM64: "qemu-system-aarch64",
}


@pytest.mark.parametrize("board", boards().values(), ids=lambda board: board.name)
def test_every_board_has_a_machine_of_its_own_kind_or_is_refused_with_words(board: Board, plan: Plan) -> None:
    node = attrs.evolve(plan.head, board=board)
    if board.name in WITHOUT:
        with pytest.raises(UsageError, match=f"head is a {board.title}, which the emulator cannot be") as error:
            machine_for(node)
        assert "pi-zero" in error.value.hint
        assert "--target lab" in error.value.hint
        return
    machine = machine_for(node)
    assert machine.program == PROCESSORS[board.architecture]
    # QEMU's boards have 512 MB and no other size; the list of differences says so.
    assert machine.memory_mb == (512 if machine.is_board else board.memory_mb)
    assert machine.is_board == (board.architecture is Architecture.ARMV6)
    # A board's machine has its own processor and is given the board's device tree; the other one has to be told.
    assert bool(machine.device_tree) == machine.is_board
    assert bool(machine.processor) != machine.is_board
    assert bool(machine.downstream_tree) == machine.is_board
    # 32 bits of ARMv6, of ARMv7, 64 bits: the firmware's usual kernels.
    kernels = {Architecture.ARMV6: "kernel.img", Architecture.ARMV7: "kernel7.img", Architecture.ARM64: "kernel8.img"}
    assert machine.kernel == kernels[board.architecture]
    assert machine.filters


def test_the_console_is_a_port_that_carries_no_link(plan: Plan) -> None:
    used = {worker.link.worker_port for worker in plan.workers if worker.link} | {"/dev/ttyAMA0"}
    consoles = [machine_for(node).console.split(",")[0] for node in plan.nodes]
    assert set(consoles) == {"ttyS1", "ttyS0"}
    assert not {f"/dev/{console}" for console in consoles} & used
