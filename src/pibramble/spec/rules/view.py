"""The cluster as the rules look at it: expanded as far as it can be, with gaps where it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import attrs

from pibramble.catalog.load import boards
from pibramble.catalog.model import Board
from pibramble.spec.expand import RangeError, default_link, expand_names, head_ports
from pibramble.spec.locate import Path
from pibramble.spec.model import Cluster, Link, NodeOverride, WorkerGroup


@attrs.frozen
class GroupView:
    """One [[workers]]; None stands for what cannot be known because the file is wrong there."""

    index: int
    group: WorkerGroup
    board: Board | None
    link: Link | None
    names: tuple[str, ...] | None
    names_wrong: str  # why the range of names cannot be expanded
    ports: tuple[str | None, ...] | None  # one to one with the names
    ports_wrong: str

    def path(self, key: str = "") -> Path:
        """Return the path of a key of this group; of the table itself where the file does not have the key."""
        return ("workers", self.index, key) if key and getattr(self.group, key) is not None else ("workers", self.index)


@attrs.frozen
class WorkerView:
    """One worker of a group."""

    name: str
    number: int  # in its group, from 0
    of: GroupView
    own: NodeOverride | None

    def value_path(self, key: str) -> Path:
        """Return the path of the value that holds for this worker: its override's, else its group's."""
        if self.own is not None and getattr(self.own, key) is not None:
            return ("nodes", self.name, key)
        return self.of.path(key)

    @property
    def head_port(self) -> str | None:
        """Return the head's end of its wire, where one is given."""
        if self.own is not None and self.own.head_port:
            return self.own.head_port
        return self.of.ports[self.number] if self.of.ports else None

    @property
    def worker_port(self) -> str | None:
        """Return its own serial device: given, or its board's first."""
        given = (self.own.worker_port if self.own else None) or self.of.group.worker_port
        return given or (self.of.board.uarts[0].device if self.of.board and self.of.board.uarts else None)

    @property
    def baud(self) -> int | None:
        """Return the speed that is given for its serial link."""
        own = self.own.baud if self.own else None
        return own if own is not None else self.of.group.baud


class View:
    """What all rules share; worked out once."""

    def __init__(self, cluster: Cluster) -> None:
        """Look at a cluster."""
        self.cluster = cluster
        self.boards: Mapping[str, Board] = boards(cluster.catalog)
        self.head_board = self.boards.get(cluster.head.board)

    @cached_property
    def groups(self) -> tuple[GroupView, ...]:
        """Return all groups."""
        return tuple(self._group(index, group) for index, group in enumerate(self.cluster.workers))

    @cached_property
    def workers(self) -> tuple[WorkerView, ...]:
        """Return all workers whose names can be told."""
        overrides = self.cluster.nodes
        return tuple(
            WorkerView(name, number, group, overrides.get(name))
            for group in self.groups
            for number, name in enumerate(group.names or ())
        )

    def linked(self, link: Link) -> Iterator[WorkerView]:
        """Return the workers with such a wire."""
        return (worker for worker in self.workers if worker.of.link is link)

    def _group(self, index: int, group: WorkerGroup) -> GroupView:
        board = self.boards.get(group.board)
        link = group.link or (default_link(board) if board else None)
        names, names_wrong = None, ""
        try:
            names = expand_names(group.name)
        except RangeError as error:
            names_wrong = str(error)
        ports, ports_wrong = None, ""
        if names is not None and link is not None:
            try:
                ports = tuple(head_ports(group, link, len(names)))
            except RangeError as error:
                ports_wrong = str(error)
        return GroupView(index, group, board, link, names, names_wrong, ports, ports_wrong)
