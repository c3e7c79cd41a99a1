"""Which nodes are meant: ClusterShell's notation, on the nodes of a plan.

`zero[1-3],aplus`, `zero*`, `@workers!zero2`: what clush, nodeset and Slurm understand. The groups `@all`, `@head`,
`@workers`, `@usb`, `@serial` and `@ethernet` come from the plan; groups that this machine's ClusterShell is set up with
play no part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pibramble.errors import UsageError
from pibramble.plan.model import Plan
from pibramble.spec.expand import fold as fold  # noqa: PLC0414 (where names are folded is no matter of the callers)
from pibramble.spec.model import Link

_PLAIN = re.compile(r"[A-Za-z0-9.-]+(,[A-Za-z0-9.-]+)*")


def select(plan: Plan, wanted: str | None, excluded: str | None) -> tuple[str, ...]:
    """Return the names of the nodes that are wanted and not excluded, in the order of the plan.

    Without `wanted` that is every worker. Raises UsageError for a set that cannot be read, for nodes that are not in
    the cluster, and when nobody is left.
    """
    chosen = set(_expand(plan, wanted)) if wanted is not None else {worker.name for worker in plan.workers}
    if excluded is not None:
        chosen -= set(_expand(plan, excluded))
    if not chosen:
        if wanted is None and excluded is None:
            raise UsageError("the cluster has no workers", hint="`-w @head` means the head")
        message = "no node is left" if excluded is not None else f"`{wanted}` means no node"
        raise UsageError(message, hint=f"the cluster's nodes are {fold(node.name for node in plan.nodes)}")
    return tuple(node.name for node in plan.nodes if node.name in chosen)


def groups(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the names that stand behind `@`, and whom they mean."""
    workers = tuple(worker.name for worker in plan.workers)
    kinds = {
        link.value: tuple(worker.name for worker in plan.workers if worker.link and worker.link.kind is link)
        for link in Link
    }
    return {"all": (plan.head.name, *workers), "head": (plan.head.name,), "workers": workers, **kinds}


def _expand(plan: Plan, text: str) -> Sequence[str]:
    if not text.strip():  # as from an unset variable: never to be taken for "all"
        raise UsageError("a set of nodes is empty", hint=f"the cluster's nodes are {fold(n.name for n in plan.nodes)}")
    names = text.split(",") if _PLAIN.fullmatch(text) else _expand_set(plan, text)
    known = {node.name for node in plan.nodes}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"there is no node `{fold(unknown)}` in the cluster", hint=_nearest(plan, unknown[0]))
    return names


def _expand_set(plan: Plan, text: str) -> Sequence[str]:
    from ClusterShell.NodeSet import NodeSet, NodeSetException  # type: ignore[import-untyped]
    from ClusterShell.NodeUtils import GroupResolver, GroupSource, GroupSourceError  # type: ignore[import-untyped]

    members = {name: ",".join(nodes) for name, nodes in groups(plan).items()}
    source = GroupSource("plan", groups=members, allgroups=members["all"])
    for group in re.findall(r"@([\w-]+)", text):
        if group not in members:
            existing = ", ".join(f"@{name}" for name in members)
            raise UsageError(f"there is no group `@{group}`", hint=f"the groups are {existing}")
    try:
        return list(NodeSet(text, resolver=GroupResolver(source)))
    except (NodeSetException, GroupSourceError) as error:
        reason = str(error).rstrip(".")
        raise UsageError(
            f"`{text}` is no set of nodes: {reason}", hint="write it like zero[1-3],aplus or @workers!zero2"
        ) from None


def _nearest(plan: Plan, name: str) -> str:
    import difflib  # only for a typo

    everyone = f"the cluster's nodes are {fold(node.name for node in plan.nodes)}"
    near = difflib.get_close_matches(name, [node.name for node in plan.nodes], n=1)
    return f"did you mean `{near[0]}`? {everyone}" if near else everyone
