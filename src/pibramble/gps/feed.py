"""States for a page in a browser: as they come, from inside an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing

import attrs

from pibramble.errors import PibrambleError
from pibramble.gps import chrony, port, sources
from pibramble.gps.model import Chrony, GpsState, Source
from pibramble.gps.silence import Ear

_CHRONY_EVERY_S = 5.0
_AGAIN_S = 2.0


async def feed(source: Source, baud: int = 9600) -> AsyncGenerator[GpsState, None]:
    """Yield a state for each new fix, and once a second while there is none.

    It does not end: a source that is not there is tried again, and its `problem` told. Closing it lets go of the
    source.
    """
    clock = _Clock()
    while True:
        state = GpsState(source)
        try:
            async with aclosing(_states(source, baud)) as states:
                async for state in states:
                    yield attrs.evolve(state, chrony=await clock.ask())
        except PibrambleError as error:
            yield attrs.evolve(state, problem=error.message, chrony=await clock.ask())
        await asyncio.sleep(_AGAIN_S)


async def _states(source: Source, baud: int) -> AsyncGenerator[GpsState, None]:
    following, ear = sources.follower(source), Ear()
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        # Connecting may take seconds.
        descriptor = await asyncio.to_thread(stack.enter_context, sources.opened(source, baud))
        ready = asyncio.Event()
        loop.add_reader(descriptor, ready.set)
        stack.callback(loop.remove_reader, descriptor)
        told_s = time.monotonic()
        while True:
            block = b""
            try:
                await asyncio.wait_for(ready.wait(), sources.pause(source))
                ready.clear()
                block = port.take(descriptor, source.name)
            except TimeoutError:
                pass  # nothing came: that, too, is told
            changed, now_s = following.feed(block, time.time()), time.monotonic()
            if changed or now_s - told_s >= sources.TOLD_AGAIN_S:
                told_s = now_s
                yield ear.told(following.state, now_s, time.time())


@attrs.define
class _Clock:
    """Asks chrony now and then: it costs a process."""

    said: Chrony | None = None
    asked_s: float = -_CHRONY_EVERY_S

    async def ask(self) -> Chrony:
        if self.said is None or time.monotonic() - self.asked_s >= _CHRONY_EVERY_S:
            self.said = await asyncio.to_thread(chrony.ask)
            self.asked_s = time.monotonic()
        return self.said
