"""A viewer on the broker's socket: what it asks, done in the order in which it asks."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

import attrs

from pibramble.console.backlog import Backlog
from pibramble.console.broker import Broker
from pibramble.console.line import Line
from pibramble.console.messages import (
    LARGEST_PASTE_BYTES,
    WINDOW_BYTES,
    Answer,
    Ask,
    Attach,
    Attached,
    ButtonShown,
    Cancel,
    Cancelled,
    ChangeSettings,
    CountErrors,
    Detach,
    Event,
    Frames,
    Kind,
    ListPorts,
    LogAt,
    MessageError,
    OpenDevice,
    Opened,
    Paste,
    Pasting,
    Ports,
    Press,
    Refused,
    Release,
    Reply,
    Request,
    Restored,
    SendBreak,
    Take,
    Watch,
    WhereLog,
    Written,
    data_frame,
    decode_request,
    message_frame,
)
from pibramble.console.model import Settings
from pibramble.errors import Exit, PibrambleError, UsageError

LONGEST_NAME = 80

_ACKNOWLEDGE_BYTES = WINDOW_BYTES // 4  # `Written` is not said for every key
_REFUSE_SECONDS = 1.0  # a paste without control is refused once, not a thousand times
_QUEUE_BYTES = 4 * WINDOW_BYTES  # of a client that does not keep to the window; then it is not read from


@attrs.frozen
class _Job:
    """Something that takes its time, after what was asked before it."""

    what: str  # the type of the request
    run: Callable[[], Awaitable[None]]
    bytes: int = 0  # of typed data; not of a paste, which is one message


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, broker: Broker) -> None:
        """Wait for its first request."""
        self.name = "somebody"
        self.may_write = False
        self._broker = broker
        self._frames = Frames()
        self._line: Line | None = None
        self._backlog = Backlog(self._restore)
        self._transport: asyncio.Transport | None = None
        self._full = False  # the client reads more slowly than the line prints
        self._jobs: deque[_Job] = deque()
        self._working: asyncio.Task[None] | None = None
        self._queued_bytes = 0
        self._pasted_bytes = 0  # of pastes that have not gone whole
        self._unsaid_bytes = 0  # written, and not yet acknowledged
        self._refused_at = -_REFUSE_SECONDS
        self._questions: dict[int, asyncio.Future[bool]] = {}
        self._unlisten: Callable[[], None] | None = None

    # --- The transport's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (a stream's)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what the client says."""
        try:
            for kind, content in self._frames.feed(data):
                if kind is Kind.DATA:
                    self._typed(content)
                else:
                    self._handle(decode_request(content))
        except MessageError as error:  # it speaks something else: nothing after this can be understood
            self._say(Refused(error.message, error.hint))
            if self._transport:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        """Let the line go."""
        self._transport = None
        self._detach()
        if self._unlisten:
            self._unlisten()

    def pause_writing(self) -> None:
        """Stop sending: the client is slow."""
        self._full = True

    def resume_writing(self) -> None:
        """Send what has waited."""
        self._full = False
        while not self._full and (piece := self._backlog.take()) is not None:
            self._send(piece)

    # --- The line's side: line.Viewer ---

    def deliver(self, data: bytes) -> None:
        """Send bytes of the line, or let them wait."""
        if self._full or not self._backlog.empty:
            self._backlog.deliver(data)
        else:
            self._send(data)

    def notice(self, event: Event) -> None:
        """Send an event, after the bytes that came before it."""
        self._say(event)

    async def ask(self, question: str) -> bool:
        """Ask the person at the other end; nobody there is a no."""
        number = max(self._questions, default=0) + 1
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._questions[number] = answer
        self._say(Ask(number, question))
        try:
            return await answer
        finally:
            del self._questions[number]

    def _restore(self) -> bytes:
        return self._line.history.restore() if self._line else b""

    def _say(self, message: Reply) -> None:
        if self._full or not self._backlog.empty:
            self._backlog.say(message)
        else:
            self._send(message)

    def _send(self, piece: bytes | Reply) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data_frame(piece) if isinstance(piece, bytes) else message_frame(piece))

    # --- What the client asks for ---

    def _handle(self, request: Request) -> None:  # noqa: C901, PLR0912 (one case for each request)
        try:
            match request:
                case ListPorts():
                    self._say(self._ports())
                case Watch():
                    self._say(self._ports())
                    self._unlisten = self._unlisten or self._broker.listen(self._hear)
                case Attach():
                    self._attach(request)
                case Detach():
                    self._detach()
                case Take():
                    self._attached().take_control(self)
                case Release():
                    self._attached().release(self)
                case Cancel():
                    self._cancel()
                case Answer():
                    if (future := self._questions.get(request.id)) and not future.done():
                        future.set_result(request.yes)
                case OpenDevice():
                    settings = Settings.parse(request.settings) if request.settings else None
                    self._say(Opened(self._broker.open_device(request.device, request.profile, settings).port.name))
                case WhereLog():
                    self._say(LogAt(str(self._attached().log_path)))
                case CountErrors():
                    self._say(self._attached().error_counts)
                case SendBreak():
                    line = self._attached()
                    self._queue(_Job("send-break", lambda: line.send_break(self, request.seconds)))
                case ChangeSettings():
                    line, wanted = self._attached(), Settings.parse(request.settings)
                    self._queue(_Job("change-settings", lambda: line.change(self, wanted)))
                case Press():
                    line = self._attached()
                    self._queue(_Job("press", lambda: line.press(self, request.button)))
                case Paste():
                    self._paste(self._attached(), request)
        except ValueError as error:
            self._say(Refused(str(error), code=int(Exit.WRONG)))
        except PibrambleError as error:
            self._say(Refused(error.message, error.hint, code=int(error.exit_code)))

    def _ports(self) -> Ports:
        return Ports(tuple(line.status for line in self._broker.lines.values()))

    def _attached(self) -> Line:
        if self._line is None:
            raise UsageError("you watch no port", hint="attach to one first")
        return self._line

    def _attach(self, request: Attach) -> None:
        line = self._broker.line(request.port)
        again = line is self._line and line.writer is self
        self._detach()
        self.name, self.may_write = request.name[:LONGEST_NAME] or "somebody", not request.read_only
        screen = line.attach(self)
        self._line = line
        buttons = tuple(ButtonShown(button.name, button.label) for button in line.profile.buttons)
        self._say(Attached(line.status, buttons, line.profile.enter.bytes.decode()))
        self._say(Restored(len(screen)))
        self.deliver(screen)
        if again and self.may_write:
            line.take_control(self)

    def _detach(self) -> None:
        self._drop_jobs()
        for answer in self._questions.values():
            if not answer.done():
                answer.set_result(False)
        if self._line is not None:
            self._line.detach(self)
            self._line = None

    def _hear(self, event: Event) -> None:
        if self._line is None or getattr(event, "port", "") != self._line.port.name:  # else it comes as a viewer's
            self._say(event)

    # --- What goes down the line, in its order ---

    def _typed(self, data: bytes) -> None:
        """Write what was typed at once if nothing is before it, else after that."""
        try:
            line = self._attached()
            written = line.write_now(self, data) if self._working is None else 0
        except PibrambleError as error:
            self._refuse("data", error)
            self._acknowledge(len(data))
            return
        self._acknowledge(written)
        if rest := data[written:]:
            self._queue(_Job("data", lambda: self._write(line, rest), len(rest)))

    async def _write(self, line: Line, data: bytes) -> None:
        for at in range(0, len(data), _ACKNOWLEDGE_BYTES):
            part = data[at : at + _ACKNOWLEDGE_BYTES]
            await line.write(self, part)
            self._queued_bytes -= len(part)
            self._acknowledge(len(part))

    def _paste(self, line: Line, request: Paste) -> None:
        size = len(request.text.encode())
        try:
            line.must_write(self)
            if self._pasted_bytes + size > LARGEST_PASTE_BYTES:
                raise UsageError(
                    f"a paste of {self._pasted_bytes + size:,} bytes; {LARGEST_PASTE_BYTES:,} are the most",
                    hint=f"as a file it goes: pibramble console {line.port.name} --send-file FILE",
                )
        except PibrambleError as error:
            self._refuse("paste", error)
            return
        self._pasted_bytes += size
        self._queue(_Job("paste", lambda: self._run_paste(line, request)))

    async def _run_paste(self, line: Line, request: Paste) -> None:
        from pibramble.console import paste

        gone = 0

        def told(how_far: Pasting) -> None:
            nonlocal gone
            self._pasted_bytes -= how_far.bytes - gone
            gone = how_far.bytes
            self._say(how_far)

        await paste.run(line, self, request, told)

    def _acknowledge(self, count: int) -> None:
        self._unsaid_bytes += count
        if self._unsaid_bytes >= _ACKNOWLEDGE_BYTES:
            self._say(Written(self._unsaid_bytes))
            self._unsaid_bytes = 0

    def _queue(self, job: _Job) -> None:
        self._jobs.append(job)
        self._queued_bytes += job.bytes
        if self._queued_bytes > _QUEUE_BYTES and self._transport:
            self._transport.pause_reading()
        if self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._jobs:
                job = self._jobs.popleft()
                try:
                    await job.run()
                except Exception as error:  # noqa: BLE001 (of ours, too: who waits for an answer must have one)
                    self._refuse(job.what, error if isinstance(error, PibrambleError) else _fault(job.what, error))
                    self._drop_jobs(but_not=asyncio.current_task())
                if self._queued_bytes <= _QUEUE_BYTES and self._transport and not self._transport.is_closing():
                    self._transport.resume_reading()
        finally:
            if self._working is asyncio.current_task():
                self._working = None

    def _cancel(self) -> None:
        self._say(Cancelled(self._drop_jobs()))

    def _drop_jobs(self, but_not: asyncio.Task[None] | None = None) -> int:
        """Throw away what has not gone down the line; return how many bytes that is."""
        dropped, self._queued_bytes, self._pasted_bytes = self._queued_bytes + self._pasted_bytes, 0, 0
        self._unsaid_bytes = 0
        self._jobs.clear()
        if self._working is not None and self._working is not but_not:
            self._working.cancel()
            self._working = None
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        return dropped

    def _refuse(self, what: str, error: PibrambleError) -> None:
        now = time.monotonic()
        if what != "data" or now - self._refused_at >= _REFUSE_SECONDS:
            self._say(Refused(error.message, error.hint, what, int(error.exit_code)))
        if what == "data":
            self._refused_at = now


def _fault(what: str, error: Exception) -> PibrambleError:
    """Return what a client is told of a fault that nobody expected; the journal gets all of it."""
    asyncio.get_running_loop().call_exception_handler({"message": f"while doing: {what}", "exception": error})
    said = f"a fault in pibramble, not on the line: {type(error).__name__}: {error}"
    return PibrambleError(said, hint="the broker goes on; its journal says where it was")
