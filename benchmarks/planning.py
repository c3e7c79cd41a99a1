"""Planning and rendering 250, 500 and 1,000 nodes: how long, and whether it grows linearly.

Timed is a process of its own from start to end: it reads the cluster file, resolves it and renders all node files. Keys
are given: every node gets a copy of one, since making them is ssh-keygen's work, once in a cluster's life.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

from common import Row, alone, alternate, cluster_file, seconds

_SIZES = (250, 500, 1000)
_ROUNDS = 5
_GOAL_S = 2.0


def plan_and_render(path: str) -> None:
    """Do once what is timed."""
    from pibramble.files.model import HostKey, Keyring
    from pibramble.files.render import render_all
    from pibramble.plan.resolve import resolve
    from pibramble.spec import load

    plan = resolve(load.load(Path(path)).cluster)
    key = "x" * 400  # as long as an Ed25519 key file
    host = HostKey(key, key, key)
    render_all(plan, Keyring(key, key, key, key, {node.name: host for node in plan.nodes}))


def measure() -> list[Row]:
    """Return the table's rows."""
    with tempfile.TemporaryDirectory(prefix="pibramble-bench-") as name:
        files = {size: str(cluster_file(Path(name), size - 1)) for size in _SIZES}

        def once(size: int) -> float:
            return seconds([sys.executable, __file__, files[size]])

        taken = alternate({f"plan and render {size} nodes": partial(once, size) for size in _SIZES}, _ROUNDS)
    *smaller, largest = taken.values()
    return [*(Row(one.name, one) for one in smaller), Row(largest.name, largest, goal_most=_GOAL_S)]


if __name__ == "__main__":
    if sys.argv[1:]:
        plan_and_render(sys.argv[1])
    else:
        alone(measure)
