"""The rendering as a whole: all of it, the same every time, and fast."""

from __future__ import annotations

import os
import time
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from pibramble.files.model import HostKey, Keyring, NodeFiles
from pibramble.files.render import render, render_all
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ClusterSection, Link, WorkerGroup
from tests.unit.files import disks
from tests.unit.files.disks import Disks

GOLDEN = Path(__file__).parents[2] / "golden" / "files"


def toy_keys(plan: Plan) -> Keyring:
    """Return a keyring whose texts are the same in every run."""
    hosts = {
        node.name: HostKey(f"{node.name} private\n", f"{node.name} public\n", "certificate\n") for node in plan.nodes
    }
    return Keyring("ssh-ed25519 AUTHORITY pibramble\n", "user private\n", "user public\n", "user certificate\n", hosts)


def as_text(node: NodeFiles) -> str:
    """Return everything that is rendered for a node."""
    parts = [f"=== {file.path} {file.mode:04o} {file.owner}\n{file.content}" for file in node.files]
    parts += [f"=== {link.path} -> {link.target}\n" for link in node.links]
    for edit in node.edits:
        lines = [*(f"- {pattern}" for pattern in edit.remove), *(f"+ {item!r}" for item in edit.add)]
        parts.append("\n".join([f"=== {edit.path} changed", *lines]) + "\n")
    return "".join(parts)


@pytest.mark.parametrize("node", ["head", "zero1", "aplus", "four"])
def test_the_files_of_a_node_with_each_kind_of_wire(node: str) -> None:
    plan = resolve(disks.CLUSTER)
    text = as_text(render(plan, toy_keys(plan), node))
    golden = GOLDEN / f"{node}.txt"
    if os.environ.get("PIBRAMBLE_REGENERATE"):
        golden.write_text(text)
    assert text == golden.read_text(), "PIBRAMBLE_REGENERATE=1 accepts the new files"


def test_one_node_alone_is_rendered_as_it_is_among_all(disk: Disks) -> None:
    for name, node in disk.nodes.items():
        assert render(disk.plan, disk.keyring, name) == node


def test_a_node_that_is_not_planned_is_a_key_error(disk: Disks) -> None:
    with pytest.raises(KeyError):
        render(disk.plan, disk.keyring, "nobody")


def test_no_path_is_given_twice(disk: Disks) -> None:
    for node in disk.nodes.values():
        paths = [entry.path for entry in node.entries]
        assert len(paths) == len(set(paths))
        assert all(path.startswith("/") and ".." not in path for path in paths)


def test_every_file_says_why_and_ends_its_last_line(disk: Disks) -> None:
    for node in disk.nodes.values():
        assert all(entry.why for entry in node.entries)
        assert not [file.path for file in node.files if file.content and not file.content.endswith("\n")]


def seconds(count: int, link: Link) -> float:
    ports = f"/dev/ttyUSB[1-{count}]" if link is Link.SERIAL else None
    cluster = Cluster(
        cluster=ClusterSection(subnet=IPv4Network("10.0.0.0/16")),
        workers=(WorkerGroup(name=f"n[1-{count}]", link=link, head_port=ports),),
    )
    keyring = toy_keys(resolve(cluster))
    began = time.process_time()
    rendered = render_all(resolve(cluster), keyring)
    assert len(rendered) == count + 1
    return time.process_time() - began


@pytest.mark.parametrize("link", [Link.USB, Link.SERIAL])
def test_a_thousand_nodes_are_planned_and_rendered_in_two_seconds_and_in_proportion(link: Link) -> None:
    seconds(10, link)  # imports
    quarter, whole = (min(seconds(count, link) for _ in range(3)) for count in (250, 1000))
    assert whole < 2
    assert whole < 8 * quarter  # four times the nodes; quadratic would be sixteen
