"""From the plan and the keys to what each node's disk must hold: the one place where the concerns come together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pibramble.files import (
    boot,
    console,
    containers,
    firewall,
    gadget,
    gps,
    lean,
    mpi,
    names,
    network,
    ppp,
    registry,
    resolver,
    ssh,
    time,
    users,
)
from pibramble.files.model import Edit, Entry, Keyring, NodeFile, NodeFiles, Symlink
from pibramble.plan.model import NodePlan, Plan, Role
from pibramble.spec.model import Link


def render(plan: Plan, keyring: Keyring, node_name: str) -> NodeFiles:
    """Return one node's files. Raises KeyError for a node that is not in the plan."""
    return Renderer(plan, keyring).node(plan.node(node_name))


def render_all(plan: Plan, keyring: Keyring) -> dict[str, NodeFiles]:
    """Return every node's files, by node name, in the plan's order."""
    renderer = Renderer(plan, keyring)
    return {node.name: renderer.node(node) for node in plan.nodes}


class Renderer:
    """Renders what all nodes share once, and each node's own on demand."""

    def __init__(self, plan: Plan, keyring: Keyring) -> None:
        """Render the shared part; its entries are frozen, so that a thousand nodes can hold the same ones."""
        self._plan = plan
        self._keyring = keyring
        self._everywhere = tuple(_everywhere(plan, keyring))
        self._on_workers = (*self._everywhere, *_on_workers(plan))

    def node(self, node: NodePlan) -> NodeFiles:
        """Return one node's files."""
        shared = self._everywhere if node.role is Role.HEAD else self._on_workers
        entries: list[Entry] = [*shared, names.hostname(node), *ssh.host_key(self._keyring.hosts[node.name])]
        entries += _head(self._plan, self._keyring) if node.role is Role.HEAD else _worker(self._plan, node)
        if node.board.firmware:
            configured = node.link is not None and node.link.console is not None
            entries += [*lean.services(usb_configured=configured), lean.drivers()]
            entries += [users.console(self._plan)] if self._plan.console_login else []
        return _sorted(node.name, entries)


def _everywhere(plan: Plan, keyring: Keyring) -> Iterator[Entry]:
    """Yield what is the same on every node."""
    yield names.hosts(plan)
    yield resolver.resolv_conf(plan)
    yield from resolver.services()
    yield from users.account(plan)
    yield users.folders(plan)
    yield from ssh.authority(plan, keyring)
    yield from ssh.services()
    yield from network.services()
    yield from time.services()
    yield mpi.path_profile()
    yield from containers.engine(plan)


def _on_workers(plan: Plan) -> Iterator[Entry]:
    """Yield what is the same on every worker."""
    yield ssh.daemon(plan, Role.WORKER)


def _head(plan: Plan, keyring: Keyring) -> Iterator[Entry]:
    """Yield what only the head has."""
    yield ssh.daemon(plan, Role.HEAD)
    yield from ssh.user_key(plan, keyring)
    yield ssh.authorized_keys(plan)
    yield ssh.client(plan)
    yield ssh.known_hosts(plan, keyring)
    yield firewall.rules(plan)
    yield firewall.forwarding(plan)
    yield from firewall.services()
    yield from network.head(plan)
    yield from boot.head(plan)
    yield from time.clock(plan, plan.head)
    if plan.gps:
        yield from gps.head(plan, plan.gps)
    yield from registry.head(plan)
    yield mpi.hostfile(plan)
    yield mpi.hydra_profile()
    if plan.serves_consoles:
        yield from console.head(plan)
    if any(worker.link and worker.link.kind is Link.USB for worker in plan.workers):
        yield gadget.head()
    serial = [(worker, worker.link) for worker in plan.workers if worker.link and worker.link.kind is Link.SERIAL]
    if serial:
        yield ppp.unit()
    for worker, link in serial:
        yield from ppp.head(plan, worker, link)


def _worker(plan: Plan, node: NodePlan) -> Iterator[Entry]:
    """Yield what one worker has for itself."""
    yield from boot.worker(plan, node)
    yield from time.clock(plan, node)
    if node.link is None:
        return
    yield from network.worker(plan, node.link, node)
    if node.link.kind is Link.USB:
        if node.link.console:
            yield from gadget.console(node, node.link)
            yield users.waiting_console(plan, gadget.TTY)
        else:
            yield from gadget.worker(node, node.link)
    elif node.link.kind is Link.SERIAL:
        yield ppp.unit()
        yield from ppp.worker(plan, node, node.link)


def _sorted(node: str, entries: Iterable[Entry]) -> NodeFiles:
    """Sort by kind and by path: the same plan gives the same bytes, and a listing reads well."""
    in_order = sorted(entries, key=lambda entry: entry.path)
    return NodeFiles(
        node=node,
        files=tuple(entry for entry in in_order if isinstance(entry, NodeFile)),
        links=tuple(entry for entry in in_order if isinstance(entry, Symlink)),
        edits=tuple(entry for entry in in_order if isinstance(entry, Edit)),
    )
