"""From nodes to cards: make what is missing or out of date, and leave what is as today's plan wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from pibramble.cards import foundation
from pibramble.cards.assemble import Assembler, Card
from pibramble.cards.foundation import Base
from pibramble.cards.store import Store, Worth
from pibramble.files.model import Keyring
from pibramble.plan.model import NodePlan, Plan
from pibramble.progress import Progress


@attrs.frozen
class Built:
    """What became of one node."""

    node: str
    base: str
    reused: bool  # the card was there and as today's plan wants it
    size_bytes: int  # how large an SD card must be at least
    stored_bytes: int  # what the card takes here, beyond the base
    seconds: float  # that its making took


@attrs.frozen
class Builder:
    """Builds the cards of one cluster."""

    plan: Plan
    keyring: Keyring
    store: Store

    def build(
        self, nodes: Sequence[NodePlan], base_of: Callable[[NodePlan], Base], progress: Progress, *, anew: bool = False
    ) -> list[Built]:
        """Make the cards of `nodes`; with `anew` also those that are up to date. Raises PibrambleError, BusyError."""
        groups: dict[str, tuple[Base, list[NodePlan]]] = {}
        for node in nodes:
            base = base_of(node)
            groups.setdefault(base.key, (base, []))[1].append(node)
        done: dict[str, Built] = {}
        with self.store.building():
            for base, members in groups.values():
                foundation.ensure(base, progress)
                missing = [node for node in members if anew or not self._is_current(node, base)]
                cards = Assembler(self.plan, self.keyring, self.store).make(missing, base, progress) if missing else []
                done |= {card.head.node: _built(card) for card in cards}
                done |= {node.name: self._reused(node) for node in members if node.name not in done}
        return [done[node.name] for node in nodes]

    def _is_current(self, node: NodePlan, base: Base) -> bool:
        stored = self.store.judge(node.name, self.plan, self.keyring)
        return stored.worth is Worth.CURRENT and stored.head is not None and stored.head.base == base.key

    def _reused(self, node: NodePlan) -> Built:
        stored = self.store.judge(node.name, self.plan, self.keyring)
        head = stored.head
        return Built(
            node=node.name,
            base=head.base if head else "",
            reused=True,
            size_bytes=head.size_bytes if head else 0,
            stored_bytes=stored.stored_bytes,
            seconds=0.0,
        )


def _built(card: Card) -> Built:
    return Built(
        node=card.head.node,
        base=card.head.base,
        reused=False,
        size_bytes=card.head.size_bytes,
        stored_bytes=card.stored_bytes,
        seconds=card.seconds,
    )
