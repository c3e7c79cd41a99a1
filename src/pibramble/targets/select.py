"""Which target a verb is about: the one that was asked for, else the one that is up, else the one that fits here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pibramble.errors import NotUpError, UsageError
from pibramble.plan.model import Plan
from pibramble.targets.base import Target
from pibramble.targets.whereabouts import is_head

VARIABLE = "PIBRAMBLE_TARGET"


def _lab(folder: Path, _plan: Plan) -> Target:
    from pibramble.targets.lab.lab import Lab

    return Lab(folder)


def _hardware(folder: Path, plan: Plan) -> Target:
    from pibramble.targets.hardware.from_pc import FromPc
    from pibramble.targets.hardware.on_head import OnHead

    return OnHead(folder, plan) if is_head(plan) else FromPc(folder)


def _emulator(folder: Path, _plan: Plan) -> Target:
    from pibramble.targets.emulator.emulator import Emulator

    return Emulator(folder)


class Entry(NamedTuple):
    """How a target is made, and the file of the state folder that is there while it may be up."""

    make: Callable[[Path, Plan], Target]
    mark: str


TARGETS = {
    "lab": Entry(_lab, "lab.json"),
    "emulator": Entry(_emulator, "emulator.json"),
    "hardware": Entry(_hardware, "hardware.json"),
}


def choose(plan: Plan, folder: Path, asked: str | None = None) -> Target:
    """Return the target that is meant. `folder`: the cluster's state folder. Raises UsageError.

    That is the one `asked` for, else that of PIBRAMBLE_TARGET, else the one that is up, else on a head the hardware,
    and elsewhere the lab.
    """
    if asked:
        return _make(asked, plan, folder, "--target")
    if named := os.environ.get(VARIABLE):
        return _make(named, plan, folder, VARIABLE)
    marked = [_make(name, plan, folder) for name, entry in TARGETS.items() if (folder / entry.mark).exists()]
    up = [target for target in marked if _is_up(target)]
    if len(up) > 1:
        names = " and ".join(target.name for target in up)
        hint = f"say which is meant: --target {up[0].name}, or {VARIABLE}={up[0].name}"
        raise UsageError(f"{plan.name} is up in several places: {names}", hint=hint)
    if up:
        return up[0]
    return _make("hardware" if is_head(plan) else "lab", plan, folder)


def _is_up(target: Target) -> bool:
    try:
        return target.state().up
    except NotUpError:  # something of it is there, and does not answer: the verb says so, and `down` clears it up
        return True


def _make(name: str, plan: Plan, folder: Path, asked_by: str = "") -> Target:
    if name not in TARGETS:
        message = f"there is no target `{name}` ({asked_by})"
        raise UsageError(message, hint=f"the targets are {', '.join(TARGETS)}")
    return TARGETS[name].make(folder, plan)
