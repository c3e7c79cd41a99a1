"""What hangs on an emulated head's serial ports: a receiver that replays a log, and a device with a prompt."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.emulator.bench import Bench

_WALK = Path(__file__).parents[1] / "data" / "gps" / "walk.log"


@contextmanager
def receiver(bench: Bench, port: Path) -> Iterator[None]:
    """Have a receiver at a port that says it is now, until the block ends."""
    words = ["gps", "replay", str(_WALK), "--now", "--loop", "--to", str(port)]
    playing = subprocess.Popen(
        [sys.executable, "-m", "pibramble", *words], cwd=bench.folder, env=bench.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        playing.terminate()
        playing.wait(20)


@contextmanager
def device(port: Path, answers: dict[str, str]) -> Iterator[list[str]]:
    """Have a device with a prompt at a port; yield what it is asked."""
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(port))

        def serve() -> None:
            pending = b""
            while piece := line.recv(1000):
                line.sendall(piece)  # the echo
                pending += piece
                while b"\r" in pending:
                    said, _, pending = pending.partition(b"\r")
                    asked.append(said.decode().strip())
                    line.sendall(f"\r\n{answers.get(asked[-1], '')}\r\nsw1#".encode())

        with _beside(serve, line):
            yield asked


@contextmanager
def drain(port: Path) -> Iterator[bytearray]:
    """Have a device at a port that reads and says nothing; yield what it is told."""
    arrived = bytearray()
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(port))

        def read() -> None:
            while piece := line.recv(65536):
                arrived.extend(piece)

        with _beside(read, line):
            yield arrived


@contextmanager
def flood(port: Path, lines_a_second: int = 50) -> Iterator[None]:
    """Have a device at a port that prints numbered lines without an end."""
    ended = threading.Event()
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(port))

        def pour() -> None:
            with suppress(OSError):  # it is over
                for number in itertools.count():
                    if ended.wait(1 / lines_a_second):
                        return
                    line.sendall(b"line %06d\r\n" % number)

        def read() -> None:
            threading.Thread(target=pour, daemon=True).start()
            while line.recv(65536):
                pass

        with _beside(read, line):
            try:
                yield
            finally:
                ended.set()


@contextmanager
def _beside(work: Callable[[], None], line: socket.socket) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        line.shutdown(socket.SHUT_RDWR)
        thread.join(10)
