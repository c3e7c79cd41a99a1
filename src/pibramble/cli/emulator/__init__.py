"""`pibramble emulator`: what only emulated boards have, such as cables that a command pulls."""

from __future__ import annotations

import click

from pibramble.cli.main import LazyGroup, Verb

EMULATOR_VERBS = {
    "differences": Verb("emulator.differences", "List what is not as on a board.", "Look"),
    "links": Verb("emulator.links", "List the wires, and what has passed over them.", "Look"),
    "ports": Verb("emulator.ports", "List the head's serial ports, and where to put what hangs on them.", "Look"),
    "console": Verb("emulator.console", "Show what a node's console has said.", "Look"),
    "unplug": Verb("emulator.unplug", "Pull a node's power, or cut its serial link.", "Disturb"),
    "plug": Verb("emulator.plug", "Give a node power again, or join its serial link.", "Disturb"),
}


class EmulatorGroup(LazyGroup):
    """The verbs of `pibramble emulator`."""

    verbs = EMULATOR_VERBS


@click.command(cls=EmulatorGroup)
def command() -> None:
    """Look behind the emulated boards, and disturb them.

    `pibramble up --target emulator` boots the cards of the plan; everything else works as on every target.
    """
