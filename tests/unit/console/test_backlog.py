"""A viewer's queue: in order, bounded, and made up for when it overflows."""

from __future__ import annotations

import asyncio

from pibramble.console.backlog import MOST_MESSAGES, Backlog
from pibramble.console.messages import Missed, Notice, Restored


def drain(backlog: Backlog) -> list[object]:
    found: list[object] = []
    while (piece := backlog.take()) is not None:
        found.append(piece)
    return found


def test_bytes_and_messages_keep_their_order() -> None:
    backlog = Backlog(lambda: b"")
    backlog.deliver(b"one ")
    backlog.deliver(b"two")
    backlog.say(Notice("sw1", "hi"))
    backlog.deliver(b"three")
    assert drain(backlog) == [b"one two", Notice("sw1", "hi"), b"three"]


def test_who_is_too_slow_gets_the_screen_instead_of_what_he_missed() -> None:
    backlog = Backlog(lambda: b"the screen now", limit_bytes=100)
    backlog.deliver(b"x" * 60)
    backlog.say(Notice("sw1", "kept"))
    backlog.deliver(b"y" * 60)
    backlog.deliver(b"z" * 1000)
    assert drain(backlog) == [Notice("sw1", "kept"), Missed(1120), Restored(14), b"the screen now"]
    backlog.deliver(b"live")
    assert drain(backlog) == [b"live"]


def test_a_viewer_that_reads_nothing_keeps_no_endless_list_of_messages() -> None:
    backlog = Backlog(lambda: b"")
    for number in range(3 * MOST_MESSAGES):
        backlog.deliver(b"x")
        backlog.say(Notice("sw1", str(number)))
    messages = [piece for piece in drain(backlog) if isinstance(piece, Notice)]
    assert len(messages) <= MOST_MESSAGES
    assert messages[-1].text == str(3 * MOST_MESSAGES - 1)


def test_waiting_ends_when_something_comes() -> None:
    async def scenario() -> object:
        backlog = Backlog(lambda: b"")
        waiting = asyncio.create_task(backlog.next())
        await asyncio.sleep(0)
        backlog.deliver(b"now")
        return await asyncio.wait_for(waiting, 1)

    assert asyncio.run(scenario()) == b"now"
