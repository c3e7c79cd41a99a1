"""Whether the nodes of one cluster will understand each other, said before their cards are made."""

from __future__ import annotations

from collections.abc import Mapping

from pibramble.cards.base import Base
from pibramble.cards.systems import RASPIOS
from pibramble.errors import PibrambleError
from pibramble.operate.nodeset import fold

_DIFFERENT = "the cards' MPICHs could not talk to each other: the version must be the same on all nodes"


def check(bases: Mapping[str, Base]) -> None:
    """Raise PibrambleError where the bases, by node, have different MPICHs: `pibramble run` would refuse to start."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for node, base in bases.items():
        kinds.setdefault((base.mpich, base.key), []).append(node)
    if len({version for version, _ in kinds if version}) <= 1:
        return
    table = [f"MPICH {version:8} {fold(nodes)} (over {key})" for (version, key), nodes in sorted(kinds.items())]
    if any(key.startswith(RASPIOS) for _, key in kinds):
        cure = "take one system in one release for all nodes: `image` in [cards], or none at all"
        raise PibrambleError(_DIFFERENT, hint="\n".join([*table, cure]))
    folder = next(iter(bases.values())).folder.parent
    cure = f"remove the older base, as with `rm -r {folder}/KEY`; the next `pibramble card build` makes it anew"
    raise PibrambleError(_DIFFERENT, hint="\n".join([*table, cure]))
