"""A WebSocket is one more connection to the broker: the Unix socket's messages as text, the line's bytes as binary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.websockets import WebSocketDisconnect

from pibramble.console.connection import Connection
from pibramble.console.messages import (
    Attach,
    Event,
    MessageError,
    OpenDevice,
    Ports,
    Refused,
    Request,
    WhereLog,
    decode_request,
    encode,
)
from pibramble.errors import PibrambleError

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from pibramble.console.broker import Broker
    from pibramble.web.access import Person

NOT_LOGGED_IN = 4401  # a close code of ours (RFC 6455, 7.4.2), after HTTP's 401
LOOK_AGAIN_S = 5.0  # between two looks whether somebody may still be here


Tabs = dict[tuple[str, str], "BrowserConnection"]  # by person, and by what the browser's tab calls itself


class _Flow(asyncio.Transport):
    """What a connection does to its transport: here it holds back the reading of the WebSocket."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = asyncio.Event()
        self.reading.set()
        self._closing = False

    def pause_reading(self) -> None:
        self.reading.clear()

    def resume_reading(self) -> None:
        self.reading.set()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True
        self.reading.set()


class BrowserConnection(Connection):
    """A browser, which sees and does what its person may."""

    def __init__(self, broker: Broker, person: Person, device: str, tabs: Tabs) -> None:
        """Wait for its first request; `device` tells one person's browsers apart: "phone".

        A tab that comes back takes the place of its former connection in `tabs`, which the network may have lost
        without a word.
        """
        super().__init__(broker)
        self._person = person
        self._tabs = tabs
        self._retired = asyncio.Event()
        self._named = f"{person.name} in the browser" if not device else f"{person.name} on a {device}"
        self._flow = _Flow()
        self.connection_made(self._flow)
        self.pause_writing()  # everything waits in the backlog, and `_send_on` takes it from there

    async def run(self, socket: WebSocket, still_here: Callable[[], bool]) -> None:
        """Serve until it leaves, or may not be here any longer."""
        try:
            await work_while(still_here, socket, self._send_on(socket), self._listen(socket), self._retired.wait())
        finally:
            self._flow.close()
            self.connection_lost(None)
            for tab in [tab for tab, connection in self._tabs.items() if connection is self]:
                del self._tabs[tab]

    def retire(self) -> None:
        """Let the line go at once, and end."""
        self._detach()
        self._retired.set()

    async def _send_on(self, socket: WebSocket) -> None:
        with suppress(RuntimeError, WebSocketDisconnect):  # it left meanwhile
            while True:
                piece = await self._backlog.next()
                if isinstance(piece, bytes):
                    await socket.send_bytes(piece)
                else:
                    await socket.send_text(encode(piece))

    async def _listen(self, socket: WebSocket) -> None:
        while True:
            await self._flow.reading.wait()
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if (data := message.get("bytes")) is not None:
                self._typed(data)
                continue
            try:
                self._handle(decode_request(message.get("text") or ""))
            except MessageError as error:
                self._say(Refused(error.message, error.hint))

    # --- What this person may ---

    def _handle(self, request: Request) -> None:
        if isinstance(request, OpenDevice | WhereLog):  # paths of this machine are the shell's business
            self._say(Refused("this is not for the browser", "`pibramble console` does it in a shell"))
        else:
            super()._handle(request)

    def _attach(self, request: Attach) -> None:
        port = request.port
        if not self._person.may_read(port):
            raise PibrambleError(f'there is no port "{port[:80]}" for {self._person.name}')
        read_only = request.read_only or not self._person.may_write(port)
        had_control = self._replace_former(request)
        super()._attach(Attach(port, self._named, read_only))
        if had_control and self.may_write:
            self._attached().take_control(self)

    def _replace_former(self, request: Attach) -> bool:
        """Let the tab's former connection go; return whether it wrote on this port."""
        if not request.name:
            return False
        tab = (self._person.name, request.name)
        former = self._tabs.get(tab)
        self._tabs[tab] = self
        if former is None or former is self:
            return False
        had_control = self._broker.line(request.port).writer is former
        former.retire()
        return had_control

    def _ports(self) -> Ports:
        return Ports(tuple(status for status in super()._ports().ports if self._person.may_read(status.name)))

    def _hear(self, event: Event) -> None:
        if self._person.may_read(getattr(event, "port", "")):
            super()._hear(event)


async def work_while(
    still_here: Callable[[], bool], socket: WebSocket, *works: Coroutine[object, object, object]
) -> None:
    """Work until one of the works ends, or until whoever is at the other end may not be here any longer."""
    tasks = [asyncio.create_task(work) for work in (_until_not(still_here), *works)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0] in done:
            with suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(NOT_LOGGED_IN, "you are logged out")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_not(still_here: Callable[[], bool]) -> None:
    while still_here():  # noqa: ASYNC110 (a file that is looked at sets no event)
        await asyncio.sleep(LOOK_AGAIN_S)
