"""A program at a line of the broker: it takes control, writes, waits, and hears in an error what went wrong."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pibramble.console.client import Client, LostError, exit_code
from pibramble.console.ear import Ear
from pibramble.console.messages import (
    Attached,
    CountErrors,
    ErrorCounts,
    Missed,
    Notice,
    Refused,
    Reply,
    SettingsChanged,
    StateChanged,
    WriterChanged,
)
from pibramble.console.model import Settings, State
from pibramble.errors import BusyError, NotUpError, PibrambleError

CONTROL_SECONDS = 5.0  # for the broker to hand control over, or to change a speed


class Session:
    """A `conversation.Wire` over a client's connection; `client` must be connected before `begin`."""

    def __init__(self) -> None:
        """Make it."""
        self.client = Client(self._data, self._event)
        self._ear = Ear()
        self._mine = False
        self._port = ""
        self._waiting: list[tuple[type, asyncio.Future[Reply]]] = []

    async def begin(self, port: str, name: str, *, take: bool = False) -> Attached:
        """Watch a port and take control of it; `take`: even if somebody else has it.

        Raises BusyError when somebody has, NotUpError when its device is not there.
        """
        attached = await self.client.attach(port, name)
        status, self._port = attached.status, port
        if status.state is State.BUSY:
            raise BusyError(status.reason)
        if status.state is not State.OPEN:
            raise NotUpError(f"{port} is {status.state}", hint=status.reason)
        if status.writer is not None and not take:
            raise BusyError(f"{status.writer} has control of {port}", hint="--take takes it over")
        changed = self._next(WriterChanged)
        self.client.take_control()
        await self._answer(changed)
        self.client.lost.add_done_callback(lambda _: self._ear.fail(LostError("the broker has ended")))
        return attached

    # --- conversation.Wire ---

    async def write(self, data: bytes) -> None:
        """Send all of it. Raises BusyError when control was taken away, NotUpError when the device has gone."""
        self._ear.check()
        await self.client.write(data)

    async def read(self) -> bytes:
        """Return what has come."""
        return await self._ear.take()

    # --- What only a line has ---

    async def send_break(self, seconds: float | None = None) -> None:
        """Hold the line low. Raises RefusedError where the driver has no break."""
        done = self._next(Notice)
        self.client.send_break(seconds)
        await self._answer(done, (seconds or 0) + CONTROL_SECONDS)

    async def change(self, settings: Settings) -> None:
        """Change speed and framing. Raises PibrambleError when the device does not take them."""
        done = self._next(SettingsChanged)
        self.client.change(str(settings))
        await self._answer(done)

    async def counts(self) -> ErrorCounts:
        """Return the driver's counts of errors and breaks."""
        return await self.client.ask(CountErrors(), ErrorCounts)

    async def log_path(self) -> str:
        """Return where the line's log is."""
        return await self.client.log_path()

    def _next(self, wanted: type) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, future))
        return future

    async def _answer(self, future: asyncio.Future[Reply], seconds: float = CONTROL_SECONDS) -> None:
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            raise PibrambleError(f"{self._port}: the broker did not answer within {seconds:g} s") from None

    def _data(self, data: bytes, fresh: bool) -> None:  # noqa: FBT001 (the client's own order)
        if not fresh:  # what was on the screen before is no answer to us
            self._ear.feed(data)

    def _event(self, event: Reply) -> None:
        for waiting in self._waiting:
            wanted, future = waiting
            if isinstance(event, (wanted, Refused)):
                self._waiting.remove(waiting)
                if isinstance(event, Refused):
                    with suppress(asyncio.InvalidStateError):
                        future.set_exception(_refusal(event))
                elif not future.done():
                    future.set_result(event)
                break
        match event:
            case WriterChanged():
                if self._mine and not event.you:
                    who = event.writer or "nobody"
                    self._ear.fail(BusyError(f"{who} has taken control of {self._port}: it was broken off"))
                self._mine = event.you
            case StateChanged(state=State.ABSENT | State.FAILED | State.BUSY):
                self._ear.fail(NotUpError(f"{self._port} is {event.state}", hint=event.reason))
            case Missed():
                self._ear.fail(
                    PibrambleError(f"{event.bytes:,} bytes of {self._port} were missed: this machine is too slow")
                )
            case Refused(what="data"):
                self._ear.fail(_refusal(event))


def _refusal(refused: Refused) -> PibrambleError:
    return PibrambleError(refused.message, hint=refused.hint, exit_code=exit_code(refused))
