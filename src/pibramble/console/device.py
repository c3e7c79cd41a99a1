"""What stands behind a port: a serial device, or the socket that an emulator offers for one."""

from __future__ import annotations

import socket
from typing import Protocol

from pibramble.console.model import Port, Settings, State
from pibramble.errors import Exit, PibrambleError

READ_BYTES = 64 << 10


class DeviceError(PibrambleError):
    """A device cannot be opened or used; `state` says how its port is."""

    def __init__(
        self, message: str, *, state: State = State.FAILED, hint: str = "", exit_code: Exit | None = None
    ) -> None:
        """Say what is wrong."""
        if exit_code is None and state is State.ABSENT:
            exit_code = Exit.NOT_UP
        super().__init__(message, hint=hint, exit_code=exit_code)
        self.state = state


class Device(Protocol):
    """An open device. Reading and writing never wait."""

    def fileno(self) -> int:
        """Return its descriptor, for the event loop."""
        ...

    def read(self) -> bytes:
        """Return what has come; nothing at the end. Raises BlockingIOError, or OSError when it is gone."""
        ...

    def write(self, data: bytes | memoryview) -> int:
        """Write, and return how much was taken. Raises BlockingIOError, or OSError when it is gone."""
        ...

    def configure(self, settings: Settings) -> None:
        """Set speed and framing. Raises DeviceError."""
        ...

    def hold_low(self, *, low: bool) -> None:
        """Begin or end a break. Raises DeviceError."""
        ...

    def unsent(self) -> int:
        """Return how many bytes were taken and are not on the wire yet."""
        ...

    def close(self) -> None:
        """Let go of it, and of its locks."""
        ...


def open_device(port: Port, settings: Settings) -> Device:
    """Open what stands behind a port. Raises DeviceError."""
    if port.socket is not None:
        return SocketDevice(port.socket)
    from pibramble.console.tty import Tty

    return Tty(port.device, settings)


class SocketDevice:
    """A Unix socket that stands for a serial line, as QEMU offers one for each emulated UART."""

    def __init__(self, path: str) -> None:
        """Connect. Raises DeviceError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(1)  # the other end accepts at once, or does not live
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            gone = isinstance(error, (FileNotFoundError, ConnectionRefusedError))
            raise DeviceError(
                f"{path}: {error.strerror or error}", state=State.ABSENT if gone else State.FAILED
            ) from None
        self._socket.settimeout(0)  # from now on nothing waits

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def read(self) -> bytes:
        """Return what has come."""
        return self._socket.recv(READ_BYTES)

    def write(self, data: bytes | memoryview) -> int:
        """Write what fits."""
        return self._socket.send(data)

    def configure(self, settings: Settings) -> None:
        """Do nothing: a socket has no speed."""

    def hold_low(self, *, low: bool) -> None:
        """Raise DeviceError: bytes are all that a socket carries."""
        if low:
            raise DeviceError("an emulated line carries no break", hint="a real one does")

    def unsent(self) -> int:
        """Return 0: what a socket took has arrived."""
        return 0

    def close(self) -> None:
        """Close it."""
        self._socket.close()
