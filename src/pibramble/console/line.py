"""One serial line: opened once, watched by many, written by one. What sockets, pages and programs talk to.

Everything happens on the event loop's thread, and nothing waits for a viewer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from pibramble.console.device import Device, DeviceError, open_device
from pibramble.console.ear import Ear
from pibramble.console.history import History
from pibramble.console.log import Log
from pibramble.console.log import last_line as logged_line
from pibramble.console.messages import (
    ErrorCounts,
    Event,
    Notice,
    PortStatus,
    SettingsChanged,
    StateChanged,
    ViewersChanged,
    WriterChanged,
)
from pibramble.console.model import Port, Profile, Settings, State
from pibramble.errors import BusyError, PibrambleError, UsageError

LOOK_SECONDS = 0.5  # between two looks for a device that is not there
RETRY_SECONDS = 2.0  # between two tries at one that would not open
QUIET_SECONDS = 1.0  # after which an unfinished line is logged even if it may hold a secret

MOST_READS = 8  # in a row from one line, before the others have their turn
_FULL_READ_BYTES = 1024  # so much at once: there is probably more
WRITE_BYTES = 4096  # at once; whoever loses control stops at such a boundary
_BREAK_SLACK_SECONDS = 0.2  # so much longer does no harm: Cisco's ROM monitor takes up to half a second
LONGEST_DRAIN_SECONDS = 2.0  # before a break, or a paste's next line; then it is sent all the same


class NotWriterError(BusyError):
    """Somebody writes who has not taken control, or has lost it."""


class LineError(PibrambleError):
    """A line cannot be used now: its device is not there."""


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

    async def ask(self, question: str) -> bool:
        """Ask the person, and return whether the answer was yes."""
        ...


class Line:
    """A port that is served."""

    def __init__(
        self,
        port: Port,
        profile: Profile,
        log_folder: Path,
        *,
        opener: Callable[[Port, Settings], Device] = open_device,
        listener: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        """Make it; `start` opens it. `listener` hears every event, whoever watches."""
        self.port, self.profile, self.settings = port, profile, port.settings
        self.state, self.reason = State.ABSENT, "not looked for yet"
        self.writer: Viewer | None = None
        self.history = History()
        self._logged_line = ""  # the last one that the log had before we came
        self._viewers: list[Viewer] = []
        self._ears: list[Ear] = []
        self._opener, self._listener = opener, listener
        self._log = Log(log_folder, trouble=self._log_trouble)
        self._device: Device | None = None
        self._writing = asyncio.Lock()
        self._room: asyncio.Future[None] | None = None  # somebody waits until the device takes more
        self._timer: asyncio.TimerHandle | None = None
        self._quiet: asyncio.TimerHandle | None = None
        self._redrawing: asyncio.Task[None] | None = None

    @property
    def viewers(self) -> tuple[Viewer, ...]:
        """Return who watches."""
        return tuple(self._viewers)

    @property
    def last_line(self) -> str:
        """Return the last line with something on it."""
        return self.history.last_line

    @property
    def log_path(self) -> Path:
        """Return the log file."""
        return self._log.path

    @property
    def descriptor(self) -> int | None:
        """Return the open device's descriptor, for what only a tty has (`modem`); None while there is none."""
        return self._device.fileno() if self._device is not None else None

    @property
    def unsent(self) -> int:
        """Return how many bytes the device has taken and not sent yet."""
        return self._device.unsent() if self._device is not None else 0

    @property
    def error_counts(self) -> ErrorCounts:
        """Return what the device's driver has counted."""
        from pibramble.console import modem

        counts = modem.counts(self._device.fileno()) if self._device is not None else None
        if counts is None:
            return ErrorCounts(known=False)
        return ErrorCounts(
            known=True,
            framing_errors=counts.framing_errors,
            parity_errors=counts.parity_errors,
            overruns=counts.overruns + counts.buffer_overruns,
            breaks=counts.breaks,
        )

    @property
    def status(self) -> PortStatus:
        """Return how the port is."""
        return PortStatus(
            name=self.port.name,
            device=self.port.device,
            profile=self.profile.name,
            settings=str(self.settings),
            source=self.port.source,
            state=self.state,
            reason=self.reason,
            viewers=tuple(viewer.name for viewer in self._viewers),
            writer=self.writer.name if self.writer else None,
            last_line=self.last_line,
            log=str(self.log_path),
            logged_line=self._logged_line,
        )

    # --- The device comes and goes ---

    def start(self) -> None:
        """Open the device, or look for it until it is there."""
        self._logged_line = logged_line(self._log.path.parent)
        self._log.resume()
        self._open()

    async def close(self) -> None:
        """Let go of the device; viewers hear no more of it."""
        for timer in (self._timer, self._quiet):
            if timer is not None:
                timer.cancel()
        if self._redrawing is not None:
            self._redrawing.cancel()
            with suppress(asyncio.CancelledError):
                await self._redrawing
        if self._device is not None:
            self._shut()
            self._log.mark("closed")
        self._log.close()
        for ear in self._ears:
            ear.fail(LineError(f"{self.port.name} was closed"))

    def abandon(self) -> None:
        """Forget a device that could not be opened."""
        if self._timer is not None:
            self._timer.cancel()
        self._log.close()

    def _open(self) -> None:
        self._timer = None
        try:
            device = self._opener(self.port, self.settings)
        except DeviceError as error:
            self._become(error.state, error.message)
            self._look_later()
            return
        self._device = device
        asyncio.get_running_loop().add_reader(device.fileno(), self._readable)
        self._log.mark(f"opened {self.port.device} at {self.settings}")
        self._become(State.OPEN, "")

    def _look_later(self) -> None:
        seconds = LOOK_SECONDS if self.state is State.ABSENT else RETRY_SECONDS
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        path = self.port.socket or self.port.device
        if self.state is State.ABSENT and not Path(path).exists():
            self._look_later()  # cheaper than opening, and says nothing to anybody
        else:
            self._open()

    def _gone(self, why: str) -> None:
        self._shut()
        self._log.mark(f"lost {self.port.device}: {why}")
        self._become(State.ABSENT, f"{self.port.device}: {why}")
        self._look_later()

    def _shut(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(device.fileno())
            loop.remove_writer(device.fileno())
            device.close()
        if self._room is not None and not self._room.done():
            self._room.set_exception(self._absent())

    def _become(self, state: State, reason: str) -> None:
        if (state, reason) != (self.state, self.reason):
            self.state, self.reason = state, reason
            self._tell(StateChanged(self.port.name, state, reason))

    # --- Reading ---

    def _readable(self) -> None:
        """Take what has come, in blocks."""
        device, blocks, end = self._device, [], ""
        if device is None:
            return
        for _ in range(MOST_READS):
            try:
                block = device.read()
            except BlockingIOError:
                break
            except OSError as error:
                end = error.strerror or str(error)
                break
            if not block:
                end = "it is gone"
                break
            blocks.append(block)
            if len(block) < _FULL_READ_BYTES:
                break
        if blocks:
            self._received(blocks[0] if len(blocks) == 1 else b"".join(blocks))
        if end:
            self._gone(end)

    def _received(self, data: bytes) -> None:
        for viewer in self._viewers:
            viewer.deliver(data)
        for ear in self._ears:
            ear.feed(data)
        self.history.feed(data)
        if self.history.needs_redraw and self._redrawing is None:
            self._redrawing = asyncio.get_running_loop().create_task(self._redraw())
        self._log.write(data)
        if self._log.holds_back and self._quiet is None:
            self._quiet = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._went_quiet)

    def _went_quiet(self) -> None:
        self._quiet = None
        self._log.flush()

    async def _redraw(self) -> None:
        """Let the emulator shorten the history, in a thread: it takes its time."""
        try:
            from pibramble.console.emulation import redraw
        except ImportError:
            return  # a card without pyte. `_redrawing` stays: not again; `History` drops what it must

        part, droppings = self.history.outgrown(), self.history.droppings
        try:
            screen = await asyncio.to_thread(redraw, part)
            if self.history.droppings == droppings:
                self.history.redrawn(len(part), screen)
        finally:
            self._redrawing = None

    # --- Watching ---

    def attach(self, viewer: Viewer) -> bytes:
        """Let somebody watch; return the bytes that show the screen on a terminal that was just reset."""
        self._viewers.append(viewer)
        self._tell(ViewersChanged(self.port.name, tuple(other.name for other in self._viewers)))
        return self.history.restore()

    def detach(self, viewer: Viewer) -> None:
        """Let somebody go, and with him the control if he has it."""
        if viewer not in self._viewers:
            return
        self.release(viewer)
        self._viewers.remove(viewer)
        self._tell(ViewersChanged(self.port.name, tuple(other.name for other in self._viewers)))

    @contextmanager
    def subscribe(self) -> Iterator[Ear]:
        """Give the bytes that come from now on, until the line is closed."""
        ear = Ear()
        self._ears.append(ear)
        try:
            yield ear
        finally:
            self._ears.remove(ear)

    # --- Writing ---

    def take_control(self, viewer: Viewer) -> None:
        """Make somebody the one who writes, whoever was it before. Raises NotWriterError for one that may only read."""
        if not viewer.may_write:
            raise NotWriterError(f"you may only read {self.port.name}")
        if viewer not in self._viewers:
            raise NotWriterError(f"you do not watch {self.port.name}")
        if self.writer is not viewer:
            self._hand_to(viewer)

    def release(self, viewer: Viewer) -> None:
        """Take the control from somebody who has it."""
        if self.writer is viewer:
            self._hand_to(None)

    def _hand_to(self, viewer: Viewer | None) -> None:
        self.writer = viewer
        name = viewer.name if viewer else None
        for other in self._viewers:
            other.notice(WriterChanged(self.port.name, name, you=other is viewer))
        self._listener(WriterChanged(self.port.name, name))

    def must_write(self, viewer: Viewer) -> None:
        """Raise NotWriterError for whoever has no control, LineError while the device is not there."""
        if self.writer is not viewer:
            who = f"{self.writer.name} has control" if self.writer else "nobody has control"
            raise NotWriterError(f"you do not write on {self.port.name}: {who}", hint="take control first")
        self._open_device()

    def write_now(self, viewer: Viewer, data: bytes) -> int:
        """Write what the device takes at once, and return how much that is. Raises NotWriterError, LineError."""
        self.must_write(viewer)
        if self._writing.locked():
            return 0
        return self._put(memoryview(data))

    async def write(self, viewer: Viewer, data: bytes) -> None:
        """Write all of it, however long the device takes. Raises NotWriterError, LineError; may be cancelled."""
        async with self._writing:
            rest = memoryview(data)
            while rest:
                self.must_write(viewer)
                written = self._put(rest[:WRITE_BYTES])
                rest = rest[written:]
                if rest and not written:
                    await self._wait_for_room()

    async def drained(self) -> None:
        """Wait until what was written is on the wire, as far as the kernel tells; LONGEST_DRAIN_SECONDS at most."""
        if self._device is not None:
            await self._drain(self._device)

    async def send_break(self, viewer: Viewer, seconds: float | None = None) -> None:
        """Hold the line low, after all that was written has left. Raises NotWriterError, LineError, DeviceError."""
        duration = self.profile.break_seconds if seconds is None else seconds
        if not 0 < duration <= 10:  # noqa: PLR2004 (longer than any device waits for)
            raise UsageError(f"a break of {duration:g} s", hint="Cisco's ROM monitor wants 0.1 to 0.5 s")
        async with self._writing:
            self.must_write(viewer)
            device = self._open_device()
            await self._drain(device)
            began = time.monotonic()
            device.hold_low(low=True)
            try:
                await asyncio.sleep(duration)
            finally:
                with suppress(OSError):  # it may have been pulled out meanwhile
                    device.hold_low(low=False)
                held = time.monotonic() - began  # less where it was broken off, more where this machine was busy
                as_asked = duration <= held <= duration + _BREAK_SLACK_SECONDS
                held_ms = (duration if as_asked else held) * 1000
                self._log.mark(f"break of {held_ms:.0f} ms")
                self._tell(Notice(self.port.name, f"break, {held_ms:.0f} ms"))

    async def change(self, viewer: Viewer, settings: Settings) -> None:
        """Change speed and framing. Raises NotWriterError, LineError, DeviceError."""
        async with self._writing:
            self.must_write(viewer)
            self._open_device().configure(settings)
            self.settings = settings
        self._log.mark(f"changed to {settings}")
        self._tell(SettingsChanged(self.port.name, str(settings)))

    async def press(self, viewer: Viewer, button: str) -> None:
        """Run a hot button's steps. Raises UsageError, NotWriterError, LineError, TimedOutError."""
        from pibramble.console import buttons

        found = self.profile.button(button)
        if found is None:
            known = ", ".join(other.name for other in self.profile.buttons) or "none"
            raise UsageError(f'{self.profile.name} has no button "{button}"', hint=f"it has {known}")
        self.must_write(viewer)
        await buttons.run(self, viewer, found)

    def _put(self, data: memoryview) -> int:
        device = self._open_device()
        try:
            return device.write(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._gone(error.strerror or str(error))
            raise self._absent() from None

    async def _wait_for_room(self) -> None:
        loop, fileno = asyncio.get_running_loop(), self._open_device().fileno()
        self._room = room = loop.create_future()
        loop.add_writer(fileno, _resolve, room)
        try:
            await room
        finally:
            self._room = None
            if self._device is not None:
                loop.remove_writer(fileno)

    async def _drain(self, device: Device) -> None:
        """Wait until the kernel has handed everything to the wire."""
        waited = 0.0
        with suppress(OSError):
            while device.unsent() and waited < LONGEST_DRAIN_SECONDS:
                await asyncio.sleep(0.01)
                waited += 0.01

    def _open_device(self) -> Device:
        if self._device is None:
            raise self._absent()
        return self._device

    def _absent(self) -> LineError:
        return LineError(f"{self.port.name} is {self.state}", hint=self.reason)

    def _tell(self, event: Event) -> None:
        for viewer in self._viewers:
            viewer.notice(event)
        self._listener(event)

    def _log_trouble(self, text: str) -> None:
        self._tell(Notice(self.port.name, text))


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
