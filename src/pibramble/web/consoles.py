"""The page of the consoles: the list of ports, one port's terminal, its log, and the socket behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

from pibramble.web.pages import Page, frame_of
from pibramble.web.socket import NOT_LOGGED_IN, BrowserConnection, Tabs

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from pibramble.console.broker import Broker
    from pibramble.web.gate import Gate

PATH = "/"


class Consoles:
    """The handlers of the page's routes."""

    def __init__(self, broker: Broker, gate: Gate) -> None:
        """Show the broker's ports to whom the gate lets in."""
        self._broker, self._gate = broker, gate
        self._tabs: Tabs = {}

    def page(self) -> Page:
        """Return the page."""
        routes = [
            Route(PATH, self.ports),
            Route("/console/{port}", self.port),
            Route("/console/{port}/log", self.log),
            WebSocketRoute("/socket", self.socket),
        ]
        return Page(PATH, "Consoles", routes)

    async def ports(self, request: Request) -> Response:
        """Show the list."""
        person = self._gate.who(request)
        if person is None:
            return RedirectResponse("/login", 303)
        return frame_of(request).show("ports", "Consoles", person, path=PATH, leave=self._gate.has_session(request))

    async def port(self, request: Request) -> Response:
        """Show one port's terminal."""
        person, name = self._gate.who(request), request.path_params["port"]
        if person is None:
            return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
        if name not in self._broker.lines or not person.may_read(name):
            return PlainTextResponse(f"There is no port {name}.\n", 404)
        return frame_of(request).show("console", name, person, port=name, leave=self._gate.has_session(request))

    async def log(self, request: Request) -> Response:
        """Hand out the log that is written now."""
        person, name = self._gate.who(request), request.path_params["port"]
        if person is None:
            return RedirectResponse("/login", 303)
        line = self._broker.lines.get(name)
        if line is None or not person.may_read(name):
            return PlainTextResponse(f"There is no port {name}.\n", 404)
        if not line.log_path.exists():
            return PlainTextResponse(f"{name} has printed nothing yet.\n", 404)
        return FileResponse(line.log_path, media_type="text/plain; charset=utf-8", filename=f"{name}.log")

    async def socket(self, socket: WebSocket) -> None:
        """Serve a viewer."""
        person = self._gate.who(socket)
        await socket.accept()
        if person is None:
            await socket.close(NOT_LOGGED_IN, "log in first")
            return
        device = "phone" if "Mobi" in socket.headers.get("user-agent", "") else ""
        connection = BrowserConnection(self._broker, person, device, self._tabs)
        await connection.run(socket, lambda: self._gate.is_still(socket, person))
