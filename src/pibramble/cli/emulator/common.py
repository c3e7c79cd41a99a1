"""What the verbs of `pibramble emulator` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pibramble.cli.context import Context
from pibramble.errors import UsageError

if TYPE_CHECKING:
    from pibramble.targets.emulator.emulator import Emulator


def emulator(context: Context) -> Emulator:
    """Return the emulator of this cluster, whatever else is up."""
    from pibramble.targets.emulator.emulator import Emulator

    return Emulator(context.folder)


def known_node(context: Context, name: str) -> str:
    """Return the name of a node. Raises UsageError that says which there are."""
    names = [node.name for node in context.plan.nodes]
    if name not in names:
        raise UsageError(f"{context.plan.name} has no node `{name}`", hint=f"it has {', '.join(names)}")
    return name
