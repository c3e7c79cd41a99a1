"""What a page is: a place in the navigation, its HTML, its routes.

Another one is a module with a `Page` as in consoles.py, its HTML in static/, its script in web/src, and its name in
serve.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

import attrs
from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from pibramble.web.access import Person

STATIC = files("pibramble.web") / "static"


@attrs.frozen
class Page:
    """A page with a place in the navigation."""

    path: str
    title: str
    routes: Sequence[BaseRoute]  # that of `path` among them
    is_for: Callable[[Person], bool] = lambda _person: True  # to whom the navigation offers it


class Frame:
    """Puts a page's own HTML into what all pages have around it."""

    def __init__(self, pages: Sequence[Page]) -> None:
        """Offer `pages` in the navigation."""
        self._pages = pages

    def show(  # noqa: PLR0913 (a page's parts)
        self,
        name: str,
        title: str,
        person: Person | None = None,
        *,
        path: str = "",
        status: int = 200,
        leave: bool = False,
        **values: str,
    ) -> HTMLResponse:
        """Return the answer that shows static/NAME.html; `values` are text, and escaped. `leave`: he can log out."""
        body = Template(_text(f"{name}.html")).substitute({key: escape(value) for key, value in values.items()})
        offered = [page for page in self._pages if person and page.is_for(person)]
        links = [_link(page, current=page.path == path) for page in offered]
        who = f'<span class="who">{escape(person.name)}</span>{_LEAVE if leave else ""}' if person else ""
        filled = Template(_text("frame.html")).substitute(
            title=escape(title), name=name, nav="".join(links), who=who, body=body
        )
        return HTMLResponse(filled, status)


def frame_of(request: Request) -> Frame:
    """Return the frame of the application that a request came to."""
    frame: Frame = request.app.state.frame
    return frame


_LEAVE = '<form method="post" action="/logout"><button class="quiet">Log out</button></form>'


def _link(page: Page, *, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    return f'<a href="{escape(page.path)}"{mark}>{escape(page.title)}</a>'


def _text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
