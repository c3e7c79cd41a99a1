"""What gpsd answers becomes the same state as what the direct reader finds."""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.errors import NotUpError, UsageError
from pibramble.gps import sources
from pibramble.gps.framing import Framer
from pibramble.gps.gpsd import Client
from pibramble.gps.model import Constellation, GpsState, Mode, Origin, Quality, Source
from tests.unit.gps.daemons import answers, free_port, gpsd, needs_gpsd
from tests.unit.gps.gpsd_logs import OWN, epochs

TPV = {
    "class": "TPV", "device": "/dev/ttyUSB0", "mode": 3, "time": "2026-06-25T12:00:00.500Z", "leapseconds": 18,
    "lat": 48.1173, "lon": 11.516667, "alt": 999.0, "altMSL": 545.4, "altHAE": 592.3, "speed": 1.5, "track": 54.7,
    "eph": 17.1, "status": 2,
}  # fmt: skip
SKY = {
    "class": "SKY", "hdop": 0.9, "nSat": 2, "uSat": 1,
    "satellites": [
        {"PRN": 3, "gnssid": 0, "svid": 3, "az": 118.0, "el": 62.0, "ss": 44.0, "used": True},
        {"PRN": 305, "gnssid": 2, "svid": 5, "sigid": 3, "used": False},
    ],
}  # fmt: skip


def told(*answered: object, now_s: float | None = None) -> GpsState:
    client = Client("127.0.0.1:2947")
    client.feed(b"".join(json.dumps(answer).encode() + b"\r\n" for answer in answered), now_s)
    return client.state


def test_a_report_of_position_is_a_fix() -> None:
    fix = told(TPV).fix
    assert fix.time == dt.datetime(2026, 6, 25, 12, 0, 0, 500_000, tzinfo=dt.UTC)
    assert (fix.mode, fix.quality) == (Mode.THREE_D, Quality.DIFFERENTIAL)
    assert (fix.altitude_msl_m, fix.altitude_hae_m) == (545.4, 592.3)  # never `alt`
    assert told(TPV).leap_seconds == 18


def test_the_system_clock_is_held_against_the_report_until_gpsd_does_so_itself() -> None:
    at = dt.datetime(2026, 6, 25, 12, 0, 1, tzinfo=dt.UTC).timestamp()
    assert told(TPV, now_s=at).offset_s == pytest.approx(0.5)
    toff = {"class": "TOFF", "real_sec": 100, "real_nsec": 900_000_000, "clock_sec": 101, "clock_nsec": 20_000_000}
    assert told(TPV, toff, now_s=at).offset_s == pytest.approx(0.12)
    pps = {**toff, "class": "PPS", "clock_sec": 100, "clock_nsec": 900_000_123, "precision": -20}
    pulse = told(pps).pulse
    assert pulse is not None
    assert pulse.offset_s == pytest.approx(1.23e-7, abs=1e-12)


def test_a_sky_lists_satellites_and_one_without_them_leaves_them_as_they_were() -> None:
    state = told(TPV, SKY, {"class": "SKY", "hdop": 1.2})
    assert [s.constellation for s in state.sky.satellites] == [Constellation.GPS, Constellation.GALILEO]
    assert (state.sky.hdop, state.sky.used) == (1.2, 1)
    assert [s.signal for s in state.sky.satellites] == ["", "E5a I"]  # gpsd says nothing of the first signal
    assert not told(SKY, {"class": "SKY", "nSat": 0}).sky.satellites


def test_devices_and_errors_are_told() -> None:
    devices = {"class": "DEVICES", "devices": [{"path": "/dev/ttyACM0", "driver": "u-blox", "bps": 9600}]}
    source = told(devices).source
    assert (source.device, source.driver, source.baud) == ("/dev/ttyACM0", "u-blox", 9600)
    assert "no receiver" in told({"class": "DEVICES", "devices": []}).problem
    assert "lost" in told({"class": "DEVICE", "path": "/dev/ttyACM0", "activated": 0}).problem
    assert told({"class": "ERROR", "message": "bad request"}).problem == "gpsd says: bad request"


def test_lines_may_come_in_pieces_and_nonsense_is_counted() -> None:
    client = Client("x")
    data = json.dumps(TPV).encode() + b"\n" + b"{nonsense\n[1,2]\n" + b"x" * 70_000
    for at in range(0, len(data), 7):
        client.feed(data[at : at + 7])
    assert client.state.fix.mode is Mode.THREE_D
    assert client.state.counts.wrong == 2


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(["TPV", "SKY", "TOFF", "PPS", "DEVICES", "DEVICE", "ERROR", "VERSION"]), st.data())
def test_no_answer_makes_it_fail(kind: str, data: st.DataObject) -> None:
    keys = sorted({*TPV, *SKY, "devices", "activated", "path", "real_sec", "clock_sec", "nSat", "message"} - {"class"})
    answer = {key: data.draw(_JSON) for key in data.draw(st.lists(st.sampled_from(keys), unique=True, max_size=6))}
    told({**answer, "class": kind}, now_s=0.0)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("head", ("head", 2947)), ("head:2999", ("head", 2999)), ("[::1]:2999", ("::1", 2999)), ("::1", ("::1", 2947)),
        ("192.0.2.1", ("192.0.2.1", 2947)),
    ],
)  # fmt: skip
def test_a_gpsd_is_named_by_host_and_port(name: str, meant: tuple[str, int]) -> None:
    assert sources.address(name) == meant


@pytest.mark.parametrize("name", ["head:port", "head:70000"])
def test_what_names_no_port_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="names no gpsd"):
        sources.address(name)


def test_where_no_gpsd_answers_it_is_said() -> None:
    with pytest.raises(NotUpError, match="connection refused"):
        next(sources.states(Source(Origin.GPSD, f"127.0.0.1:{free_port()}")))


@contextmanager
def fed(log: bytes) -> Iterator[str]:
    """Give a pseudo-terminal that says a log's rounds over and over, from other days than today's."""
    master, slave = os.openpty()
    stop = threading.Event()

    def speak() -> None:
        while not stop.is_set():
            for line in log.splitlines(keepends=True):
                os.write(master, line)
                if stop.wait(0.02):
                    return

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        stop.set()
        thread.join(5)
        os.close(slave)
        os.close(master)


@needs_gpsd
def test_the_real_gpsd_and_the_direct_reader_agree_on_what_they_hear_at_once() -> None:
    log = (OWN / "walk.log").read_bytes()
    places = {(round(e.fix.latitude_deg or 0, 8), round(e.fix.longitude_deg or 0, 8)): e.fix for e in epochs(log)}
    with fed(log) as path, gpsd(path) as port:
        source = Source(Origin.GPSD, f"127.0.0.1:{port}")
        seen: list[GpsState] = []
        for state in sources.states(source, until=time.monotonic() + 30):
            # Where gpsd begins in the middle of an epoch, it knows no date, so no time, before the next one's RMC.
            dated = bool(seen) or state.fix.time is not None
            if dated and state.fix.located and state.fix.altitude_msl_m is not None:
                seen.append(state)
            if len(seen) >= 10:
                break
    assert len(seen) >= 10
    for state in seen:
        ours = places[round(state.fix.latitude_deg or 0, 8), round(state.fix.longitude_deg or 0, 8)]
        assert (ours.mode, ours.time) == (state.fix.mode, state.fix.time)
        assert ours.altitude_msl_m == pytest.approx(state.fix.altitude_msl_m)
        assert ours.speed_mps == pytest.approx(state.fix.speed_mps, abs=1e-3)
    assert seen[-1].source.device == path
    assert seen[-1].sky.satellites


@needs_gpsd
def test_gpsds_answers_kept_with_the_logs_are_those_of_the_real_one() -> None:
    log = (OWN / "midnight.log").read_bytes()
    said = [line for line in answers(log) if line.startswith(b"$")]
    assert [line.lstrip(b"$").rpartition(b"*")[0] for line in said] == list(Framer().feed(log))


@needs_gpsd
def test_a_gpsd_without_a_receiver_says_so() -> None:
    with gpsd() as port, socket.create_connection(("127.0.0.1", port)):
        states = sources.states(Source(Origin.GPSD, f"127.0.0.1:{port}"), until=time.monotonic() + 3)
        assert any("no receiver" in state.problem for state in states)
