"""The server's end, while a page is about to go by itself."""

from __future__ import annotations

from websockets.exceptions import InvalidState

from pibramble.web.serve import forgiving


class Transport:
    """Notes that it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


class Protocol:
    """As uvicorn's, whose browser has begun to close."""

    def __init__(self) -> None:
        self.transport = Transport()

    def shutdown(self) -> None:
        raise InvalidState("connection is closing")


def test_a_page_that_is_closing_is_closed_and_stops_nobody() -> None:
    page = forgiving(Protocol)()
    page.shutdown()
    assert page.transport.closed
