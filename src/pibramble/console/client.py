"""The other end of the broker's socket: for the shell, and for programs.

Where no broker runs, `in_process` makes one for the devices at hand: the same code serves it, over a socket pair.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from pibramble.console.broker import Broker
from pibramble.console.messages import (
    WINDOW_BYTES,
    Answer,
    Attach,
    Attached,
    Cancel,
    Cancelled,
    ChangeSettings,
    Frames,
    Kind,
    ListPorts,
    LogAt,
    OpenDevice,
    Opened,
    Ports,
    PortStatus,
    Press,
    Refused,
    Release,
    Reply,
    Request,
    Restored,
    SendBreak,
    Take,
    WhereLog,
    Written,
    data_frame,
    decode_reply,
    message_frame,
)
from pibramble.console.model import Port
from pibramble.console.server import SOCKET, Server
from pibramble.errors import Exit, NotUpError, PibrambleError, TimedOutError

PATIENCE_SECONDS = 10  # for an answer of the broker itself

_Reply = TypeVar("_Reply")


class LostError(PibrambleError):
    """The broker has ended."""


class RefusedError(PibrambleError):
    """The broker will not do what was asked for."""


def exit_code(refused: Refused) -> Exit:
    """Return the exit code of a command that ends with this; FAILED for one that this version does not know."""
    return Exit(refused.code) if refused.code in list(Exit) else Exit.FAILED


class Client(asyncio.Protocol):
    """A connection to the broker.

    `on_data` takes the line's bytes, the second argument says that they restore the screen of a terminal that must be
    reset first; `on_event` takes all that is no answer to a question of ours.
    """

    def __init__(
        self,
        on_data: Callable[[bytes, bool], None] = lambda _data, _fresh: None,
        on_event: Callable[[Reply], None] = lambda _event: None,
    ) -> None:
        """Make it; `connect` or `in_process` connect it."""
        self.on_data, self.on_event = on_data, on_event
        self.lost = asyncio.get_running_loop().create_future()
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._waiting: list[tuple[type, asyncio.Future[Reply]]] = []
        self._unwritten = 0
        self._room = asyncio.Event()
        self._restoring = 0
        self._screen = bytearray()

    # --- The transport's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (a stream's)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        """Tell everybody who waits."""
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(LostError("the broker has ended"))
        self._waiting.clear()
        self._room.set()

    def data_received(self, data: bytes) -> None:
        """Take what the broker sends."""
        for kind, content in self._frames.feed(data):
            if kind is Kind.DATA:
                self._data(content)
            else:
                self._message(decode_reply(content))

    def _data(self, content: bytes) -> None:
        if not self._restoring:
            self.on_data(content, False)  # noqa: FBT003 (on_data's own second)
            return
        self._screen += content
        if len(self._screen) >= self._restoring:
            screen, rest = bytes(self._screen[: self._restoring]), bytes(self._screen[self._restoring :])
            self._restoring = 0
            self._screen.clear()
            self.on_data(screen, True)  # noqa: FBT003
            if rest:
                self.on_data(rest, False)  # noqa: FBT003

    def _message(self, reply: Reply) -> None:
        match reply:
            case Written():
                self._unwritten = max(0, self._unwritten - reply.bytes)
                self._room.set()
            case Restored(bytes=0):
                self.on_data(b"", True)  # noqa: FBT003
            case Restored():
                self._restoring = reply.bytes
            case _:
                if isinstance(reply, Cancelled):
                    self._unwritten = 0
                    self._room.set()
                if not self._answers(reply):
                    self.on_event(reply)

    def _answers(self, reply: Reply) -> bool:
        """Hand a reply to who waits for it."""
        if not self._waiting:
            return False
        wanted, future = self._waiting[0]
        if isinstance(reply, Refused) and not reply.what:
            self._waiting.pop(0)
            if not future.done():
                future.set_exception(RefusedError(reply.message, hint=reply.hint, exit_code=exit_code(reply)))
            return True
        if isinstance(reply, wanted):
            self._waiting.pop(0)
            if not future.done():
                future.set_result(reply)
            return True
        return False

    # --- What one asks for ---

    def send(self, request: Request) -> None:
        """Ask for something whose answer comes as an event. Raises LostError."""
        self._must_be_connected().write(message_frame(request))

    async def ask(self, request: Request, wanted: type[_Reply]) -> _Reply:
        """Ask for something and return the answer. Raises RefusedError, LostError, TimedOutError."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._must_be_connected()
        self._waiting.append((wanted, future))
        self.send(request)
        try:
            reply = await asyncio.wait_for(future, PATIENCE_SECONDS)
        except TimeoutError:
            raise TimedOutError(f"the broker did not answer within {PATIENCE_SECONDS} s") from None
        assert isinstance(reply, wanted)  # noqa: S101 (`_answers` has looked)
        return reply

    async def ports(self) -> tuple[PortStatus, ...]:
        """Return all ports."""
        return (await self.ask(ListPorts(), Ports)).ports

    async def open_device(self, device: str, profile: str | None = None, settings: str | None = None) -> str:
        """Let the broker serve a device; return its port's name."""
        return (await self.ask(OpenDevice(device, profile, settings), Opened)).port

    async def attach(self, port: str, name: str, *, read_only: bool = False) -> Attached:
        """Watch a port; its screen comes to `on_data` first."""
        return await self.ask(Attach(port, name, read_only), Attached)

    async def log_path(self) -> str:
        """Return where the log of the attached port is."""
        return (await self.ask(WhereLog(), LogAt)).path

    def take_control(self) -> None:
        """Take control; `WriterChanged` says that it is done."""
        self.send(Take())

    def release(self) -> None:
        """Give control back."""
        self.send(Release())

    def send_break(self, seconds: float | None = None) -> None:
        """Send a break, after what was written."""
        self.send(SendBreak(seconds))

    def change(self, settings: str) -> None:
        """Change speed and framing, after what was written."""
        self.send(ChangeSettings(settings))

    def press(self, button: str) -> None:
        """Press a hot button."""
        self.send(Press(button))

    def answer(self, number: int, *, yes: bool) -> None:
        """Answer a question of a hot button."""
        self.send(Answer(number, yes))

    async def write(self, data: bytes) -> None:
        """Send bytes down the line; waits while the device is slow. Raises LostError."""
        at = 0
        while at < len(data):
            while self._unwritten >= WINDOW_BYTES:
                self._room.clear()
                self._must_be_connected()
                await self._room.wait()
            part = data[at : at + WINDOW_BYTES - self._unwritten]
            self._must_be_connected().write(data_frame(part))
            self._unwritten += len(part)
            at += len(part)

    async def cancel(self) -> int:
        """Throw away what was sent and has not gone down the line; return how many bytes."""
        return (await self.ask(Cancel(), Cancelled)).bytes

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def pause(self) -> None:
        """Take no more for now: who reads us is slow."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Take more again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def _must_be_connected(self) -> asyncio.Transport:
        if self._transport is None or self._transport.is_closing():
            raise LostError("the broker has ended", hint="`pibramble serve` starts one")
        return self._transport


async def connect(folder: Path, client: Client) -> Client:
    """Connect to the broker that serves `folder`. Raises NotUpError when none does."""
    path = folder / SOCKET
    try:
        await asyncio.get_running_loop().create_unix_connection(lambda: client, str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotUpError("no broker serves this console", hint="`pibramble serve` starts one") from None
    except OSError as error:
        raise PibrambleError(f"{path}: {error.strerror or error}") from None
    return client


@asynccontextmanager
async def in_process(folder: Path, ports: Sequence[Port], client: Client) -> AsyncIterator[Client]:
    """Serve ports in this process, for this client alone, while the block runs."""
    broker = Broker(folder)
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    try:
        broker.serve(ports)
        await loop.create_connection(Server(broker, folder).connection, sock=theirs)
        await loop.create_connection(lambda: client, sock=ours)
        yield client
    finally:
        client.close()
        await asyncio.sleep(0)  # the connection's end is told to the line before the line is closed
        await broker.close()
        ours.close()
        theirs.close()
