"""What hangs on an emulated head's serial ports: a receiver that replays a log, and a device with a prompt."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield asked
        finally:
            line.shutdown(socket.SHUT_RDWR)
            thread.join(10)
