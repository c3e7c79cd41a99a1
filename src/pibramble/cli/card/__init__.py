"""`pibramble card`: the cards of the boards. Its verbs are imported when they are called, as the command's own are."""

from __future__ import annotations

import click

from pibramble.cli.main import LazyGroup, Verb

CARD_VERBS = {
    "build": Verb("card.build", "Make the cards, and the base systems they need.", "Make"),
    "list": Verb("card.list_", "List the cards, and whether they are as planned.", "Look"),
    "files": Verb("card.files", "Show what is on a card beyond its base.", "Look"),
    "inspect": Verb("card.inspect", "Say whose card an image or a device is.", "Look"),
    "verify": Verb("card.verify", "Say whether cards will do; --boot starts them in the emulator.", "Look"),
    "write": Verb("card.write", "Write a card to an SD card, and verify it.", "Use"),
    "export": Verb("card.export", "Write a card to an image file.", "Use"),
}


class CardGroup(LazyGroup):
    """The verbs of `pibramble card`."""

    verbs = CARD_VERBS


@click.command(cls=CardGroup)
def command() -> None:
    """Make, look at and write the SD card of every board.

    A card is a base system, shared by all boards of its kind, and what is different about the node.
    """
