"""What the verbs of the console share: which ports there are, and the way to the broker."""

from __future__ import annotations

import getpass
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from pibramble.cli.context import Context
from pibramble.errors import NotUpError, PibrambleError, UsageError

if TYPE_CHECKING:
    from click import Context as ClickContext
    from click import Parameter
    from click.shell_completion import CompletionItem

    from pibramble.console.client import Client
    from pibramble.console.model import Port

FOLDER = "console"  # below the cluster's state folder, or below that of all clusters where there is none


@attrs.frozen
class Bench:
    """The serial lines of a cluster, or of a person without one."""

    folder: Path  # of the broker's socket and logs
    ports: tuple[Port, ...]  # without ad hoc ones


def bench(context: Context) -> Bench:
    """Return what the cluster file and its target say; without a cluster file there are devices only."""
    from pibramble.console import ports, profiles

    folder = bench_folder(context)
    if not has_cluster_file(context):
        return Bench(folder, ())
    plan = context.plan
    nodes = context.target.consoles(plan)
    return Bench(folder, (*ports.of_plan(plan, profiles.load), *ports.of_nodes(nodes, profiles.load)))


def bench_folder(context: Context) -> Path:
    """Return the folder of the broker's socket, logs, users and certificates; on the head it is the service's."""
    from pibramble import paths

    if not has_cluster_file(context):
        return paths.state_folder() / FOLDER
    from pibramble.files.console import FOLDER as SERVICE_FOLDER
    from pibramble.targets.whereabouts import is_head

    if context.plan.serves_consoles and is_head(context.plan) and os.path.isdir(SERVICE_FOLDER):  # noqa: PTH112 (raises nothing)
        return Path(SERVICE_FOLDER)
    return context.folder / FOLDER


def has_cluster_file(context: Context) -> bool:
    """Tell whether somebody named a cluster file, or one lies where it is looked for."""
    from pibramble.spec import load
    from pibramble.spec.new import HERE

    named = context.file is not None or load.VARIABLE in os.environ
    return named or any(os.path.exists(place) for place in (HERE, load.ON_A_HEAD))  # noqa: PTH110 (raises nothing)


def keep_lab_consoles(context: Context, wanted: str | None = None) -> None:
    """Start the keeper of the lab's consoles, if a lab is meant and up, and a node or everything wanted.

    Raises MissingError for who may not enter the nodes.
    """
    if not has_cluster_file(context) or wanted not in {None, *(node.name for node in context.plan.nodes)}:
        return
    if context.target.name == "lab":
        from pibramble.targets.lab import consoles

        consoles.ensure(context.folder, context.plan.user)


@asynccontextmanager
async def connected(
    found: Bench, client: Client, wanted: str, profile: str | None = None, settings: str | None = None
) -> AsyncIterator[str]:
    """Connect the client to the broker, or to what is wanted served in this process; give the port's name.

    `wanted` is a port's name, or a device's path. Raises UsageError, and what keeps the device from being opened.
    """
    from pibramble.console.client import connect, in_process

    try:
        await connect(found.folder, client)
    except NotUpError:
        async with in_process(found.folder, [one] if (one := _port(found.ports, wanted)) else [], client):
            yield one.name if one else await client.open_device(wanted, profile, settings)
        return
    try:
        named = {status.name for status in await client.ports()}
        is_name = wanted in named or "/" not in wanted
        yield wanted if is_name else await client.open_device(wanted, profile, settings)
    finally:
        client.close()


def _port(ports: Sequence[Port], wanted: str) -> Port | None:
    """Return the port of that name, or None for a device. Raises UsageError."""
    found = next((port for port in ports if wanted in {port.name, port.device}), None)
    if found is None and "/" not in wanted:
        from pibramble.spec.findings import did_you_mean

        names = [port.name for port in ports]
        known = (
            f"there are {', '.join(names)}"
            if names
            else "the cluster file has none; a path opens a device: /dev/ttyUSB0"
        )
        raise UsageError(f'there is no port "{wanted}"', hint=did_you_mean(wanted, names, known))
    return found


def who() -> str:
    """Return what the others at a line see of us."""
    try:
        return f"{getpass.getuser()} in the shell"
    except (KeyError, OSError):  # a number that has no name
        return f"{os.getuid()} in the shell"


def complete_port(ctx: ClickContext, _param: Parameter | None, incomplete: str) -> list[CompletionItem]:
    """Offer the ports of the cluster file, and the serial devices that are plugged in."""
    from click.shell_completion import CompletionItem

    try:
        names = [port.name for port in bench(Context(file=ctx.find_root().params.get("file"), quiet=True)).ports]
    except PibrambleError:
        names = []
    devices = [str(path) for folder in ("by-path", "by-id") for path in sorted(Path("/dev/serial", folder).glob("*"))]
    return [CompletionItem(name) for name in (*names, *devices) if name.startswith(incomplete)]
