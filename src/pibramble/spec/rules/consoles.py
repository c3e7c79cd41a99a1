"""Rules on the serial lines of the console: each has a name and a device of its own, and a profile that there is."""

from __future__ import annotations

from collections.abc import Iterator

from pibramble.console import profiles as console_profiles
from pibramble.console.model import Settings
from pibramble.errors import PibrambleError
from pibramble.spec.expand import uart_of
from pibramble.spec.findings import Finding, Severity, did_you_mean, listed
from pibramble.spec.locate import Path
from pibramble.spec.model import Link
from pibramble.spec.rules.links import device
from pibramble.spec.rules.names import label_wrong
from pibramble.spec.rules.view import View, WorkerView

LOWEST_TCP_PORT, HIGHEST_TCP_PORT = 1024, 65535  # below 1024 only root may listen


def names(view: View) -> Iterator[Finding]:
    """Check that every console has a name of its own, or that of the worker whose UART it is."""
    workers = {worker.name: worker for worker in view.workers}
    seen: dict[str, Path] = {}
    for number, section in enumerate(view.cluster.consoles):
        path: Path = ("consoles", number, "name")
        if wrong := label_wrong(section.name):
            yield Finding("console-name", path, f'the console\'s name "{section.name}" {wrong}', 'for example "sw1"')
        elif section.name == view.cluster.head.name.lower():
            message = f'the name "{section.name}" is the head\'s, whose own console does not end at itself'
            yield Finding("console-name", path, message, 'another name, as "uart1"', rests_on=(("head", "name"),))
        elif (worker := workers.get(section.name)) and (found := _no_uart(worker, path)):
            yield found
        elif first := seen.get(section.name):
            message = f'the name "{section.name}" is given twice: another console has it too'
            yield Finding("console-name", path, message, "give every console a name of its own", rests_on=(first,))
        seen.setdefault(section.name, path)


def _no_uart(worker: WorkerView, path: Path) -> Finding | None:
    """Return why a worker's name cannot stand for its UART: its console is elsewhere, or the UART has other work."""
    board = worker.of.board
    if worker.of.link is Link.USB and worker.of.group.usb_console:
        message = f'"{worker.name}" has its console on its USB cable (usb_console), and that has its name'
        cure = f'leave usb_console out, or call its UART something else, as "{worker.name}-uart"'
        return Finding("console-name", path, message, cure, rests_on=(worker.of.path("usb_console"),))
    if worker.of.link is Link.SERIAL and board and board.uarts and worker.worker_port == board.uarts[0].device:
        message = f'"{worker.name}" has its link on its UART, {worker.worker_port}: no console is there'
        return Finding("console-name", path, message, "another link, or no console", rests_on=(worker.of.path("link"),))
    return None


def ports(view: View) -> Iterator[Finding]:
    """Check that every console has a device, and has it alone."""
    taken = dict(_taken(view))
    for number, section in enumerate(view.cluster.consoles):
        path: Path = ("consoles", number, "port")
        if found := device(section.port, view.head_board, path, "console_port"):
            yield found
            continue
        for other, (owner, place) in taken.items():
            if other == section.port:
                message = f'the port "{section.port}" is given twice: {owner} is on it too'
            elif pins := _shared_pins(view, section.port, other):
                message = f'"{section.port}" comes out of the same pins of the head, {pins}, as "{other}" of {owner}'
            else:
                continue
            cure = "a console needs a line of its own; a USB adapter is one"
            yield Finding("duplicate-port", path, message, cure, rests_on=(place,))
            break
        taken.setdefault(section.port, (f'the console "{section.name}"', path))


def profiles(view: View) -> Iterator[Finding]:
    """Check that every console's profile is there and can be read, and its speed and framing can be understood."""
    known = console_profiles.names()
    for number, section in enumerate(view.cluster.consoles):
        path: Path = ("consoles", number, "profile")
        if section.profile is None:
            pass
        elif section.profile not in known:
            cure = did_you_mean(section.profile, known, f"there are {listed(known)}")
            yield Finding("unknown-profile", path, f'there is no profile "{section.profile}"', cure)
        else:
            try:
                console_profiles.load(section.profile)
            except PibrambleError as error:
                message = f'the profile "{section.profile}" cannot be used'
                yield Finding("unknown-profile", path, message, str(error), Severity.ERROR)
        try:
            if section.settings:
                Settings.parse(section.settings)
        except ValueError as error:
            yield Finding("console-settings", ("consoles", number, "settings"), str(error))


def tcp_ports(view: View) -> Iterator[Finding]:
    """Check that every TCP port is one that no privilege is needed for, and belongs to one console alone."""
    seen: dict[int, Path] = {}
    for number, section in enumerate(view.cluster.consoles):
        path: Path = ("consoles", number, "tcp_port")
        if section.tcp_port is None:
            continue
        if not LOWEST_TCP_PORT <= section.tcp_port <= HIGHEST_TCP_PORT:
            message = f"the TCP port {section.tcp_port} cannot be used"
            yield Finding("tcp-port", path, message, f"one from {LOWEST_TCP_PORT} to {HIGHEST_TCP_PORT}, as 7001")
        elif first := seen.get(section.tcp_port):
            message = f"the TCP port {section.tcp_port} is given twice: another console has it too"
            yield Finding("tcp-port", path, message, "give every console a port of its own", rests_on=(first,))
        seen.setdefault(section.tcp_port, path)


def _taken(view: View) -> Iterator[tuple[str, tuple[str, Path]]]:
    """Yield the head's serial devices that something else is on, what that is, and where it is said."""
    for worker in view.linked(Link.SERIAL):
        if worker.head_port:
            yield worker.head_port, (f"the link to {worker.name}", worker.value_path("head_port"))
    if view.cluster.gps is not None:
        yield view.cluster.gps.port, ("the GPS receiver", ("gps", "port"))


def _shared_pins(view: View, one: str, other: str) -> str:
    """Return which pins of the head two of its own UARTs share, in words."""
    if view.head_board is None:
        return ""
    ours, theirs = uart_of(view.head_board, one), uart_of(view.head_board, other)
    if ours is None or theirs is None or not ours.pins or ours.pins != theirs.pins:
        return ""
    return " and ".join(map(str, ours.pins))
