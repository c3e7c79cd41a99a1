"""Who may know where the cluster stands, and that all who do share one feed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import attrs
import pytest
from starlette.applications import Starlette

from pibramble.gps.model import Chosen, Chrony, Constellation, Fix, GpsState, Mode, Origin, Satellite, Sky, Source
from pibramble.gps.model import TimeSource as ChronySource
from pibramble.web import passwords
from pibramble.web.access import Person
from pibramble.web.app import create
from pibramble.web.gate import Gate
from pibramble.web.receiver import NOT_FOR_YOU, Receiver, Shared, described
from pibramble.web.socket import NOT_LOGGED_IN
from pibramble.web.users import User, Users

STATE = GpsState(
    Source(Origin.GPSD, "127.0.0.1:2947"),
    Fix(mode=Mode.THREE_D, latitude_deg=52.5, longitude_deg=13.25),
    Sky((
        Satellite(Constellation.GLONASS, 4, 68, 20.0, 10.0, 31.0),
        Satellite(Constellation.GPS, 7, 7, 61.0, 220.0, 44.0, used=True),
    )),
)  # fmt: skip


class Feed:
    """Something to feed from, which counts how often it was begun and ended."""

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.states: asyncio.Queue[GpsState | OSError] = asyncio.Queue()

    async def begin(self) -> AsyncGenerator[GpsState, None]:
        self.begun += 1
        try:
            while True:
                state = await self.states.get()
                if isinstance(state, OSError):
                    raise state
                yield state
        finally:
            self.ended += 1


@attrs.define
class House:
    """The application, and tokens of people with different rights."""

    app: Starlette
    feed: Feed
    tokens: dict[str, str]

    async def ask(self, kind: str, path: str, person: str) -> list[dict[str, Any]]:
        """Return all that is answered; a browser leaves when it has had one state."""
        said: list[dict[str, Any]] = []
        had_enough = asyncio.Event()
        coming = [{"type": "websocket.connect"}] if kind == "websocket" else [{"type": "http.request"}]

        async def receive() -> dict[str, Any]:
            if coming:
                return coming.pop()
            await had_enough.wait()
            return {"type": f"{kind}.disconnect", "code": 1001}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)
            if message["type"] == "websocket.send":
                had_enough.set()

        headers = [(b"host", b"head:1")]
        if person:
            headers.append((b"authorization", f"Bearer {self.tokens[person]}".encode()))
        scope = {
            "type": kind, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": headers, "client": ("192.0.2.1", 1), "server": ("192.0.2.2", 2), "subprotocols": [],
        }  # fmt: skip
        await asyncio.wait_for(self.app(scope, receive, send), 10)  # type: ignore[arg-type]
        return said


@pytest.fixture
def house(tmp_path: Path) -> House:
    users = Users(tmp_path / "users.toml")
    tokens = {}
    rights = {"ada": ("*",), "guest": ("router-*",), "hiker": ("gps",)}
    for name, read in rights.items():
        tokens[name] = passwords.new_token()
        users.put(User(Person(name, read, ()), token=passwords.token_digest(tokens[name])))
    gate = Gate(users, secure=True, uid=lambda _client, _server: None)
    feed = Feed()
    return House(create([Receiver(feed.begin, gate).page()], gate, {"head"}.__contains__), feed, tokens)


@pytest.mark.parametrize(("person", "status"), [("", 303), ("guest", 404), ("hiker", 200), ("ada", 200)])
def test_the_page_is_for_those_who_may_watch_the_port_gps(house: House, person: str, status: int) -> None:
    start, *bodies = asyncio.run(house.ask("http", "/gps", person))
    assert start["status"] == status
    body = b"".join(part["body"] for part in bodies)
    assert (b'<a href="/gps" aria-current="page">' in body) == (status == 200)
    if status == 303:
        assert dict(start["headers"])[b"location"] == b"/login?next=/gps"


@pytest.mark.parametrize(("person", "code"), [("", NOT_LOGGED_IN), ("guest", NOT_FOR_YOU)])
def test_nobody_else_gets_the_position_nor_makes_anything_ask_for_it(house: House, person: str, code: int) -> None:
    house.feed.states.put_nowait(STATE)
    said = asyncio.run(house.ask("websocket", "/gps/socket", person))
    assert [(message["type"], message.get("code")) for message in said] == [
        ("websocket.accept", None), ("websocket.close", code),
    ]  # fmt: skip
    assert house.feed.begun == 0


def test_whoever_may_gets_the_states_and_the_feed_ends_with_the_last(house: House) -> None:
    house.feed.states.put_nowait(STATE)
    _accepted, told = asyncio.run(house.ask("websocket", "/gps/socket", "hiker"))
    assert dict(json.loads(told["text"])["facts"])["position"] == "52.500000° N  13.250000° E"
    assert (house.feed.begun, house.feed.ended) == (1, 1)


def test_two_who_look_share_one_feed_and_the_next_begins_anew() -> None:
    async def look() -> None:
        feed = Feed()
        shared = Shared(feed.begin)
        async with aclosing(shared.states()) as first, aclosing(shared.states()) as second:
            feed.states.put_nowait(STATE)
            assert (await anext(first), await anext(second)) == (STATE, STATE)
            assert feed.begun == 1
        await asyncio.sleep(0)
        assert feed.ended == 1
        later = attrs.evolve(STATE, problem="no receiver")
        feed.states.put_nowait(later)
        async with aclosing(shared.states()) as third:
            assert await anext(third) == later  # never what was true when somebody looked before
        assert feed.begun == 2

    asyncio.run(asyncio.wait_for(look(), 10))


def test_whoever_is_slow_gets_the_newest() -> None:
    async def look() -> None:
        feed = Feed()
        async with aclosing(Shared(feed.begin).states()) as states:
            feed.states.put_nowait(STATE)
            await anext(states)
            for number in range(100):
                feed.states.put_nowait(attrs.evolve(STATE, leap_seconds=number))
            await asyncio.sleep(0.01)
            assert (await anext(states)).leap_seconds == 99

    asyncio.run(asyncio.wait_for(look(), 10))


def test_a_feed_that_breaks_lets_its_viewers_go() -> None:
    async def look() -> list[GpsState]:
        feed = Feed()
        feed.states.put_nowait(OSError("broken"))
        return [state async for state in Shared(feed.begin).states()]

    assert asyncio.run(asyncio.wait_for(look(), 10)) == []


def test_the_page_gets_words_and_what_there_is_to_draw() -> None:
    source = ChronySource("reference clock", "GPS", Chosen.BEST, 0, 0o377, 8.0, 0.0034, 0.0002)
    shown = json.loads(described(attrs.evolve(STATE, problem="it went away", chrony=Chrony(sources=(source,)))))
    assert (shown["problem"], shown["mode"]) == ("it went away", "three_d")
    assert "problem" not in dict(shown["facts"])
    assert [(one["name"], one["used"], one["signal_dbhz"]) for one in shown["satellites"]] == [
        ("G07", True, 44.0), ("R04", False, 31.0),
    ]  # fmt: skip
    assert shown["sources"] == [["GPS", "reference clock", "best", "0", "377", "+3.4 ms", "200.0 us"]]
