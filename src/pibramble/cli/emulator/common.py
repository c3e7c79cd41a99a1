"""What the verbs of `pibramble emulator` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pibramble.cli.context import Context
from pibramble.errors import UsageError
from pibramble.spec.model import Link

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


def known_line(context: Context, name: str) -> str:
    """Return the name of a node that hangs on a serial link. Raises UsageError that says which do."""
    link = context.plan.node(known_node(context, name)).link
    if link is None or link.kind is not Link.SERIAL:
        serial = [node.name for node in context.plan.workers if node.link and node.link.kind is Link.SERIAL]
        raise UsageError(
            f"{name} hangs on no serial link, and no other can be cut",
            hint=f"those that do: {', '.join(serial) or 'none'}",
        )
    return name
