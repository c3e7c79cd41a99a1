"""All pages as one application: log-in and -out, the built files, and the pages that are registered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pibramble.errors import PibrambleError
from pibramble.web.gate import Denied
from pibramble.web.guard import Guard
from pibramble.web.pages import STATIC, Frame, Page

if TYPE_CHECKING:
    from pathlib import Path

    from pibramble.web.gate import Gate

_LARGEST_FORM_BYTES = 4096


def create(
    pages: Sequence[Page], gate: Gate, host_is_ours: Callable[[str], bool], authority: Path | None = None
) -> Starlette:
    """Return the application; `authority` is the certificate that people may install."""
    frame = Frame(pages)
    entrance = _Entrance(gate, frame, authority)
    routes = [
        *(route for page in pages for route in page.routes),
        Route("/login", entrance.ask),
        Route("/login", entrance.log_in, methods=["POST"]),
        Route("/logout", entrance.log_out, methods=["POST"]),
        Route("/authority.crt", entrance.authority),
        Mount("/static", StaticFiles(directory=str(STATIC))),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, host_is_ours=host_is_ours)],
        exception_handlers={PibrambleError: _say},
    )
    app.state.frame = frame
    return app


class _Entrance:
    """The log-in page."""

    def __init__(self, gate: Gate, frame: Frame, authority: Path | None) -> None:
        self._gate, self._frame, self._authority = gate, frame, authority

    async def ask(self, request: Request) -> Response:
        return self._show(_local_path(request.query_params.get("next", "/")), "")

    async def log_in(self, request: Request) -> Response:
        said = await _form(request)
        where, name = _local_path(said.get("next", "/")), said.get("name", "").strip().lower()
        address = request.client.host if request.client else ""
        outcome = await self._gate.log_in(name, said.get("password", ""), address)
        if isinstance(outcome, Denied):
            wait = f": try again in {outcome.wait_s:.0f} s" if outcome.wait_s else ""
            answer = self._show(where, f"{outcome.message}{wait}.", name, 429 if outcome.wait_s else 403)
            if outcome.wait_s:
                answer.headers["Retry-After"] = f"{outcome.wait_s:.0f}"
            return answer
        response = RedirectResponse(where, 303)
        self._gate.remember(response, outcome)
        return response

    async def log_out(self, request: Request) -> Response:
        response = RedirectResponse("/login", 303)
        self._gate.log_out(request, response)
        return response

    async def authority(self, _request: Request) -> Response:
        if self._authority is None:
            return PlainTextResponse("This server has no authority of its own.\n", 404)
        return FileResponse(self._authority, media_type="application/x-x509-ca-cert", filename="pibramble.crt")

    def _show(self, where: str, problem: str, name: str = "", status: int = 200) -> Response:
        return self._frame.show("login", "Log in", status=status, next=where, problem=problem, user=name)


async def _form(request: Request) -> dict[str, str]:
    """Return a short form's fields."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM_BYTES:
            return {}
    return {key: values[-1] for key, values in parse_qs(body.decode(errors="replace")).items()}


def _local_path(text: str) -> str:
    """Return a path of these pages, whatever was asked for: nobody is led elsewhere by a link to the log-in."""
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() else "/"


async def _say(_request: Request, error: Exception) -> Response:
    """Say in words what is wrong here; the details are the owner's business."""
    import logging

    logging.getLogger("pibramble.web").error("%s", error)
    return PlainTextResponse("Something is wrong with this server's files; its own messages say what.\n", 500)
