"""`pibramble card write`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from pibramble.cli.card.common import store, with_cards
from pibramble.cli.context import Context
from pibramble.cli.privilege import become_root_for_device
from pibramble.errors import Exit, PibrambleError, UsageError

if TYPE_CHECKING:
    from pibramble.cards.delta import DeltaImage
    from pibramble.cards.store import Store
    from pibramble.plan.model import NodePlan


@click.command()
@click.argument("nodes", required=False)
@click.argument("device", required=False)
@click.argument("more", nargs=-1, metavar="")
@click.option("--all", "every", is_flag=True, help="The cards of all nodes, one after another: give DEVICE alone.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--not-removable", is_flag=True, help="DEVICE may be a fixed disk.")
@click.pass_obj
def command(  # noqa: PLR0913 (the words of the command line)
    context: Context,
    *,
    nodes: str | None,
    device: str | None,
    more: tuple[str, ...],
    every: bool,
    yes: bool,
    not_removable: bool,
) -> None:
    """Write the card of NODES to DEVICE (such as /dev/sdb), read it back and verify it.

    Several nodes (zero1,zero2 or zero[1-4]), or --all: one card after another, as they are put in. Everything on DEVICE
    is lost; what it is and holds is shown first, and the disk that this machine runs from, or anything in use, is
    refused. Only the blocks that carry data are written. A regular file works as a device.
    """
    if nodes is not None and device is not None and more:
        # Which word is the device is not guessed: everything on it would be lost.
        *names, slot = nodes, device, *more
        example = f"pibramble card write {','.join(names)} {slot}"
        raise UsageError(f"{len(names) + 1} words: nodes are one word, the device another", hint=example)
    chosen, path = _meant(context, nodes, device, every=every)
    cards = store(context)
    for node in chosen:
        _check_worth(context, cards, node)
    become_root_for_device(path)
    if not yes and not sys.stdin.isatty():
        raise UsageError(f"all that is on {path} would be lost, and there is nobody here to ask", hint="--yes goes on")
    _Session(context, cards, path, yes=yes, allow_fixed=not_removable).walk(chosen)


def _meant(context: Context, nodes: str | None, device: str | None, *, every: bool) -> tuple[list[NodePlan], Path]:
    """Return nodes and device. With --all the only word is the device."""
    from pibramble.operate.nodeset import select

    if every:
        if nodes is None or device is not None:
            raise UsageError("--all goes with one word, the device", hint="pibramble card write --all /dev/sdX")
        names = [node.name for node in context.plan.nodes if node.board.firmware]
        return with_cards(context, names), Path(nodes)
    if nodes is None or device is None:
        raise UsageError("which card goes where?", hint="pibramble card write NODE /dev/sdX; `lsblk` lists the disks")
    return with_cards(context, select(context.plan, nodes, None)), Path(device)


def _check_worth(context: Context, cards: Store, node: NodePlan) -> None:
    """Raise PibrambleError where the stored card is not the one that today's plan wants."""
    from pibramble.cards.store import Worth

    worth = cards.judge(node.name, context.plan, context.keyring).worth
    if worth is not Worth.CURRENT:
        raise PibrambleError(f"the card of {node.name}: {worth}", hint=f"`pibramble card build {node.name}` makes it")


@attrs.frozen
class _Session:
    """Cards that are written in one go, in one slot."""

    context: Context
    cards: Store
    path: Path
    yes: bool
    allow_fixed: bool

    def walk(self, nodes: Sequence[NodePlan]) -> None:
        """Write the cards of the nodes one after another; with several, a bad card is told and replaced by the next."""
        from pibramble.cards.image import ImageError
        from pibramble.cards.slot import Card, is_empty, present, wait_for_card

        done: list[str] = []
        before: Card | None = None
        try:
            for node in nodes:
                while True:
                    next_one = f"put in the one for {node.name} ({len(done) + 1} of {len(nodes)})"
                    if before is not None:
                        self._say(f"take the card out, and {next_one}")
                        wait_for_card(self.path, before)
                    elif len(nodes) > 1 and is_empty(self.path):
                        self._say(f"there is no card in {self.path}: {next_one}")
                        wait_for_card(self.path, None)
                    before = present(self.path)
                    try:
                        self._write(node)
                    except PibrambleError as error:
                        if len(nodes) == 1 or before is None or isinstance(error, ImageError):
                            raise  # another card would not help
                        self._say(f"{error.message}\n  {error.hint}" if error.hint else error.message)
                        continue
                    done.append(node.name)
                    break
        finally:
            left = [node.name for node in nodes if node.name not in done]
            if len(nodes) > 1 and left:
                self._say(f"written: {', '.join(done) or 'none'}; not written: {', '.join(left)}")

    def _write(self, node: NodePlan) -> None:
        """Write one card. Raises PibrambleError, and ends the command where the person does not want it."""
        from pibramble.cards import devices
        from pibramble.cards.burn import burn, describe
        from pibramble.cards.write import UNUSABLE, size_text

        with self.cards.image(node.name) as image:
            device = devices.System().look(self.path)
            for objection, cure in device.objections(image.size_bytes, allow_fixed=self.allow_fixed):
                raise devices.DeviceError(objection, hint=cure)
            for line in describe(device):
                click.echo(line, err=True)
            self._ask(node, image)
            try:
                burnt = burn(image, self.path, self.context.progress)
            except KeyboardInterrupt:
                self._say(f"the card in {self.path} is half written. {UNUSABLE}")
                raise
        rate = size_text(int(burnt.written_bytes / max(burnt.seconds, 1e-3)))
        self._say(
            f"{self.path} is the card of {node.name}: {size_text(burnt.written_bytes)} written and verified "
            f"in {burnt.seconds:.0f} s ({rate}/s)"
        )

    def _ask(self, node: NodePlan, image: DeltaImage) -> None:
        from pibramble.cards.write import size_text

        question = (
            f"Everything on {self.path} will be lost. Write the card of {node.name} ({size_text(image.size_bytes)})?"
        )
        if not self.yes and not click.confirm(question, err=True):
            self._say("nothing was written")
            raise click.exceptions.Exit(Exit.FAILED)

    @staticmethod
    def _say(text: str) -> None:
        click.echo(f"pibramble: {text}", err=True)
