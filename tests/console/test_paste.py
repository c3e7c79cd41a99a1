"""A paste arrives whole at a device that is slow, and stops when somebody says so: over the broker's own socket."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import attrs
import pytest

from pibramble.console.broker import Broker
from pibramble.console.client import Client, connect
from pibramble.console.line import Line
from pibramble.console.messages import (
    LARGEST_PASTE_BYTES,
    Ask,
    Attach,
    Attached,
    Cancelled,
    Paste,
    Pasting,
    Press,
    Refused,
    Reply,
    WriterChanged,
)
from pibramble.console.model import Pacing, Port, Profile, Settings, Source
from pibramble.console.profiles import load
from pibramble.console.server import Server
from tests.console.slow import Slow, plugged_in

CONFIGURATION = "".join(f"interface FastEthernet0/{port}\n description a desk in room {port}\n" for port in range(1, 9))
SLOW = attrs.evolve(load("cisco-ios"), pacing=Pacing(per_line_seconds=0.05, check_echo=True))
HASTY = attrs.evolve(SLOW, pacing=Pacing())
CHECKING = attrs.evolve(SLOW, pacing=Pacing(check_echo=True))


class Person:
    """A client of the broker, in control."""

    def __init__(self, *, answer: bool | None) -> None:
        self.answer = answer  # None: they think about it
        self.heard: list[Reply] = []
        self.client = Client(on_event=self.hear)

    def hear(self, event: Reply) -> None:
        self.heard.append(event)
        if isinstance(event, Ask) and self.answer is not None:
            self.client.answer(event.id, yes=self.answer)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    async def hears(self, kind: type, seconds: float = 20) -> Any:  # noqa: ANN401 (an event of that kind)
        await until(lambda: self.of(kind), seconds)
        return self.of(kind)[0]

    async def pastes(self, text: str) -> None:
        """Paste, and wait until it is done or refused."""
        self.client.send(Paste(text))
        await until(lambda: self.of(Refused) or any(how.bytes == how.of_bytes for how in self.of(Pasting)))


@attrs.frozen
class Scene:
    """A slow device, its broker, and somebody who writes on it."""

    slow: Slow
    broker: Broker
    person: Person
    folder: Path


async def until(true: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 (nothing tells a test when a line has changed)
            await asyncio.sleep(0.01)


def played(
    folder: Path,
    scene: Callable[[Scene], Coroutine[Any, Any, None]],
    profile: Profile = SLOW,
    *,
    answer: bool | None = True,
    thinks_seconds: float = 0.03,
) -> Slow:
    """Play a scene, and return the device for a look at what it got."""

    async def play(slow: Slow, path: str) -> None:
        broker = Broker(folder, load_profile=lambda _name: profile)
        broker.serve([Port("sw1", path, profile.name, Settings(9600), Source.CLUSTER_FILE)])
        server = Server(broker, folder)
        await server.start()
        person = Person(answer=answer)
        try:
            await connect(folder, person.client)
            await person.client.attach("sw1", "ada")
            person.client.take_control()
            await person.hears(WriterChanged)
            await scene(Scene(slow, broker, person, folder))
        finally:
            person.client.close()
            await server.close()
            await broker.close()

    with plugged_in(thinks_seconds) as (slow, path):
        asyncio.run(play(slow, path))
        return slow


def test_what_is_sent_at_once_is_lost_and_what_is_pasted_is_not(tmp_path: Path) -> None:
    async def types(scene: Scene) -> None:
        await scene.person.client.write(CONFIGURATION.replace("\n", "\r").encode())
        await asyncio.sleep(1)

    async def pastes(scene: Scene) -> None:
        await scene.person.pastes(CONFIGURATION)

    at_once = played(tmp_path / "typed", types)
    assert at_once.lost_bytes > 300, "else this device proves nothing"
    assert len(at_once.lines) < 8
    pasted = played(tmp_path / "pasted", pastes)
    assert pasted.lines == CONFIGURATION.splitlines()
    assert pasted.lost_bytes == 0


def test_a_fault_of_our_own_is_told_and_the_connection_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*_: object) -> None:
        raise ZeroDivisionError("nobody expected this")

    async def presses(scene: Scene) -> None:
        monkeypatch.setattr(Line, "press", fails)
        scene.person.client.send(Press("break"))
        refused = await scene.person.hears(Refused)
        assert refused.what == "press"
        assert "ZeroDivisionError: nobody expected this" in refused.message
        await scene.person.client.write(b"end\r")
        await until(lambda: scene.slow.lines)

    assert played(tmp_path, presses).lines == ["end"]
    assert "in fails" in caplog.text  # where it was


def test_the_person_is_told_how_far_it_is(tmp_path: Path) -> None:
    told: list[Pasting] = []

    async def pastes(scene: Scene) -> None:
        await scene.person.pastes(CONFIGURATION)
        told.extend(scene.person.of(Pasting))

    played(tmp_path, pastes)
    size = len(CONFIGURATION)
    assert told[0] == Pasting(0, size, 0, 16)
    assert told[-1] == Pasting(size, size, 16, 16)
    assert len(told) >= 5
    assert [how.bytes for how in told] == sorted(how.bytes for how in told)


def test_a_line_that_lost_a_letter_is_the_last_one_that_goes(tmp_path: Path) -> None:
    async def pastes(scene: Scene) -> None:
        await scene.person.pastes(CONFIGURATION)
        (refused,) = scene.person.of(Refused)
        assert refused.what == "paste"
        assert re.search(r"line \d+ did not come back as it was sent", refused.message)
        scene.person.client.send(Paste("end\n"))  # the next paste goes

    slow = played(tmp_path, pastes, CHECKING, thinks_seconds=0.3)
    assert slow.lost_bytes
    assert len(slow.lines) < 4


def test_a_long_paste_is_asked_about_with_its_size_and_time(tmp_path: Path) -> None:
    long = "no shutdown\n" * 30

    async def declines(scene: Scene) -> None:
        await scene.person.pastes(long)
        (asked,) = scene.person.of(Ask)
        assert "Paste 30 lines, 360 bytes, on sw1? At 9600 8N1 it takes at least 2 s." in asked.question
        assert "stops at the first line that is not echoed" in asked.question
        assert scene.person.of(Refused)[0].message == "nothing was pasted"
        assert scene.person.of(Pasting) == []

    async def agrees(scene: Scene) -> None:
        await scene.person.pastes(long)
        assert len(scene.person.of(Ask)) == 1

    assert played(tmp_path / "no", declines, answer=False).lines == []
    assert played(tmp_path / "yes", agrees).lines == ["no shutdown"] * 30


def test_a_paste_that_is_stopped_goes_no_further_and_typing_goes_on(tmp_path: Path) -> None:
    async def stops(scene: Scene) -> None:
        scene.person.client.send(Paste(CONFIGURATION))
        await until(lambda: len(scene.slow.lines) >= 3)
        dropped = await scene.person.client.cancel()
        await asyncio.sleep(0.2)
        assert 0 < dropped < len(CONFIGURATION)
        got = list(scene.slow.lines)
        await asyncio.sleep(0.3)
        assert scene.slow.lines == got
        await scene.person.client.write(b"\x03end\r")
        await until(lambda: scene.slow.lines[-1] == "end")
        scene.person.heard.clear()
        await scene.person.pastes("two\nthree\n")

    slow = played(tmp_path, stops)
    assert 3 <= len(slow.lines) - 3 < 10
    assert slow.lines[-3:] == ["end", "two", "three"]


def test_keys_and_a_second_paste_wait_for_the_first(tmp_path: Path) -> None:
    async def all_at_once(scene: Scene) -> None:
        scene.person.client.send(Paste("one\ntwo\nthree\n"))
        await scene.person.client.write(b"typed\r")
        scene.person.client.send(Paste("four\nfive\n"))
        await until(lambda: len(scene.slow.lines) == 6)

    assert played(tmp_path, all_at_once).lines == ["one", "two", "three", "typed", "four", "five"]


def test_a_single_line_needs_no_echo_since_it_may_be_a_password(tmp_path: Path) -> None:
    async def pastes(scene: Scene) -> None:
        scene.slow.feed = lambda data: scene.slow.lines.append(data.decode())  # type: ignore[method-assign]
        began = time.monotonic()
        await scene.person.pastes("lovelace\n")
        assert time.monotonic() - began < 1
        assert scene.person.of(Refused) == []

    assert "".join(played(tmp_path, pastes).lines) == "lovelace\r"


def test_marks_go_around_a_bracketed_paste_and_none_within(tmp_path: Path) -> None:
    got: list[bytes] = []

    async def pastes(scene: Scene) -> None:
        scene.slow.feed = got.append  # type: ignore[assignment,method-assign]
        scene.person.client.send(Paste("one\nx\x1b[201~rm -rf\n", bracketed=True))
        await until(lambda: any(how.bytes == how.of_bytes for how in scene.person.of(Pasting)))
        await until(lambda: b"".join(got).endswith(b"\x1b[201~"))

    played(tmp_path, pastes)
    assert b"".join(got) == b"\x1b[200~one\rxrm -rf\r\x1b[201~"


def test_a_bracketed_paste_that_is_stopped_is_closed(tmp_path: Path) -> None:
    got: list[bytes] = []

    async def stops(scene: Scene) -> None:
        scene.slow.feed = got.append  # type: ignore[assignment,method-assign]
        scene.person.client.send(Paste(CONFIGURATION, bracketed=True))
        await until(lambda: len(b"".join(got)) > 100)
        await scene.person.client.cancel()
        await until(lambda: b"".join(got).endswith(b"\x1b[201~"))

    played(tmp_path, stops)
    assert len(b"".join(got)) < len(CONFIGURATION)


def test_too_much_is_refused_with_the_way_to_send_it(tmp_path: Path) -> None:
    async def pastes(scene: Scene) -> None:
        await scene.person.pastes("x" * (LARGEST_PASTE_BYTES + 1))
        (refused,) = scene.person.of(Refused)
        assert "524,289 bytes; 524,288 are the most" in refused.message
        assert "--send-file" in refused.hint
        # Many that fit one by one are no way around it.
        scene.person.heard.clear()
        for _ in range(3):
            scene.person.client.send(Paste("y\n" * (100 << 10)))
        await scene.person.hears(Refused)

    assert played(tmp_path, pastes, answer=None).lines == []


def test_who_has_no_control_pastes_nothing(tmp_path: Path) -> None:
    async def watches(scene: Scene) -> None:
        guest = Person(answer=True)
        await connect(scene.folder, guest.client)
        await guest.client.ask(Attach("sw1", "guest", read_only=True), Attached)
        guest.client.take_control()
        await guest.hears(Refused)
        guest.heard.clear()
        await guest.pastes("reload\n")
        assert "ada has control" in guest.of(Refused)[0].message
        assert guest.of(Ask) == []
        guest.client.close()

    assert played(tmp_path, watches).lines == []


def test_control_that_is_taken_ends_a_paste(tmp_path: Path) -> None:
    async def taken(scene: Scene) -> None:
        scene.person.client.send(Paste(CONFIGURATION))
        await until(lambda: len(scene.slow.lines) >= 2)
        other = Person(answer=True)
        await connect(scene.folder, other.client)
        await other.client.ask(Attach("sw1", "bob"), Attached)
        other.client.take_control()
        refused = await scene.person.hears(Refused)
        assert "bob has control" in refused.message
        other.client.close()

    assert len(played(tmp_path, taken).lines) < 6


def test_a_question_that_nobody_answers_holds_up_only_what_is_behind_it(tmp_path: Path) -> None:
    async def waits(scene: Scene) -> None:
        scene.person.client.send(Paste("x\n" * 3000))
        await scene.person.hears(Ask)
        assert await scene.person.client.cancel() == 6000
        await scene.person.client.write(b"typed\r")
        await until(lambda: scene.slow.lines == ["typed"])
        assert scene.person.of(Cancelled) == []  # it was the answer to the cancelling

    played(tmp_path, waits, answer=None)
