"""What holds for every request before any page sees it: the host's name, the origin, the headers of every answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketClose

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Everything from here, nothing inline, in nobody's frame. How xterm.js's styles keep to it: web/src/styles.js.
POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect", "manifest")),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers without frame-ancestors
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), usb=(), serial=()",
}
_SAFE_METHODS = {"GET", "HEAD"}


class Guard:
    """Refuses what no page of ours would ask."""

    def __init__(self, app: ASGIApp, host_is_ours: Callable[[str], bool]) -> None:
        """Stand before `app`; `host_is_ours` knows this machine's names, lest another name lead here (rebinding)."""
        self._app, self._host_is_ours = app, host_is_ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on and put the headers on the answer."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal and scope["type"] == "websocket":
            await WebSocketClose(code=1008, reason=refusal)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = PlainTextResponse(f"{refusal}\n", 403) if refusal else self._app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> str:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._host_is_ours(urlsplit(f"//{host}").hostname or ""):
            return f'this is not "{host[:80]}"'
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        # A browser always says where such a request comes from. What says nothing is a program, which has no cookie of
        # ours that could be abused: it says who it is in a header of its own.
        origin = headers.get("origin")
        if changes and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return "this came from another site's page"
        if changes and origin is None and "cookie" in headers:
            return "this came from no page"
        return ""
