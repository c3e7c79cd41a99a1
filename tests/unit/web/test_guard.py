"""What is refused before any page sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from pibramble.web.guard import Guard


async def _app(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI's)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=60")]})
    await send({"type": "http.response.body", "body": b"hello"})


def ask(method: str = "GET", **headers: str) -> tuple[int, Mapping[str, str]]:
    """Return status and headers of an answer."""
    said: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    fields = [
        (name.replace("_", "-").encode(), value.encode()) for name, value in {"host": "head:1", **headers}.items()
    ]
    scope = {"type": "http", "method": method, "path": "/", "headers": fields}
    asyncio.run(Guard(_app, {"head", "::1"}.__contains__)(scope, receive, send))  # type: ignore[arg-type]
    return said[0]["status"], {name.decode(): value.decode() for name, value in said[0]["headers"]}


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 200),
        ("GET", {"host": "[::1]:1"}, 200),
        ("GET", {"host": "evil.example"}, 403),
        ("GET", {"host": ""}, 403),
        ("GET", {"origin": "http://evil.example"}, 200),  # reading is held off by the browser itself
        ("POST", {"origin": "http://head:1"}, 200),
        ("POST", {"origin": "http://head:2"}, 403),
        ("POST", {"origin": "http://evil.example"}, 403),
        ("POST", {"origin": "null"}, 403),
        ("POST", {"cookie": "a=b"}, 403),
        ("POST", {}, 200),  # a program, which has to say who it is
        ("DELETE", {"origin": "http://evil.example"}, 403),
    ],
)
def test_only_our_own_pages_change_anything(method: str, headers: dict[str, str], status: int) -> None:
    assert ask(method, **headers)[0] == status


def test_every_answer_carries_the_policy_and_keeps_its_own_headers() -> None:
    for origin in ({}, {"origin": "http://evil.example"}):
        _, headers = ask("POST", **origin)
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert ask()[1]["cache-control"] == "max-age=60"
