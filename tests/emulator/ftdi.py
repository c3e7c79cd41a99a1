"""A USB serial adapter for an emulated head: an FT232BM of our own behind USB/IP, so that the kernel's driver has it.

QEMU's own (usb-serial) drops breaks, and QEMU 7.2 ends when it is pulled out of an emulated board ("hw/usb/core.c:740:
usb_ep_get: Assertion `dev != NULL' failed"). This one hangs at a port of the head's vhci-hcd, as the workers' cables
do, knows what its driver asks of it and when, and is pulled by hanging up.

Sources: Linux' Documentation/usb/usbip_protocol.rst, drivers/usb/serial/ftdi_sio.h; FTDI's AN232B-05 (divisors).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import deque

from pibramble.targets.emulator import extras
from tests.emulator.bench import Bench

_SUBMIT, _UNLINK, _SUBMITTED, _UNLINKED = 1, 2, 3, 4
_HEAD = struct.Struct(">5I")  # command, number, device, direction, endpoint
_CMD_SUBMIT = struct.Struct(">I4i8s")  # flags, length, first frame, packets, interval, setup
_RET_SUBMIT = struct.Struct(">5i8x")  # status, length, first frame, packets, errors
_REST = 28  # of every message, behind its head
_IN = 1
_UNLINKED_STATUS, _STALL = -104, -32  # ECONNRESET, EPIPE

_DEVICE = bytes.fromhex("12 01 0002 00 00 00 08 0304 0160 0004 01 02 03 01")
_CONFIGURATION = bytes.fromhex(
    "09 02 2000 01 01 00 80 2d  09 04 00 00 02 ff ff ff 00  07 05 81 02 4000 00  07 05 02 02 4000 00"
)
_STRINGS = ("", "pibramble's tests", "serial adapter", "n{port}")
_PACKET = 64
_MODEM = 0xB1  # CTS, DSR and carrier, and the bit that is always set
_FRAMING_ERROR, _BREAK_SEEN = 0x08, 0x10  # line status
_SET_FLOW, _SET_BAUD, _SET_DATA, _GET_MODEM, _GET_LATENCY = 2, 3, 4, 5, 10
_BREAK = 1 << 14
_RTS_CTS = 1
_FULL_SPEED = 2
_CONTROLLER = "/sys/devices/platform/vhci_hcd.0"


class Ftdi:
    """The adapter, and the device at its other end."""

    def __init__(self, bench: Bench, port: int) -> None:
        """Make it, to be plugged into a port of the head's vhci-hcd (0 to 7, the first are the workers')."""
        self._bench, self._port = bench, port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._cable: socket.socket | None = None
        self._lock = threading.Lock()
        self._asked: deque[tuple[int, int]] = deque()  # number and length of reads that wait for something to come
        self._coming: deque[bytes] = deque()  # packets of the chip's
        self._low_since: float | None = None
        self.told = bytearray()  # what was sent on the line
        self.answer = b""  # what the device says after each line that it is told
        self.breaks_s: list[float] = []  # how long the line was held low, in this machine's seconds
        self.framing, self.baud, self.flow = "", 0.0, ""

    @property
    def by_path(self) -> str:
        """Return the name that udev gives it."""
        return f"/dev/serial/by-path/platform-vhci_hcd.0-usb-0:{self._port + 1}:1.0-port0"

    def plug(self) -> None:
        """Plug it in, and wait for the driver."""
        host, port = extras.HOST, self._listening.getsockname()[1]
        attach = f"exec 3<>/dev/tcp/{host}/{port} && echo {self._port} 3 0 {_FULL_SPEED} >{_CONTROLLER}/attach"
        self._listening.settimeout(60)
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        self._bench.on("head", f"sudo modprobe vhci-hcd && sudo bash -c '{attach}'")
        self._bench.on("head", f"for i in $(seq 60); do [ ! -e {self.by_path} ] || exit 0; sleep 1; done; exit 1", 300)

    def pull(self) -> None:
        """Pull it out: no driver is told before."""
        if self._cable is not None:
            with contextlib.suppress(OSError):
                self._cable.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Pull it, and throw it away."""
        self.pull()
        self._listening.close()

    def say(self, data: bytes, status: int = 0) -> None:
        """Have the device say something; a packet at a time."""
        with self._lock:
            for at in range(0, len(data), _PACKET - 2):
                self._coming.append(bytes([_MODEM, status]) + data[at : at + _PACKET - 2])
            self._answer_reads()

    def garble(self, data: bytes) -> None:
        """Have something arrive that has no stop bit where one should be."""
        self.say(data, _FRAMING_ERROR)

    def hold_low(self) -> None:
        """Have the device send a break: the chip says so with the NUL that it reads."""
        self.say(b"\0", _BREAK_SEEN)

    # --- USB/IP ---

    def _serve(self) -> None:
        cable, _ = self._listening.accept()
        cable.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._cable = cable
        self._asked.clear()
        with cable, cable.makefile("rb") as stream, contextlib.suppress(OSError):
            while head := stream.read(_HEAD.size):
                command, number, _, direction, endpoint = _HEAD.unpack(head)
                rest = stream.read(_REST)
                if command == _UNLINK:
                    self._unlink(number, *struct.unpack_from(">I", rest))
                    continue
                _, length, _, _, _, setup = _CMD_SUBMIT.unpack(rest)
                data = stream.read(length) if direction != _IN else b""
                if endpoint == 0:
                    self._control(number, setup)
                elif direction == _IN:
                    with self._lock:
                        self._asked.append((number, length))
                        self._answer_reads()
                else:
                    self._say_done(number, length=length)
                    self.told += data
                    if self.answer and b"\r" in data:
                        self.say(self.answer)

    def _unlink(self, number: int, unlinked: int) -> None:
        with self._lock:
            known = [asked for asked in self._asked if asked[0] == unlinked]
            for asked in known:
                self._asked.remove(asked)
            status = _UNLINKED_STATUS if known else 0
            self._send(_HEAD.pack(_UNLINKED, number, 0, 0, 0) + struct.pack(">i24x", status))

    def _answer_reads(self) -> None:
        while self._asked and self._coming:
            number, length = self._asked.popleft()
            answer = b""
            while self._coming and len(answer) + _PACKET <= length:
                answer += self._coming.popleft()
                if len(answer) % _PACKET:  # a short packet ends the transfer
                    break
            self._say_done(number, answer)

    def _say_done(self, number: int, data: bytes = b"", *, status: int = 0, length: int | None = None) -> None:
        head = _HEAD.pack(_SUBMITTED, number, 0, 0, 0)
        self._send(head + _RET_SUBMIT.pack(status, len(data) if length is None else length, 0, -1, 0) + data)

    def _send(self, message: bytes) -> None:
        if self._cable is not None:
            with contextlib.suppress(OSError):
                self._cable.sendall(message)

    # --- The chip ---

    def _control(self, number: int, setup: bytes) -> None:
        kind, request, value, index, length = struct.unpack("<BBHHH", setup)
        answers = {
            (0x80, 6): self._descriptor(value),
            (0x80, 0): b"\0\0",
            (0xC0, _GET_MODEM): bytes([_MODEM, 0x60]),
            (0xC0, _GET_LATENCY): b"\x10",
        }
        if kind & 0x80:
            answer = answers.get((kind, request))
            self._say_done(number, (answer or b"")[:length], status=_STALL if answer is None else 0)
            return
        if kind == 0x40:  # a vendor's request
            self._set(request, value, index)
        self._say_done(number)

    def _descriptor(self, value: int) -> bytes | None:
        kind, number = divmod(value, 256)
        if kind == 3 and number == 0:  # strings: in which languages
            return bytes.fromhex("04 03 0904")
        if kind == 3 and number < len(_STRINGS):
            text = _STRINGS[number].format(port=self._port).encode("utf-16-le")
            return bytes([len(text) + 2, 3]) + text
        return {1: _DEVICE, 2: _CONFIGURATION}.get(kind)

    def _set(self, request: int, value: int, index: int) -> None:
        if request == _SET_DATA:
            self.framing = f"{value & 0xF}{'NOEMS'[value >> 8 & 7]}{1 + (value >> 11 & 3) // 2}"
            if value & _BREAK:
                self._low_since = time.monotonic()
            elif self._low_since is not None:
                self.breaks_s.append(time.monotonic() - self._low_since)
                self._low_since = None
        elif request == _SET_BAUD:
            eighths = (0, 4, 2, 1, 3, 5, 6, 7)[value >> 14 | (index & 1) << 2]
            divisor = (value & 0x3FFF) + eighths / 8
            self.baud = {0.0: 3e6, 1.0: 2e6}.get(divisor) or 3e6 / divisor
        elif request == _SET_FLOW:
            self.flow = "rtscts" if index >> 8 & _RTS_CTS else ""
