"""Every serial line of the bench, in one process: opened once each, and served to whoever comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pibramble.console import profiles
from pibramble.console.device import Device, open_device
from pibramble.console.line import Line
from pibramble.console.messages import Event
from pibramble.console.model import SOCKET_PREFIX, Port, Profile, Settings, Source, State
from pibramble.errors import BusyError, NotUpError, PibrambleError, UsageError

DEFAULT_PROFILE = "raw"
LOGS = "logs"  # below the broker's folder: a folder for each line


class Broker:
    """All lines by their names, in the order of the cluster file."""

    def __init__(
        self,
        folder: Path,
        *,
        load_profile: Callable[[str], Profile] = profiles.load,
        opener: Callable[[Port, Settings], Device] = open_device,
    ) -> None:
        """Serve nothing yet; `folder` holds the logs, a folder for each line."""
        self.folder = folder
        self._load_profile, self._opener = load_profile, opener
        self._lines: dict[str, Line] = {}
        self._listeners: list[Callable[[Event], None]] = []

    @property
    def lines(self) -> Mapping[str, Line]:
        """Return all lines."""
        return self._lines

    def line(self, name: str) -> Line:
        """Return a line by its name. Raises UsageError."""
        if name not in self._lines:
            known = ", ".join(self._lines) or "none"
            raise UsageError(
                f'there is no port "{name}"', hint=f"there are: {known}; a path opens a device: /dev/ttyUSB0"
            )
        return self._lines[name]

    def serve(self, ports: Iterable[Port]) -> None:
        """Open these ports, and look for those whose device is not there. Raises ProfileError, UnknownProfileError."""
        made = [self._make(port) for port in ports]  # all of them or none
        for line in made:
            self._lines[line.port.name] = line
            line.start()

    def open_device(self, device: str, profile: str | None = None, settings: Settings | None = None) -> Line:
        """Serve a device that no port has, and return its line; one that is served already is that one.

        Raises UsageError, UnknownProfileError, or the reason why it cannot be opened.
        """
        for line in self._lines.values():
            if same_device(line.port.device, device):
                if settings is not None and settings != line.settings:
                    raise UsageError(
                        f"{device} is served as {line.port.name} at {line.settings}",
                        hint="change the speed in the console's menu: Ctrl-] s",
                    )
                return line
        chosen = self._load_profile(profile or DEFAULT_PROFILE)
        port = Port(self._free_name(device), device, chosen.name, settings or chosen.settings, Source.AD_HOC)
        line = self._make(port)
        line.start()
        if line.state is not State.OPEN:
            state, reason = line.state, line.reason
            line.abandon()
            if state is State.BUSY:
                raise BusyError(reason)
            refused = NotUpError if state is State.ABSENT else PibrambleError
            raise refused(reason, hint="`ls /dev/serial/by-path/` lists what is plugged in")
        self._lines[port.name] = line
        return line

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Tell somebody every line's events; the function that is returned ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def close(self) -> None:
        """Let go of all devices."""
        await asyncio.gather(*(line.close() for line in self._lines.values()))
        self._lines.clear()

    def _make(self, port: Port) -> Line:
        profile = self._load_profile(port.profile)
        return Line(port, profile, self.folder / LOGS / port.name, opener=self._opener, listener=self._tell)

    def _tell(self, event: Event) -> None:
        for listener in list(self._listeners):
            listener(event)

    def _free_name(self, device: str) -> str:
        path = Path(device.removeprefix(SOCKET_PREFIX))
        stem = path.resolve().name if path.parent.parent == Path("/dev/serial") else path.name
        if path.parent.name == "pts":
            stem = f"pts{stem}"
        name, number = stem, 1
        while name in self._lines:
            number += 1
            name = f"{stem}-{number}"
        return name


def same_device(one: str, other: str) -> bool:
    """Tell whether two paths are one device, as names in /dev/serial are links."""
    return one == other or (Path(one).exists() and Path(one).resolve() == Path(other).resolve())
