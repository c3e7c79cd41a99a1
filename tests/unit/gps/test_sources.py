"""Sources are told apart, and followed through all that happens to a port."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from pibramble.errors import PibrambleError, UsageError
from pibramble.gps import sources
from pibramble.gps.feed import feed
from pibramble.gps.framing import sentence
from pibramble.gps.model import GpsState, Mode, Origin, Source
from pibramble.gps.silence import Ear
from pibramble.progress import SilentProgress
from tests.unit.gps.daemons import free_port
from tests.unit.gps.gpsd_logs import OWN
from tests.unit.gps.receivers import receiver
from tests.unit.gps.test_protocols import ubx


def round_of() -> Iterator[bytes]:
    for second in range(10_000):
        clock = f"12{second // 60 % 60:02d}{second % 60:02d}"
        place = "4807.038,N,01131.324,E"
        yield (
            sentence(f"GPRMC,{clock},A,{place},000.5,054.7,250626,,,A")
            + sentence(f"GPGGA,{clock},{place},1,08,0.9,545.4,M,46.9,M,,")
        )


class Receiver:
    """A port behind a link, which can be unplugged and plugged in again under the same name."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self._rounds = round_of()
        self._stop = threading.Event()
        self._pair: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._speak, daemon=True)
        self.plug()
        self._thread.start()

    def plug(self) -> None:
        with self._lock:
            self._pair = os.openpty()
            tty.setraw(self._pair[1])
            os.set_blocking(self._pair[0], False)
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(os.ttyname(self._pair[1]))

    def unplug(self) -> None:
        with self._lock:
            for descriptor in self._pair or ():
                os.close(descriptor)
            self._pair = None
            self._link.unlink()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        if self._pair:
            self.unplug()

    def _speak(self) -> None:
        while not self._stop.wait(0.25):
            with self._lock:
                if self._pair:
                    os.write(self._pair[0], next(self._rounds))


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Receiver]:
    there = Receiver(tmp_path / "ttyGPS")
    yield there
    there.close()


def test_what_is_meant_is_told_by_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("")
    assert sources.named("") == Source(Origin.GPSD, "127.0.0.1:2947")
    assert sources.named("head:2999").origin is Origin.GPSD
    assert sources.named("/dev/tty0" if Path("/dev/tty0").exists() else "/dev/null").origin is Origin.PORT
    assert sources.named(str(tmp_path / "a.log")).origin is Origin.LOG
    assert sources.named("-").origin is Origin.LOG
    with pytest.raises(UsageError, match="no such port"):
        sources.named(str(tmp_path / "nosuch"))
    with pytest.raises(UsageError, match="is a folder"):
        sources.named(str(tmp_path))


def test_a_log_gives_a_state_for_each_epoch() -> None:
    states = list(sources.states(Source(Origin.LOG, str(OWN / "walk.log"))))
    assert len(states) == 30
    assert all(state.fix.mode is Mode.THREE_D and state.offset_s is None for state in states)


def test_a_receiver_that_is_unplugged_and_plugged_in_again_is_followed(port: Receiver, tmp_path: Path) -> None:
    following = sources.follow(Source(Origin.PORT, str(tmp_path / "ttyGPS"), baud=9600), SilentProgress())
    assert next(state for state in following if state.fix.located)
    port.unplug()
    gone = next(state for state in following if state.problem)
    assert "went away" in gone.problem
    port.plug()
    back = next(state for state in following if not state.problem)
    assert back.fix.located


def test_a_receiver_that_changes_its_speed_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "Ear", lambda: Ear(deaf_s=0.5))
    baud = [9600]
    rounds = round_of()
    with receiver(lambda: next(rounds), lambda: baud[0]) as path:
        following = sources.follow(Source(Origin.PORT, path), SilentProgress())
        first = next(state for state in following if state.fix.located)
        baud[0] = 4800
        later = next(state for state in following if state.source.baud != first.source.baud and state.fix.located)
    assert (first.source.baud, later.source.baud) == (9600, 4800)


def test_a_speed_that_is_asked_for_and_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "Ear", lambda: Ear(deaf_s=0.5))
    rounds = round_of()
    with receiver(lambda: next(rounds), 4800) as path:
        following = sources.follow(Source(Origin.PORT, path, baud=9600), SilentProgress(), for_s=20)
        assert "9600 baud may be the wrong speed" in next(state.problem for state in following if state.problem)


def test_a_receiver_that_falls_silent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "Ear", lambda: Ear(silent_s=0.5))
    rounds = round_of()
    with receiver(lambda: next(rounds, b"") if time.monotonic() < ends else b"") as path:
        ends = time.monotonic() + 1.5
        following = sources.follow(Source(Origin.PORT, path, baud=9600), SilentProgress(), for_s=20)
        silent = next(state for state in following if state.problem)
    assert "nothing has come since" in silent.problem
    assert silent.fix.located  # where it was last


def test_a_receiver_that_cannot_be_read_here_is_not_waited_for() -> None:
    with receiver(ubx() * 4) as path:
        following = sources.follow(Source(Origin.PORT, path), SilentProgress())
        with pytest.raises(PibrambleError, match="speaks u-blox UBX at 9600 baud") as raised:
            next(following)
    assert "gpsd reads it" in (raised.value.hint or "")


def test_a_pipe_gives_its_states_as_they_come(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDWR)  # so that nobody waits for the other end
    try:
        os.write(descriptor, next(round_of()))
        states = sources.states(Source(Origin.LOG, str(pipe)), until=time.monotonic() + 20)
        assert next(states).fix.located
        assert list(sources.states(Source(Origin.LOG, str(pipe)), until=time.monotonic() + 0.3)) == []
    finally:
        os.close(descriptor)


@pytest.mark.usefixtures("port")
def test_the_offset_is_the_systems_clock_less_the_receivers(tmp_path: Path) -> None:
    source = Source(Origin.PORT, str(tmp_path / "ttyGPS"), baud=9600)
    state = next(s for s in sources.states(source, 9600) if s.fix.time and s.offset_s is not None)
    assert state.fix.time is not None
    assert state.offset_s == pytest.approx(time.time() - state.fix.time.timestamp(), abs=2)


async def _first(source: Source, count: int) -> list[GpsState]:
    told: list[GpsState] = []
    async with aclosing(feed(source)) as states:
        async for state in states:
            told.append(state)
            if len(told) == count:
                break
    return told


@pytest.mark.usefixtures("port")
def test_a_page_is_fed_with_each_fix(tmp_path: Path) -> None:
    source = Source(Origin.PORT, str(tmp_path / "ttyGPS"), baud=9600)
    told = asyncio.run(asyncio.wait_for(_first(source, 3), 20))
    assert [state.fix.mode for state in told] == [3, 3, 3]
    assert all(state.chrony for state in told)


def test_a_page_is_told_that_there_is_nothing() -> None:
    source = Source(Origin.GPSD, f"127.0.0.1:{free_port()}")
    [state] = asyncio.run(asyncio.wait_for(_first(source, 1), 20))
    assert "no gpsd answers" in state.problem
