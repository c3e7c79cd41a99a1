"""The cards that are made: one file a node in the cluster's state folder, and what each is worth today."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path

import attrs

from pibramble import locks, paths
from pibramble.cards import delta, foundation
from pibramble.cards.content import of_card
from pibramble.cards.delta import DeltaError, DeltaImage, Head
from pibramble.cards.origin import Origin, Origins, same_plan
from pibramble.files.model import Keyring
from pibramble.plan.model import NodePlan, Plan

_SUFFIX = ".delta"
_PATIENCE_S = 600


class Worth(StrEnum):
    """How a stored card stands to today's plan."""

    CURRENT = "up to date"
    PLAN_CHANGED = "plan changed"
    KEYS_REPLACED = "keys replaced"  # by the same plan
    PIBRAMBLE_CHANGED = "pibramble changed"  # the same plan and keys; the head's card carries pibramble itself
    BASE_CHANGED = "base changed"  # made anew since, or gone: the card cannot be put together any more
    NOT_PLANNED = "not in the plan"
    DAMAGED = "damaged"
    MISSING = "not built"


@attrs.frozen
class Stored:
    """A card in the store, or its absence."""

    node: str
    worth: Worth
    head: Head | None = None
    stored_bytes: int = 0


class Store:
    """The folder of one cluster's cards."""

    def __init__(self, cluster_folder: Path) -> None:
        """Name the cluster's state folder."""
        self.folder = cluster_folder / "cards"

    def path(self, node: str) -> Path:
        """Return where a node's card is kept."""
        return self.folder / f"{node}{_SUFFIX}"

    def save(self, head: Head, runs: Mapping[int, bytes]) -> Path:
        """Keep a card, whole or not at all; return where."""
        path = self.path(head.node)
        paths.make_private(self.folder)
        delta.save(path, head, runs)
        return path

    def building(self) -> AbstractContextManager[None]:
        """Return what to hold while cards are made: two builds wait for each other."""
        return locks.held(self.folder / ".lock", "card build", patience_s=_PATIENCE_S)

    def image(self, node: str) -> DeltaImage:
        """Return a node's card as an image; `with` opens it. Raises DeltaError."""
        head = delta.read_head(self.path(node))
        over = foundation.load(head.base)
        if over is None or over.digest != head.base_digest:
            message = f"the base of {node}'s card {'is not there any more' if over is None else 'was made anew since'}"
            raise DeltaError(message, hint=f"`pibramble card build {node}` makes it again")
        return DeltaImage(self.path(node), over.open(node))

    def stored(self, plan: Plan, keyring: Keyring) -> list[Stored]:
        """Return what is kept: the nodes of the plan in its order, then what belongs to none of them."""
        planned = [node.name for node in plan.nodes if node.board.firmware]
        kept = sorted(path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"*{_SUFFIX}"))
        return [self.judge(name, plan, keyring) for name in (*planned, *(name for name in kept if name not in planned))]

    def judge(self, name: str, plan: Plan, keyring: Keyring) -> Stored:
        """Return how the card of that name stands to the plan."""
        path = self.path(name)
        if not path.exists():
            return Stored(name, Worth.MISSING)
        size = path.stat().st_size
        try:
            head = delta.read_head(path)
        except DeltaError:
            return Stored(name, Worth.DAMAGED, None, size)
        node = next((node for node in plan.nodes if node.name == name), None)
        if node is None or not node.board.firmware:
            return Stored(name, Worth.NOT_PLANNED, head, size)
        if of_card(plan, keyring, node, head.base).digest != head.digest:
            return Stored(name, _changed(head, Origins(plan, keyring).of(name), node), head, size)
        over = foundation.load(head.base)
        whole = over is not None and over.digest == head.base_digest
        return Stored(name, Worth.CURRENT if whole else Worth.BASE_CHANGED, head, size)


def _changed(head: Head, now: Origin, node: NodePlan) -> Worth:
    """Return why the card of this head is not today's. What its head does not tell is put down to the plan."""
    if not same_plan(head.origin, now, node):
        return Worth.PLAN_CHANGED
    return Worth.PIBRAMBLE_CHANGED if head.origin.keys == now.keys else Worth.KEYS_REPLACED
