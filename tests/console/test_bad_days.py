"""Adapters that are pulled out, disks that are full, viewers that sleep, brokers that are killed."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from pibramble.console.backlog import VIEWER_BACKLOG_BYTES
from pibramble.console.log import HELD
from pibramble.console.messages import (
    Attach,
    Cancel,
    Frames,
    Kind,
    Request,
    Take,
    data_frame,
    decode_reply,
    encode,
    message_frame,
)
from tests.console.lines import PATIENCE_S, Person, Serve, Wire, until

Sit = Callable[..., Person]


class Client:
    """A client with a plain socket, which reads when the test says so."""

    def __init__(self, serve: Serve, name: str = "somebody") -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(serve.folder / "broker.sock"))
        self._frames = Frames()
        self.data = bytearray()
        self.said: list[str] = []
        self.say(Attach("sw1", name))

    def say(self, request: Request) -> None:
        self.socket.sendall(message_frame(request))

    def read(self, seconds: float) -> bytearray:
        """Take what comes in so many seconds; return all that the line has printed."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                received = self.socket.recv(1 << 20)
            except (TimeoutError, BlockingIOError):
                break
            if not received:
                break
            for kind, content in self._frames.feed(received):
                if kind is Kind.DATA:
                    self.data += content
                else:
                    self.said.append(type(decode_reply(content)).__name__)
        return self.data


@contextmanager
def poured(wire: Wire, content: bytes) -> Iterator[threading.Thread]:
    """Let the device print, as fast as it can."""
    with wire.at_far_end() as far:

        def pour() -> None:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(far, rest[:65536]) :]

        thread = threading.Thread(target=pour)
        thread.start()
        yield thread
        thread.join()


def state(serve: Serve) -> str:
    ports = json.loads(serve.pibramble("console", "--json").stdout)["ports"]
    return next(str(port["state"]) for port in ports if port["name"] == "sw1")


def test_an_adapter_that_is_pulled_while_somebody_writes_comes_back(wire: Wire, serve: Serve, person: Sit) -> None:
    ada = person()
    ada.hears("you have control")
    ada.types("x" * 3000)
    wire.pull()
    ada.types("y" * 3000)
    ada.sees("sw1:")
    until(lambda: state(serve) == "absent")
    wire.plug()
    ada.sees("the device is back")
    with wire.at_far_end() as far:
        ada.types("again")
        assert b"again" in os.read(far, 100)
        os.write(far, b"hello again")
        ada.sees("hello again")
    log = serve.log()
    assert "--- lost " in log
    assert log.count("--- opened ") == 2
    assert "hello again" in log


def test_a_killed_broker_leaves_no_lock_and_no_hole_but_the_time_it_was_down(wire: Wire, serve: Serve) -> None:
    with wire.at_far_end() as far:
        for number in range(200):
            os.write(far, b"line %05d\r\n" % number)
        os.write(far, b"half a l")
        until(lambda: "half a l" in serve.log())
        serve.process.kill()
        serve.process.wait()
        fd = os.open(wire.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it
        os.close(fd)
        serve.start()
        for number in range(200, 400):
            os.write(far, b"line %05d\r\n" % number)
        until(lambda: "line 00399" in serve.log())
    log = serve.log()
    assert [int(number) for number in re.findall(r"line (\d{5})", log)] == list(range(400))
    assert log.count("--- nothing was recorded since ") == 1
    assert serve.end() == 0
    assert not (serve.folder / "broker.sock").exists()


def test_a_broker_that_is_killed_in_mid_flood_leaves_one_hole_that_is_marked(wire: Wire, serve: Serve) -> None:
    content = b"".join(b"line %07d\r\n" % number for number in range(200_000))
    with poured(wire, content) as pouring:
        until(lambda: "line 0002000" in serve.log())
        serve.process.kill()
        serve.process.wait()
        assert pouring.is_alive(), "it was to be killed before the end"
        serve.start()
        until(lambda: "line 0199999" in serve.log())
    log = serve.log()
    before, mark, after = log.partition("--- nothing was recorded since ")
    assert mark
    first, second = ([int(number) for number in re.findall(r"line (\d{7})\n", part)] for part in (before, after))
    assert first == list(range(len(first)))
    assert second == list(range(second[0], 200_000))


def test_a_half_line_that_was_held_back_is_said_to_be_lost(wire: Wire, serve: Serve) -> None:
    with wire.at_far_end() as far:
        os.write(far, b"sw1(config)#\r\nenable secret hunter2")
        until((serve.folder / "logs" / "sw1" / HELD).exists)
        serve.process.kill()
        serve.process.wait()
        serve.start()
    assert "is lost ---" in serve.log()
    assert "hunter2" not in serve.log()


def test_a_browser_that_stops_reading_does_not_hold_the_line_up(wire: Wire, serve: Serve) -> None:
    serve.end()
    serve.start("--listen", "127.0.0.1:0")
    until(lambda: "pages: " in serve.said)
    [address] = re.findall(r"^pages: http(://\S+)/$", serve.said, re.MULTILINE)
    line = b"%07d the quick brown fox jumps over the lazy dog\r\n"
    count = 16 * (1 << 20) // 53
    content = b"".join(line % number for number in range(count))
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)  # or the kernel would read on for it
    host, port = address.removeprefix("://").split(":")
    narrow.connect((host, int(port)))
    origin = Origin(f"http{address}")
    with connect(f"ws{address}/socket", sock=narrow, origin=origin, max_queue=4, ping_interval=None) as browser:
        browser.send(encode(Attach("sw1", "a tab")))
        while '"restored"' not in str(browser.recv(PATIENCE_S)):
            pass
        before_kib = serve.rss_kib
        with poured(wire, content) as pouring:  # and the browser reads nothing
            pouring.join()
        until(lambda: f"{count - 1:07}" in serve.log()[-200:])  # the line was read on, to its end
        grown_bytes = (serve.rss_kib - before_kib) << 10
        assert grown_bytes < 8 * VIEWER_BACKLOG_BYTES, f"it has grown by {grown_bytes:,} bytes"
        shown, said = b"", ""
        while not shown.endswith(content[-1000:]):
            piece = browser.recv(PATIENCE_S)
            shown, said = (shown + piece, said) if isinstance(piece, bytes) else (shown, said + piece)
        assert '"missed"' in said
        assert len(shown) < len(content)


def test_a_viewer_that_never_reads_harms_nobody(wire: Wire, serve: Serve) -> None:
    line = b"%07d the quick brown fox jumps over the lazy dog\r\n"
    content = b"".join(line % number for number in range(24 * (1 << 20) // 53))
    awake, asleep = Client(serve, "awake"), Client(serve, "asleep")
    awake.read(1)
    before_kib = serve.rss_kib
    with poured(wire, content) as pouring:
        deadline = time.monotonic() + 100
        while len(awake.data) < len(content) and time.monotonic() < deadline:
            awake.read(0.5)
        pouring.join()
    assert bytes(awake.data) == content
    assert "Missed" not in awake.said
    grown_bytes = (serve.rss_kib - before_kib) << 10
    assert grown_bytes < 8 * VIEWER_BACKLOG_BYTES, f"it has grown by {grown_bytes:,} bytes"
    until(lambda: f"{24 * (1 << 20) // 53 - 1:07}" in serve.log()[-200:])
    files = [serve.folder / f"logs/sw1/console.log{end}" for end in (".7", ".6", ".5", ".4", ".3", ".2", ".1", "")]
    logged = b"".join(file.read_bytes() for file in files if file.exists())
    numbers = [int(found) for found in re.findall(rb"Z (\d{7}) the quick", logged)]
    assert numbers == list(range(24 * (1 << 20) // 53))
    asleep.read(5)
    assert "Missed" in asleep.said
    assert asleep.data.endswith(content[-1000:])


def test_noise_at_the_wrong_speed_is_only_noise(wire: Wire, serve: Serve) -> None:
    ada = Client(serve)
    noise = os.urandom(1 << 20)
    with poured(wire, noise):
        until(lambda: len(ada.read(0.2)) >= len(noise))
    with wire.at_far_end() as far:
        os.write(far, b"\r\nRouter>")
        until(lambda: b"Router>" in ada.read(0.2))
    assert state(serve) == "open"
    bob = Client(serve)
    bob.read(1)
    assert b"Router>" in bob.data


def test_ten_megabytes_without_a_line_end_wait_for_the_device_and_can_be_thrown_away(
    wire: Wire, serve: Serve, person: Sit
) -> None:
    with wire.at_far_end() as far:
        ada = person()
        ada.hears("you have control")
        paste = b"0123456789abcdef" * (10 << 16)  # with line ends it is a paste, and refused: test_paste_shell.py
        os.set_blocking(ada.fd, False)
        sent = 0
        while sent < len(paste):
            try:
                sent += os.write(ada.fd, paste[sent : sent + 65536])
            except BlockingIOError:
                ada.look(0.01)
        os.set_blocking(ada.fd, True)
        ada.types("\x1dc")
        ada.sees("bytes thrown away")
        assert serve.rss_kib < 200 << 10
        os.set_blocking(far, False)
        arrived = _read(far, 1.0)
        assert len(arrived) < 1 << 20, "the device does not read: what it has not taken is thrown away"
        ada.types("after")
        until(lambda: b"after" in _read(far, 0.2))


def _read(fd: int, seconds: float) -> bytes:
    data, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            data += os.read(fd, 65536)
        except BlockingIOError:
            time.sleep(0.02)
    return data


def test_two_who_write_at_once_do_not_mix(wire: Wire, serve: Serve) -> None:
    with wire.at_far_end() as far:
        one, other = Client(serve, "one"), Client(serve, "other")
        got = bytearray()
        for turn in range(40):
            writer, letter = ((one, b"A"), (other, b"B"))[turn % 2]
            writer.say(Take())
            for client, mark in ((one, b"A"), (other, b"B")):
                client.socket.sendall(data_frame(mark * 500))
            os.set_blocking(far, False)
            deadline = time.monotonic() + 5
            turn_got = b""
            while letter * 500 not in turn_got and time.monotonic() < deadline:
                try:
                    turn_got += os.read(far, 65536)
                except BlockingIOError:
                    time.sleep(0.002)
            got += turn_got
            one.read(0.01)
            other.read(0.01)
    runs = re.findall(rb"A+|B+", bytes(got))
    assert all(len(run) % 500 == 0 for run in runs), [len(run) for run in runs]
    assert got.count(b"A") >= 500 * 20
    assert got.count(b"B") >= 500 * 20


def test_a_cancelled_write_says_how_much_was_thrown_away(wire: Wire, serve: Serve) -> None:
    del wire
    ada = Client(serve)
    ada.say(Take())
    for _ in range(8):
        ada.socket.sendall(data_frame(b"z" * 16384))  # nobody reads at the far end
    ada.say(Cancel())
    until(lambda: ada.read(0.2) is not None and "Cancelled" in ada.said)


@pytest.mark.skipif(os.getuid() != 0, reason="a small disk of its own takes root to mount")
def test_a_full_log_disk_stops_nobody_and_leaves_a_mark(wire: Wire, tmp_path: Path) -> None:
    disk = tmp_path / "state"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "small", disk], check=True)
    try:
        serve = Serve(tmp_path, wire.device)
        ada = Client(serve)
        content = b"".join(b"%06d 0123456789\r\n" % number for number in range(30_000))
        with poured(wire, content):
            until(lambda: len(ada.read(0.3)) >= len(content))
        assert bytes(ada.data) == content
        assert "Notice" in ada.said
        (serve.folder / "logs/sw1/console.log").write_bytes(b"")  # somebody makes room
        time.sleep(1.2)
        with wire.at_far_end() as far:
            os.write(far, b"recorded again\r\n")
            until(lambda: "recorded again" in serve.log())
        assert re.search(r"--- \d+ bytes were not recorded between ", serve.log())
        assert serve.end() == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_port_that_another_program_holds_is_busy_until_it_lets_go(wire: Wire, tmp_path: Path) -> None:
    device = wire.device.resolve()
    consoles = f'[[consoles]]\nname = "sw1"\nport = "{device}"\nprofile = "cisco-ios"\n'
    (tmp_path / "cluster.toml").write_text(f'[[workers]]\nname = "zero1"\n{consoles}')
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("picocom", ["picocom", "--quiet", "--noinit", str(device)])  # noqa: S606 (no shell)
    until(lambda: device in _open_files(pid), "picocom does not open it")
    time.sleep(0.3)  # until it has its locks
    serve = Serve(tmp_path)
    serve.folder = next((tmp_path / "state").glob("*/console"))
    assert state(serve) == "busy"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    until(lambda: state(serve) == "open")
    refused = subprocess.run(["picocom", str(device)], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert refused.returncode != 0
    assert serve.end() == 0


def _open_files(pid: int) -> set[Path]:
    return {file.resolve() for file in Path(f"/proc/{pid}/fd").iterdir()}


def test_a_second_broker_for_the_same_lines_is_refused(serve: Serve) -> None:
    done = serve.pibramble("serve")
    assert done.returncode == 6
    assert "another broker" in done.stderr


def test_what_speaks_another_protocol_is_told_and_hung_up_on(serve: Serve) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(serve.folder / "broker.sock"))
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        stranger.settimeout(10)
        said = b""
        while part := stranger.recv(4096):
            said += part
    assert b"unknown kind" in said
    assert serve.process.poll() is None
