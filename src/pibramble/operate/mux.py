"""OpenSSH's multiplexing protocol: sessions over a connection that is already open.

`ssh -M` keeps a connection and listens on a control socket. An `ssh` that finds such a socket starts a process only to
say three sentences into it; on a 700 MHz board that process costs more than 100 ms. Here we say them ourselves: the
master gets our file descriptors and does the reading and writing, we wait for the exit code.

The protocol, version 4, is described in PROTOCOL.mux of the OpenSSH source.
"""

from __future__ import annotations

import os
import socket as sockets
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pibramble.errors import UnreachableError, UsageError

VERSION = 4
SIGNALLED = 255  # what ssh returns for a command that a signal ended: the protocol does not say which signal

# The remote shell gets the command as one word, and Linux takes at most 128 KiB as one (MAX_ARG_STRLEN).
COMMAND_LIMIT = 128 * 1024 - 1
_PACKET_LIMIT = 256 * 1024  # CHANNEL_MUX_MAX_PACKET in the OpenSSH source
_PATH_LIMIT = 107  # sun_path of unix(7) less its NUL
_NO_ESCAPE = 0xFFFFFFFF
_REQUEST = 1

_HELLO = 0x00000001
_NEW_SESSION = 0x10000002
_ALIVE_CHECK = 0x10000004
_PERMISSION_DENIED = 0x80000002
_FAILURE = 0x80000003
_EXIT_MESSAGE = 0x80000004
_ALIVE = 0x80000005
_SESSION_OPENED = 0x80000006
_TTY_ALLOC_FAIL = 0x80000008


class NotConnectedError(UnreachableError):
    """Nothing listens at the control socket: there is no open connection. Nothing was started."""


class RefusedError(UnreachableError):
    """The node (or the master) would not open one more session. Nothing was started."""


class ProtocolError(UnreachableError):
    """What listens at the control socket does not speak OpenSSH's multiplexing protocol."""


class ConnectionGoneError(UnreachableError):
    """The connection ended before the command did; nobody knows how the command went on."""


class CommandTooLongError(UsageError):
    """The command does not fit into one word of the remote shell's command line."""


class Session:
    """One command that runs on a node, on the open connection of a control socket.

    Wait for `fileno()` to become readable and call `feed()` then, until it returns the exit code. Output may still
    stand in the pipes at that time: it is complete when they are at their end.
    """

    def __init__(self, path: Path, connection: sockets.socket) -> None:
        """Take over `connection`; use `open`."""
        self.opened = False  # the node has taken the command
        self.tty_failed = False
        self.exit_code: int | None = None
        self.signalled = False  # a signal ended the command; exit_code is SIGNALLED then
        self._path = path
        self._connection = connection
        self._received = bytearray()
        self._greeted = False

    @classmethod
    def open(  # noqa: PLR0913 (what a session is made of)
        cls,
        socket: Path,
        command: str,
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        tty: bool = False,
        env: Mapping[str, str] = {},
    ) -> Self:
        """Ask the master at `socket` to run `command`, by the login shell of the node's account.

        The master gets copies of the three descriptors, and sets O_NONBLOCK on what they refer to: pass pipe ends of
        your own. Of `env` only arrives what the master's SendEnv and the node's AcceptEnv let through.
        Does not wait for the answer. Raises NotConnectedError and CommandTooLongError.
        """
        word = command.encode(errors="surrogateescape")
        if len(word) > COMMAND_LIMIT:
            message = f"the command is {len(word)} bytes long; a node's shell takes at most {COMMAND_LIMIT}"
            raise CommandTooLongError(message, hint="pass the data on standard input, or copy a script and run that")
        if b"\0" in word:
            raise UsageError("a command cannot contain a NUL byte")
        terminal = os.environ.get("TERM", "dumb").encode() if tty else b""
        flags = struct.pack(">4I", tty, 0, 0, 0)  # want tty, X11, agent, subsystem
        variables = [f"{name}={value}".encode(errors="surrogateescape") for name, value in env.items()]
        request = b"".join(
            [
                struct.pack(">I", _REQUEST),
                _string(b""),
                flags,
                struct.pack(">I", _NO_ESCAPE),
                *map(_string, (terminal, word, *variables)),
            ]
        )
        connection = _connect(socket)
        try:
            connection.sendall(_packet(_HELLO, struct.pack(">I", VERSION)) + _packet(_NEW_SESSION, request))
            for descriptor in (stdin, stdout, stderr):
                sockets.send_fds(connection, [b"\0"], [descriptor])  # the master takes them one by one
            connection.settimeout(0)
        except (BrokenPipeError, ConnectionResetError) as error:
            connection.close()
            raise _not_connected(socket, error) from None
        except BaseException:
            connection.close()
            raise
        return cls(socket, connection)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the master has something to say."""
        return self._connection.fileno()

    def feed(self) -> int | None:
        """Take in what the master has said; return the exit code once it is known. Never blocks.

        A command that a signal ended has the exit code SIGNALLED.
        Raises NotConnectedError, RefusedError, ProtocolError and ConnectionGoneError.
        """
        if self.exit_code is not None:
            return self.exit_code
        try:
            said = self._connection.recv(4096)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            said = b""
        self._received += said
        for kind, body in _unpack(self._received, self._path):
            self._understand(kind, body)
        if not said and self.exit_code is None:
            self.exit_code = self._ended_without_code()
        return self.exit_code

    def close(self) -> None:
        """Let go: the master closes the session's channel. That does not end a command that still runs on the node."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _understand(self, kind: int, body: bytes) -> None:
        if not self._greeted:
            _check_hello(kind, body, self._path)
            self._greeted = True
        elif kind == _SESSION_OPENED:
            self.opened = True
        elif kind == _EXIT_MESSAGE:
            self.exit_code = _number(body, 1, self._path)
        elif kind == _TTY_ALLOC_FAIL:
            self.tty_failed = True
        elif kind in {_FAILURE, _PERMISSION_DENIED}:
            reason = body[8:].decode(errors="replace")  # request id, length of the reason
            message = f"the node would not start one more command: {reason}"
            raise RefusedError(
                message,
                hint="sshd allows MaxSessions (10 unless set) at once on a connection: end some, or wait",
            )

    def _ended_without_code(self) -> int:
        if not self._greeted:
            raise _not_connected(self._path, "it hung up")
        if not self.opened:
            raise NotConnectedError("the connection was lost before the command started")
        if not listening(self._path):
            raise ConnectionGoneError("the connection was lost while the command ran")
        self.signalled = True
        return SIGNALLED  # the master lives on, so the node did end the session: by exit-signal, RFC 4254 6.10


def alive(socket: Path, *, timeout_s: float = 1) -> bool:
    """Say whether a master serves this control socket."""
    try:
        with _connect(socket) as connection:
            connection.settimeout(timeout_s)
            check = _packet(_ALIVE_CHECK, struct.pack(">I", _REQUEST))
            connection.sendall(_packet(_HELLO, struct.pack(">I", VERSION)) + check)
            received = bytearray()
            while said := connection.recv(4096):
                received += said
                if any(kind == _ALIVE for kind, _ in _unpack(received, socket)):
                    return True
    except (UnreachableError, OSError):
        return False
    return False


def listening(socket: Path) -> bool:
    """Say whether something accepts connections at this control socket; cheaper than `alive`, and it knows less."""
    try:
        _connect(socket).close()
    except UnreachableError:
        return False
    return True


def _connect(path: Path) -> sockets.socket:
    connection = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        with _short(path) as name:
            connection.connect(name)
    except OSError as error:
        connection.close()
        raise _not_connected(path, error) from None
    return connection


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yield a name of `path` that fits into a socket address, however long the path is."""
    name = os.fspath(path)
    if len(os.fsencode(name)) <= _PATH_LIMIT:
        yield name
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _not_connected(path: Path, why: OSError | str) -> NotConnectedError:
    if isinstance(why, PermissionError):
        return NotConnectedError(f"the control socket {path} belongs to someone else", hint="use sudo as for `up`")
    reason = why.strerror if isinstance(why, OSError) and why.strerror else str(why)
    return NotConnectedError(f"no open connection at {path} ({reason})", hint="`pibramble up` opens it again")


def _check_hello(kind: int, body: bytes, path: Path) -> None:
    if kind != _HELLO:
        raise _not_a_master(path)
    version = _number(body, 0, path)
    if version != VERSION:
        message = (
            f"the ssh at {path} speaks version {version} of the multiplexing protocol; version {VERSION} is needed"
        )
        raise ProtocolError(message, hint="OpenSSH 5.4 and later speak version 4")


def _not_a_master(path: Path) -> ProtocolError:
    return ProtocolError(
        f"what listens at {path} is no ssh master", hint="remove the file and open the connection anew"
    )


def _unpack(received: bytearray, path: Path) -> Iterator[tuple[int, bytes]]:
    """Take whole packets off the front of `received`: (type, body)."""
    while len(received) >= 4:  # noqa: PLR2004 (a uint32)
        length = int.from_bytes(received[:4], "big")
        if not 4 <= length <= _PACKET_LIMIT:  # noqa: PLR2004 (the type is part of it)
            raise _not_a_master(path)
        if len(received) < 4 + length:
            return
        packet = bytes(received[4 : 4 + length])
        del received[: 4 + length]
        yield int.from_bytes(packet[:4], "big"), packet[4:]


def _number(body: bytes, position: int, path: Path) -> int:
    field = body[4 * position : 4 * position + 4]
    if len(field) < 4:  # noqa: PLR2004 (a uint32)
        raise _not_a_master(path)
    return int.from_bytes(field, "big")


def _packet(kind: int, body: bytes) -> bytes:
    return struct.pack(">II", 4 + len(body), kind) + body


def _string(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text
