"""The broker's Unix socket: one connection is one viewer."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import suppress
from pathlib import Path

from pibramble.console.broker import Broker
from pibramble.console.connection import Connection
from pibramble.errors import BusyError, PibrambleError
from pibramble.paths import give_to_owner, make_private

SOCKET = "broker.sock"


class Server:
    """Listens on the broker's socket."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        """Serve `broker` on the socket in `folder`."""
        self._broker = broker
        self.path = folder / SOCKET
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    def connection(self) -> Connection:
        """Return a connection for one more client."""
        return Connection(self._broker)

    async def start(self) -> None:
        """Listen. Raises BusyError when another broker does."""
        make_private(self.path.parent)
        if _answers(self.path):
            raise BusyError(f"another broker serves {self.path.parent}", hint="`pibramble console` shows its ports")
        with suppress(FileNotFoundError):  # of a broker that was killed
            self.path.unlink()
        former = os.umask(0o177)
        try:
            self._server = await asyncio.get_running_loop().create_unix_server(self.connection, str(self.path))
        except OSError as error:
            raise PibrambleError(f"cannot listen on {self.path}: {error.strerror or error}") from None
        finally:
            os.umask(former)
        give_to_owner(self.path)
        if self.path.parent.stat().st_mode & stat.S_IXGRP:  # whoever is let into the folder may use the socket
            self.path.chmod(0o660)

    async def close(self) -> None:
        """Stop listening, and take the socket away."""
        if self._server is not None:
            self._server.close()
            with suppress(FileNotFoundError):
                self.path.unlink()


def _answers(path: Path) -> bool:
    """Tell whether a broker listens on a socket."""
    import socket

    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(path))
    except OSError:
        return False
    return True
