"""What a card was made from, in digests: kept beside it, they tell what has changed when it is not today's any more."""

from __future__ import annotations

import hashlib
import json

import attrs

from pibramble.files.model import Keyring
from pibramble.plan.model import NodePlan, Plan, Role
from pibramble.serialise import plain


@attrs.frozen
class Origin:
    """What a card is made from, beside its base and pibramble itself. An empty digest: nobody knows."""

    plan: str = ""
    source: str = ""  # the cluster file's text: the head carries it
    keys: str = ""  # those on this card, by their public halves, and their certificates


class Origins:
    """The origins of one cluster's cards."""

    def __init__(self, plan: Plan, keyring: Keyring) -> None:
        """Work out what all cards share."""
        self._keyring = keyring
        self._shared = Origin(_digest(plain(plan)), _digest(plan.source) if plan.source else "")

    def of(self, node: str) -> Origin:
        """Return what a node's card is made from today."""
        host = self._keyring.hosts[node]
        on_it = [self._keyring.ca_public, self._keyring.user_public, self._keyring.user_certificate]
        return attrs.evolve(self._shared, keys=_digest([*on_it, host.public, host.certificate]))


def same_plan(before: Origin, now: Origin, node: NodePlan) -> bool:
    """Say whether the cluster file has no part in what a card has become since.

    A newer pibramble may make another plan of the same text; another text may be the same plan, but not on the head.
    """
    same_text = bool(before.source) and before.source == now.source
    return same_text or (before.plan == now.plan and (node.role is not Role.HEAD or before.source == now.source))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
