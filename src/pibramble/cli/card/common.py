"""What the verbs of `pibramble card` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pibramble.cli.context import Context
from pibramble.errors import UsageError

if TYPE_CHECKING:
    from pibramble.cards.store import Store
    from pibramble.plan.model import NodePlan

_MB = 1_000_000


def store(context: Context) -> Store:
    """Return the store of the cluster's cards."""
    from pibramble.cards.store import Store

    return Store(context.folder)


def node_with_card(context: Context, name: str) -> NodePlan:
    """Return the node of that name. Raises UsageError when there is none, or when it starts from no card."""
    from pibramble.operate.nodeset import select

    chosen = select(context.plan, name, None)
    if len(chosen) != 1:
        raise UsageError(f"`{name}` means {len(chosen)} nodes; this is for one card at a time")
    return with_cards(context, chosen)[0]


def with_cards(context: Context, names: Sequence[str]) -> list[NodePlan]:
    """Return the nodes of these names, all of which must start from a card. Raises UsageError."""
    nodes = [context.plan.node(name) for name in names]
    if without := next((node for node in nodes if not node.board.firmware), None):
        message = f"{without.name} is a {without.board.name}, which starts from no card"
        raise UsageError(message, hint=f"`pibramble files {without.name} --into FOLDER` writes its files")
    return nodes


def megabytes(size: int) -> str:
    """Return a size for people."""
    return f"{size / _MB:.2g} MB" if size < 10 * _MB else f"{size / _MB:,.0f} MB"
