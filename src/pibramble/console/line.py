"""One serial line: who watches, who writes, how it is. The one class that sockets, pages and programs talk to."""

from __future__ import annotations

from typing import Protocol

from pibramble.console.messages import Event
from pibramble.errors import BusyError


class NotWriterError(BusyError):
    """Somebody writes who has not taken control, or has lost it."""


class Viewer(Protocol):
    """One that watches a line: a client's connection, a page, a program."""

    @property
    def name(self) -> str:
        """Return who it is, for the others: "ada in the shell"."""
        ...

    @property
    def may_write(self) -> bool:
        """Tell whether it may take control at all."""
        ...

    def deliver(self, data: bytes) -> None:
        """Take bytes of the line. Must not block: `backlog.Backlog` queues, bounded."""
        ...

    def notice(self, event: Event) -> None:
        """Take an event. Must not block."""
        ...


# What `Line` offers (it follows with its first test):
#
#   port: Port; profile: Profile; settings: Settings; state: State; reason: str
#   writer: Viewer | None; viewers: tuple[Viewer, ...]; last_line: str; status: messages.PortStatus
#   attach(viewer) -> bytes               the restoring bytes, for a terminal that was just reset
#   detach(viewer) -> None
#   take_control(viewer) -> None          raises NotWriterError for a viewer that may only read
#   release(viewer) -> None
#   async write(viewer, data) -> None     raises NotWriterError, LineError; awaits while the device is full; cancellable
#   async send_break(viewer, seconds: float | None = None) -> None
#   async change(viewer, settings) -> None
#   async press(viewer, button: str) -> None     runs `buttons.run`
#   subscribe() -> contextmanager of an AsyncIterator[bytes]: what the device sends from now on
