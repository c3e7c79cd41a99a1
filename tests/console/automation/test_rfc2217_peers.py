"""Programs that nobody of us wrote use a line by RFC 2217: gensio's tool, ser2net and tio, socat."""

from __future__ import annotations

import os
import pty
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serial.rfc2217 import Serial

from pibramble.console.rfc2217_server import Listener
from tests.console.automation.conftest import Place
from tests.unit.console.benches import Bench, wait_until


class Stage:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.device = bench.device()
        self.line = bench.line(self.device)
        self.listener = Listener(self.line, 0)
        bench.do(self.listener.start())
        self.address = f"127.0.0.1,{self.listener.tcp_port}"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    bench = Bench(tmp_path / "console")
    stage = Stage(bench)
    yield stage
    bench.do(stage.listener.close())
    bench.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read_until(descriptor: int, wanted: bytes, seconds: float = 10) -> bytes:
    data, deadline = b"", time.monotonic() + seconds
    while wanted not in data and select.select([descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
        data += os.read(descriptor, 4096)
    return data


def test_gensio_passes_bytes_sets_the_line_and_sends_a_break(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []
    monkeypatch.setattr(stage.line._device, "hold_low", lambda *, low: held.append(low))  # noqa: SLF001 (a pty has no break)
    gensiot = subprocess.Popen(
        ["gensiot", "-e", "^\\", "-i", "stdio(self)", f"telnet(rfc2217),tcp,{stage.address}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert gensiot.stdin is not None
    assert gensiot.stdout is not None

    def types(data: bytes) -> None:
        assert gensiot.stdin is not None
        gensiot.stdin.write(data)
        gensiot.stdin.flush()

    try:
        types(b"show clock\r")
        assert stage.device.heard(11) == b"show clock\r"
        stage.device.say(b"*02:00:00\r\nsw1>\xff")
        assert read_until(gensiot.stdout.fileno(), b"\xff").endswith(b"*02:00:00\r\nsw1>\xff")
        types(b"\x1cs19200\n\x1c2\x1cx")
        wait_until(lambda: str(stage.line.settings) == "19200 8N2 xonxoff")
        types(b"\x1cb")
        wait_until(lambda: held == [True, False])
    finally:
        gensiot.kill()
        gensiot.communicate()
    wait_until(lambda: stage.line.writer is None)


def test_ser2net_and_tio_reach_the_line_together(stage: Stage, tmp_path: Path) -> None:
    """tio knows local devices only: ser2net makes one out of the line behind RFC 2217."""
    link = tmp_path / "tty"
    (tmp_path / "ser2net.yaml").write_text(
        f"connection: &one\n  accepter: conacc,pty(link={link},raw)\n  connector: telnet(rfc2217),tcp,{stage.address}\n"
    )
    ser2net = subprocess.Popen(["ser2net", "-n", "-d", "-c", str(tmp_path / "ser2net.yaml")], stderr=subprocess.PIPE)
    try:
        wait_until(link.exists)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvp("tio", ["tio", "-b", "9600", str(link)])  # noqa: S606 (no shell)
        read_until(terminal, b"Connected")
        os.write(terminal, b"show clock\r")
        assert stage.device.heard(11) == b"show clock\r"
        stage.device.say(b"sw1 answers\r\n")
        assert b"sw1 answers" in read_until(terminal, b"sw1 answers")
        os.write(terminal, b"\x14q")
        os.waitpid(pid, 0)
        os.close(terminal)
    finally:
        ser2net.kill()
        ser2net.communicate()


def test_socat_passes_bytes_though_it_knows_no_telnet(stage: Stage) -> None:
    socat = subprocess.Popen(
        ["socat", "-", f"TCP:127.0.0.1:{stage.listener.tcp_port}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert socat.stdin is not None
    assert socat.stdout is not None
    try:
        offers = read_until(socat.stdout.fileno(), bytes((255, 253, 44)))
        assert set(offers[::3]) == {255}, "three bytes an offer, which a terminal does not show"
        socat.stdin.write(b"show clock\r\n")
        socat.stdin.flush()
        assert stage.device.heard(11) == b"show clock\r"
        stage.device.say(b"sw1>")
        assert read_until(socat.stdout.fileno(), b"sw1>") == b"sw1>"
    finally:
        socat.kill()
        socat.communicate()


def test_serve_offers_the_lines_that_are_to_be(place: Place) -> None:
    first = free_port()
    with place.broker("--rfc2217", str(first)), Serial(f"rfc2217://127.0.0.1:{first}", timeout=5) as client:
        client.write(b"\r")
        assert b"User Access Verification" in client.read_until(b"Username: ")
