"""A receiver's log read by the direct reader, by pynmeagps' own reader, and by gpsd, which gets it over TCP.

All do their whole job: bytes in, fixes out. gpsd's is the time from the first byte sent to its last answer received.
"""

from __future__ import annotations

import datetime as dt
import io
import socket
import subprocess
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path

from common import Measured, Row, alone, alternate

from pibramble.gps.framing import sentence
from pibramble.gps.nmea import Reader

REPO = Path(__file__).parents[1]
GPSD = REPO / ".cache" / "gps" / "bin" / "gpsd"
_ROUNDS = 5
_EPOCHS = 600  # ten minutes of a receiver of four constellations that speaks once a second
_TIMEOUT_S = 120


def _log() -> bytes:
    """Return the log of the tests' walk, its half minute repeated with its times moved on."""
    walk = (REPO / "tests" / "data" / "gps" / "walk.log").read_bytes().splitlines()
    per_epoch = len(walk) // 30
    start = dt.datetime(2026, 6, 21, 10, 15, tzinfo=dt.UTC)
    lines = []
    for number in range(_EPOCHS):
        clock = f"{start + dt.timedelta(seconds=number):%H%M%S}".encode()
        for line in walk[:per_epoch]:
            content = line[1:].rpartition(b"*")[0].replace(b"101500", clock)
            lines.append(sentence(content.decode()))
    return b"".join(lines)


def _direct(log: bytes) -> float:
    began = time.perf_counter()
    reader = Reader()
    epochs = sum(1 for _ in reader.feed(log)) + (reader.finish() is not None)
    taken = time.perf_counter() - began
    if epochs != _EPOCHS:
        message = f"the direct reader found {epochs} epochs"
        raise RuntimeError(message)
    return taken


def _pynmeagps(log: bytes) -> float:
    from pynmeagps import NMEAReader

    began = time.perf_counter()
    sentences = sum(1 for _, parsed in NMEAReader(io.BytesIO(log)) if parsed is not None)
    taken = time.perf_counter() - began
    if sentences != log.count(b"\n"):
        message = f"pynmeagps found {sentences} sentences"
        raise RuntimeError(message)
    return taken


def _gpsd(log: bytes) -> float:
    last = (dt.datetime(2026, 6, 21, 10, 15, tzinfo=dt.UTC) + dt.timedelta(seconds=_EPOCHS - 1)).strftime(
        "%H:%M:%S.000Z"
    )
    with socket.create_server(("127.0.0.1", 0)) as feeder, tempfile.TemporaryDirectory() as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        device = f"tcp://127.0.0.1:{feeder.getsockname()[1]}"
        argv = [str(GPSD), "-N", "-n", "-S", str(port), "-F", f"{folder}/control", device]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            feeder.settimeout(_TIMEOUT_S)
            wire, _ = feeder.accept()
            with wire, _watcher(port) as watcher:
                began = time.perf_counter()
                threading.Thread(target=wire.sendall, args=(log,), daemon=True).start()
                heard = b""
                while last.encode() not in heard:
                    heard = heard[-100:] + watcher.recv(1 << 20)
                return time.perf_counter() - began
        finally:
            process.terminate()
            process.wait(10)


def _watcher(port: int) -> socket.socket:
    until = time.monotonic() + 10
    while True:
        try:
            watcher = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S)
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    watcher.sendall(b'?WATCH={"enable":true,"json":true};\n')
    time.sleep(0.5)  # its list of devices has come
    return watcher


def measure() -> list[Row]:
    """Return the table's rows, in sentences a second."""
    if not GPSD.exists() or find_spec("pynmeagps") is None:
        raise RuntimeError("`scripts/setup dev` and `scripts/setup gps` bring pynmeagps and gpsd")
    log = _log()
    count = log.count(b"\n")
    taken = alternate(
        {
            "direct reader": lambda: _direct(log),
            "pynmeagps": lambda: _pynmeagps(log),
            "gpsd": lambda: _gpsd(log),
        },
        _ROUNDS,
    )
    rates = {
        name: Measured(name, tuple(count / seconds for seconds in one.runs), "sentences/s")
        for name, one in taken.items()
    }
    for rate in rates.values():
        print(f"  {rate.name}: {rate.median:,.0f} sentences/s")
    what = f"reading NMEA, {count} sentences"
    return [
        Row(what, taken["direct reader"], taken["pynmeagps"], goal_ratio=0.5),
        Row(what, taken["direct reader"], taken["gpsd"]),
    ]


if __name__ == "__main__":
    alone(measure)
