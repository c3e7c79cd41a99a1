"""What the verbs of the console share: which ports there are, and the way to the broker."""

from __future__ import annotations

import getpass
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import attrs

from pibramble.cli.context import Context
from pibramble.errors import NotUpError, PibrambleError, UsageError

if TYPE_CHECKING:
    from click import Context as ClickContext
    from click import Parameter
    from click.shell_completion import CompletionItem

    from pibramble.console.client import Client
    from pibramble.console.messages import PortStatus
    from pibramble.console.model import Port, Settings

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
    return Bench(folder, ports.of_plan(plan, nodes, profiles.load))


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

    `wanted` is a port's name, or a device's path. A line that a broker serves keeps its profile; other settings for it
    are the caller's to ask for. Raises UsageError, and what keeps the device from being opened.
    """
    from pibramble.console.client import connect, in_process

    asked = parsed(settings)
    try:
        await connect(found.folder, client)
    except NotUpError:
        one = _found(found.ports, wanted)
        async with in_process(found.folder, [_as_asked(one, profile, asked)] if one else [], client):
            yield one.name if one else await client.open_device(wanted, profile, settings)
        return
    try:
        served = _found(await client.ports(), wanted)
        if served is not None and profile not in {None, served.profile}:
            raise UsageError(
                f'a broker serves {served.name} with the profile "{served.profile}"',
                hint=f'--profile is for a line that nobody serves; for this one: profile = "{profile}" in its '
                "[[consoles]], and the broker started anew",
            )
        yield served.name if served else await client.open_device(wanted, profile, settings)
    finally:
        client.close()


def parsed(settings: str | None) -> Settings | None:
    """Return what `--settings` says. Raises UsageError."""
    from pibramble.console.model import Settings

    try:
        return Settings.parse(settings) if settings is not None else None
    except ValueError as error:
        raise UsageError(f"--settings: {error}") from None


_Port = TypeVar("_Port", "Port", "PortStatus")


def _found(ports: Sequence[_Port], wanted: str) -> _Port | None:
    """Return the port of that name or device, or None for a device that no port has. Raises UsageError."""
    from pibramble.console.broker import same_device

    is_path = "/" in wanted
    found = next(
        (port for port in ports if port.name == wanted or (is_path and same_device(port.device, wanted))), None
    )
    if found is None and not is_path:
        from pibramble.spec.findings import did_you_mean

        names = [port.name for port in ports]
        known = f"there are {', '.join(names)}" if names else "there are none; a path opens a device: /dev/ttyUSB0"
        raise UsageError(f'there is no port "{wanted}"', hint=did_you_mean(wanted, names, known))
    return found


def _as_asked(port: Port, profile: str | None, settings: Settings | None) -> Port:
    """Return a port with another profile and other settings; settings of its own outlive another profile."""
    from pibramble.console import profiles

    if profile is not None:
        by_profile = profiles.load(port.profile).settings
        kept = profiles.load(profile).settings if port.settings == by_profile else port.settings
        port = attrs.evolve(port, profile=profile, settings=kept)
    return attrs.evolve(port, settings=settings) if settings is not None else port


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
