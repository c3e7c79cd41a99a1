"""A line behind a TCP port does what pyserial's own RFC 2217 client asks, and a plain telnet is served as a person."""

from __future__ import annotations

import os
import socket
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from serial.rfc2217 import (
    FLOWCONTROL_RESUME,
    FLOWCONTROL_SUSPEND,
    NOTIFY_MODEMSTATE,
    SET_LINESTATE_MASK,
    Serial,
)

from pibramble.console import modem, rfc2217_server
from pibramble.console.line import Line
from pibramble.console.messages import Event
from pibramble.console.rfc2217_server import Listener
from pibramble.errors import BusyError, UsageError
from tests.unit.console.benches import Bench, Device, wait_until


class Stage:
    """A device, its line and its listener."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.device: Device = bench.device()
        self.line: Line = bench.line(self.device)
        self.listener = Listener(self.line, 0)
        bench.do(self.listener.start())
        self.clients: list[Serial | socket.socket] = []

    def serial(self, baud: int = 9600, stopbits: float = 1) -> Serial:
        """Connect as pyserial does."""
        client = Serial(f"rfc2217://127.0.0.1:{self.listener.tcp_port}", baudrate=baud, stopbits=stopbits, timeout=2)
        self.clients.append(client)
        return client

    def telnet(self) -> socket.socket:
        """Connect as somebody who knows no options."""
        client = socket.create_connection(("127.0.0.1", self.listener.tcp_port), timeout=2)
        self.clients.append(client)
        return client

    def speed(self) -> int:
        """Return the device's speed, as the far end of the pty sees it."""
        return int(termios.tcgetattr(self.device.master)[4])


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    bench = Bench(tmp_path)
    stage = Stage(bench)
    yield stage
    for client in stage.clients:
        client.close()
    bench.do(stage.listener.close())
    bench.close()


class Person:
    """Somebody in the shell."""

    name = "ada in the shell"
    may_write = True

    def deliver(self, data: bytes) -> None:
        pass

    def notice(self, event: Event) -> None:
        pass

    async def ask(self, question: str) -> bool:
        return bool(question)


def take_over(stage: Stage) -> Person:
    person = Person()
    stage.bench.call(stage.line.attach, person)
    stage.bench.call(stage.line.take_control, person)
    return person


def until(client: socket.socket, text: bytes) -> bytes:
    data = b""
    while text not in data:
        part = client.recv(4096)
        assert part, f"hung up after {data!r}"
        data += part
    return data


def test_every_byte_passes_both_ways(stage: Stage) -> None:
    client, every = stage.serial(), bytes(range(256)) * 40
    client.write(every)
    assert stage.device.heard(len(every)) == every
    stage.device.say(every[:3000])
    assert client.read(3000) == every[:3000]


def test_speed_and_framing_are_those_that_the_client_sets(stage: Stage) -> None:
    client = stage.serial(115_200, stopbits=2)
    assert str(stage.line.settings) == "115200 8N2"
    assert stage.speed() == termios.B115200
    client.baudrate = 38_400
    assert str(stage.line.settings) == "38400 8N2"
    client.xonxoff = True
    assert str(stage.line.settings) == "38400 8N2 xonxoff"


def test_what_the_device_does_not_take_is_refused_and_changes_nothing(stage: Stage) -> None:
    client = stage.serial()
    with pytest.raises((ValueError, serial.SerialException)):
        client.baudrate = 10  # no line has it
    with pytest.raises((ValueError, serial.SerialException)):
        client.parity = serial.PARITY_EVEN  # a pty has none
    assert str(stage.line.settings) == "9600 8N1"


def test_the_past_of_the_line_is_not_taken_for_an_answer(stage: Stage) -> None:
    stage.device.say(b"old news\r\nsw1>")
    wait_until(lambda: stage.line.last_line == "sw1>")
    client = stage.serial()
    stage.device.say(b"new")
    assert client.read(3) == b"new"


def test_a_break_is_held_as_long_as_the_client_wants(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    moments: list[tuple[bool, float]] = []
    device = stage.line._device  # noqa: SLF001 (a pty carries no break: what the line asks its device for is looked at)
    assert device is not None
    monkeypatch.setattr(device, "hold_low", lambda *, low: moments.append((low, time.monotonic())), raising=False)
    client = stage.serial()
    client.break_condition = True
    time.sleep(0.3)
    client.break_condition = False
    wait_until(lambda: len(moments) == 2)
    (on, began), (off, ended) = moments
    assert (on, off) == (True, False)
    assert 0.25 <= ended - began <= 0.6
    client.write(b"boot\r")
    assert stage.device.heard(5) == b"boot\r"


def test_what_is_written_during_a_break_ends_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []
    device = stage.line._device  # noqa: SLF001
    monkeypatch.setattr(device, "hold_low", lambda *, low: held.append(low), raising=False)
    client = stage.serial()
    client.break_condition = True
    wait_until(lambda: held == [True])
    client.write(b"x")
    assert stage.device.heard(1) == b"x"
    assert held == [True, False]


def test_a_device_without_modem_lines_looks_joined(stage: Stage) -> None:
    client = stage.serial()
    assert (client.cts, client.dsr, client.cd, client.ri) == (True, True, True, False)


def test_modem_lines_are_told_when_they_change_and_when_asked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = modem.Lines.DTR | modem.Lines.RTS
    on = ours | modem.Lines.CTS | modem.Lines.RI
    monkeypatch.setattr(modem, "lines", lambda _descriptor: on)
    client = stage.serial()
    wait_until(lambda: (client.cts, client.dsr, client.ri) == (True, False, True))
    on = ours
    wait_until(lambda: (client.cts, client.ri) == (False, False))
    vars(client)["_modemstate"] = None  # as if nothing had been told yet
    client.rfc2217_send_subnegotiation(NOTIFY_MODEMSTATE)
    wait_until(lambda: vars(client)["_modemstate"] == 0)


def test_errors_and_breaks_are_told_to_whoever_wants_to_hear_of_them(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = modem.Counts()
    monkeypatch.setattr(modem, "counts", lambda _descriptor: counts)
    client = stage.serial()
    client.rfc2217_send_subnegotiation(SET_LINESTATE_MASK, b"\x10")  # breaks alone
    time.sleep(0.3)
    counts = modem.Counts(framing_errors=3, breaks=1)
    wait_until(lambda: vars(client)["_linestate"] == 0x10)  # pyserial keeps it, and shows it to nobody


def test_a_client_that_wants_nothing_for_now_gets_it_later(stage: Stage) -> None:
    client = stage.serial()
    client.rfc2217_send_subnegotiation(FLOWCONTROL_SUSPEND)
    client.write(b"x")  # what follows in the stream has been read with it
    assert stage.device.heard(1) == b"x"
    stage.device.say(b"later")
    client.timeout = 0.3
    assert client.read(5) == b""
    client.rfc2217_send_subnegotiation(FLOWCONTROL_RESUME)
    client.timeout = 2
    assert client.read(5) == b"later"


def test_only_one_writes_and_a_program_is_hung_up_on(stage: Stage) -> None:
    person = take_over(stage)
    client = stage.serial()  # to look on with the line's own settings needs no control
    stage.device.say(b"for all")
    assert client.read(7) == b"for all"
    with pytest.raises((ValueError, serial.SerialException)):
        client.baudrate = 19_200
    assert stage.line.settings.baud == 9600
    client.write(b"reload\r")
    wait_until(lambda: len(stage.line.viewers) == 1)
    assert stage.line.writer is person
    assert stage.device.heard(1, 0.2) == b""


def test_control_is_taken_with_the_first_byte_and_given_back_at_the_end(stage: Stage) -> None:
    client = stage.serial()
    assert stage.line.writer is None
    client.write(b"x")
    assert stage.device.heard(1) == b"x"
    writer = stage.line.writer
    assert writer is not None
    assert writer.name.startswith("RFC 2217 from port")
    client.close()
    wait_until(lambda: stage.line.writer is None and not stage.line.viewers)


def test_a_person_is_told_once_who_has_control_and_may_write_when_it_is_free(stage: Stage) -> None:
    person = take_over(stage)
    client = stage.telnet()
    client.sendall(b"reload\r\nreload\r\n")
    said = until(client, b"nothing was sent]")
    assert b"[pibramble: ada in the shell has control; nothing was sent]" in said
    stage.bench.call(stage.line.release, person)
    client.sendall(b"show clock\r\n")
    assert stage.device.heard(11) == b"show clock\r"  # the profile's Enter, not telnet's end of line


def test_a_plain_telnet_gets_text_as_telnet_wants_it(stage: Stage) -> None:
    client = stage.telnet()
    until(client, bytes((255, 253, 44)))  # DO COM-PORT: the offers are through
    stage.device.say(b"10%\r20%\r\n\xff")
    assert until(client, b"\xff\xff").endswith(b"10%\r\x0020%\r\n\xff\xff")
    client.sendall(bytes((255, 246)))  # are you there?
    assert b"[pibramble: sw1, 9600 8N1, open]" in until(client, b"open]")


def test_a_break_of_telnet_is_one_of_the_profiles_length(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    moments: list[float] = []
    device = stage.line._device  # noqa: SLF001
    monkeypatch.setattr(
        device, "hold_low", lambda *, low: moments.append(time.monotonic() * (-1 if low else 1)), raising=False
    )
    stage.telnet().sendall(bytes((255, 243)))
    wait_until(lambda: len(moments) == 2)
    assert 0.29 <= sum(moments) <= 0.5


def test_a_program_is_hung_up_on_when_its_device_is_gone(stage: Stage) -> None:
    client, person = stage.serial(), stage.telnet()
    until(person, bytes((255, 253, 44)))
    os.close(stage.device.master)
    stage.device.master = os.open(os.devnull, os.O_RDWR)
    wait_until(lambda: len(stage.line.viewers) == 1)
    assert b"[pibramble: sw1 is absent" in until(person, b"sw1 is absent")
    with pytest.raises(serial.SerialException):
        wait_until(lambda: client.read(1) == b"never")  # until its own thread has seen that the line is closed


def test_a_client_that_reads_nothing_is_hung_up_on_and_harms_nobody(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rfc2217_server, "VIEWER_BACKLOG_BYTES", 100_000)
    stalled = stage.telnet()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wait_until(lambda: len(stage.line.viewers) == 1)
    block = b"x" * 2000
    for _ in range(5000):
        stage.device.say(block)
        if not stage.line.viewers:
            break
    wait_until(lambda: not stage.line.viewers)


def test_nonsense_is_hung_up_on_in_words(stage: Stage) -> None:
    client = stage.telnet()
    client.sendall(bytes((255, 250, 44)) + b"x" * 5000)
    assert b"[pibramble: a telnet subnegotiation of more than 1024 bytes]" in until(client, b"bytes]")


def test_nothing_but_loopback_is_listened_on(stage: Stage) -> None:
    with pytest.raises(UsageError, match="no security of its own"):
        Listener(stage.line, 7001, "0.0.0.0")  # noqa: S104 (that is the point)


def test_a_port_that_is_taken_is_named(stage: Stage) -> None:
    with pytest.raises(BusyError, match=r"sw1: cannot listen on 127\.0\.0\.1"):
        stage.bench.do(Listener(stage.line, stage.listener.tcp_port).start())
