"""The page of the GPS receiver: sky, signals, place and time, live. One feed serves all who look."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import attrs
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from pibramble.gps import words
from pibramble.gps.model import GpsState, Satellite
from pibramble.web.pages import Page, frame_of
from pibramble.web.socket import NOT_LOGGED_IN, work_while

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from pibramble.web.access import Person
    from pibramble.web.gate import Gate

PATH = "/gps"
PORT = "gps"  # where the cluster stands is private: whoever may watch a port of this name may know it
NOT_FOR_YOU = 4403  # a close code of ours, after HTTP's 403

log = logging.getLogger("pibramble.web")


def may_read(person: Person) -> bool:
    """Tell whether somebody may know place and time."""
    return person.may_read(PORT)


class Receiver:
    """The handlers of the page's routes."""

    def __init__(self, begin: Callable[[], AsyncGenerator[GpsState, None]], gate: Gate) -> None:
        """Show what `begin` feeds to whom the gate lets in."""
        self._shared, self._gate = Shared(begin), gate

    def page(self) -> Page:
        """Return the page."""
        routes = [Route(PATH, self.show), WebSocketRoute(f"{PATH}/socket", self.socket)]
        return Page(PATH, "GPS", routes, may_read)

    async def show(self, request: Request) -> Response:
        """Show the page."""
        person = self._gate.who(request)
        if person is None:
            return RedirectResponse(f"/login?next={PATH}", 303)
        if not may_read(person):
            return PlainTextResponse(f"There is no receiver for {person.name}.\n", 404)
        return frame_of(request).show("gps", "GPS", person, path=PATH, leave=self._gate.has_session(request))

    async def socket(self, socket: WebSocket) -> None:
        """Tell a viewer each state, or as many as the network takes."""
        person = self._gate.who(socket)
        await socket.accept()
        if person is None:
            await socket.close(NOT_LOGGED_IN, "log in first")
        elif not may_read(person):
            await socket.close(NOT_FOR_YOU, "the receiver is not for you")
        else:
            works = (self._tell(socket), _until_left(socket))
            await work_while(lambda: self._gate.is_still(socket, person), socket, *works)

    async def _tell(self, socket: WebSocket) -> None:
        with suppress(RuntimeError, WebSocketDisconnect):  # it left meanwhile
            async with aclosing(self._shared.states()) as states:
                async for state in states:
                    await socket.send_text(described(state))


class Shared:
    """A feed that begins with the first who looks and ends with the last. Whoever is slow misses states."""

    def __init__(self, begin: Callable[[], AsyncGenerator[GpsState, None]]) -> None:
        """Begin nothing yet."""
        self._begin = begin
        self._viewers = 0
        self._following: asyncio.Task[None] | None = None
        self._last: GpsState | None = None
        self._changed = asyncio.Event()

    async def states(self) -> AsyncGenerator[GpsState, None]:
        """Yield the last state there is, then each newer one. Ends where the feed does."""
        self._viewers += 1
        if self._following is None:
            self._following = asyncio.create_task(self._follow())
        seen: GpsState | None = None
        try:
            while self._following is not None:
                if self._last is None or self._last is seen:
                    await self._changed.wait()
                else:
                    seen = self._last
                    yield seen
        finally:
            self._viewers -= 1
            if not self._viewers and self._following is not None:
                self._following.cancel()
                self._following = None
                self._last = None

    async def _follow(self) -> None:
        ours = asyncio.current_task()
        try:
            async with aclosing(self._begin()) as states:
                async for state in states:
                    self._last = state
                    self._wake()
        except OSError as error:
            log.warning("the receiver cannot be shown: %s", error)
        finally:
            if self._following is ours:  # it ended by itself: the next who comes begins anew
                self._following = self._last = None
                self._wake()

    def _wake(self) -> None:
        waiting, self._changed = self._changed, asyncio.Event()
        waiting.set()


def described(state: GpsState) -> str:
    """Return what the page shows of a state, as JSON: in the words of the shell, and the satellites to draw."""
    chrony = state.chrony.sources if state.chrony else ()
    shown = {
        "problem": state.problem,
        "mode": state.fix.mode.name.lower(),
        "facts": words.facts(attrs.evolve(state, problem="")),
        "satellites": [_satellite(one) for one in sorted(state.sky.satellites, key=lambda one: (one.name, one.signal))],
        "headings": words.TIME_SOURCE,
        "sources": [words.time_source(one) for one in chrony],
    }
    return json.dumps(shown, ensure_ascii=False)


def _satellite(one: Satellite) -> dict[str, object]:
    return {
        "name": one.name,
        "constellation": one.constellation.value,
        "signal": one.signal,
        "elevation_deg": one.elevation_deg,
        "azimuth_deg": one.azimuth_deg,
        "signal_dbhz": one.signal_dbhz,
        "used": one.used,
    }


async def _until_left(socket: WebSocket) -> None:
    """Wait until the browser goes; it has nothing to say."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
