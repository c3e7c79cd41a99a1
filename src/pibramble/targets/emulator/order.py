"""What the keeper is told to keep, and what it answers: the messages between the command and the keeper."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from pibramble.serialise import plain


@attrs.frozen
class NodeOrder:
    """One node's machine."""

    argv: tuple[str, ...]
    log: str  # of its console
    errors: str  # where QEMU's own complaints go


@attrs.frozen
class LineOrder:
    """One serial link."""

    head_socket: str
    worker_socket: str
    baud: int | None  # None: not paced


@attrs.frozen
class Order:
    """All that the keeper needs."""

    nodes: Mapping[str, NodeOrder]
    lines: Mapping[str, LineOrder]  # by worker
    control: str  # the keeper's own socket
    cables_fd: int  # a listening socket for the USB cables, handed down
    token: str
    cables: tuple[str, ...] = ()  # the workers at their ends

    def text(self) -> str:
        """Return it for the keeper's standard input."""
        return json.dumps(plain(self))

    @classmethod
    def read(cls, text: str) -> Order:
        """Read it."""
        data: dict[str, Any] = json.loads(text)
        nodes = {
            name: NodeOrder(**{**facts, "argv": tuple(facts["argv"])}) for name, facts in data.pop("nodes").items()
        }
        lines = {name: LineOrder(**facts) for name, facts in data.pop("lines").items()}
        return cls(nodes=nodes, lines=lines, cables=tuple(data.pop("cables")), **data)


@attrs.frozen
class NodeFacts:
    """What the keeper says of a node."""

    running: bool
    starts: int  # how often it was started, reboots included
    ended: str = ""  # why it is not running
    busy_s: float = attrs.field(default=0.0, eq=False)  # the processor time that its QEMU has had since it started


@attrs.frozen
class LinkFacts:
    """What the keeper says of a link."""

    joined: bool
    to_worker_bytes: int | None = None  # serial: what has passed
    to_head_bytes: int | None = None
    lost_bytes: int | None = None
    plugged: int = 0  # how often both ends came together
    vain: int | None = None  # usb: how often of these the head's kernel made no interface of it


@attrs.frozen
class Facts:
    """What the keeper says of everything."""

    nodes: Mapping[str, NodeFacts]
    links: Mapping[str, LinkFacts]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Facts:
        """Read an answer."""
        return cls(
            nodes={name: NodeFacts(**facts) for name, facts in data["nodes"].items()},
            links={name: LinkFacts(**facts) for name, facts in data["links"].items()},
        )


def socket_paths(sockets: Path, worker: str) -> tuple[str, str]:
    """Return the sockets of both ends of a serial link, the head's first."""
    return str(sockets / f"{worker}.head"), str(sockets / f"{worker}.worker")
