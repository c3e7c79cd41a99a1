"""`pibramble console NAME`: a serial line in the person's own terminal."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from pibramble.console import pacing, profiles
from pibramble.console.client import Client
from pibramble.console.ear import Ear
from pibramble.console.menu import Command, Keys, Prompt, Typed, help_lines
from pibramble.console.messages import (
    LARGEST_PASTE_BYTES,
    Ask,
    Attached,
    Missed,
    Notice,
    Paste,
    Pasting,
    Refused,
    Reply,
    SettingsChanged,
    StateChanged,
    WriterChanged,
)
from pibramble.console.model import Enter, Settings, State
from pibramble.console.outgoing import Outgoing
from pibramble.console.paste import ASK_LINES
from pibramble.console.pasted import Gathered, Marks, Pasted, is_block
from pibramble.console.terminal import Output, raw
from pibramble.errors import Exit, PibrambleError

ENDLESS_SECONDS = 5.0  # without a further piece, the end of a paste was lost on the way
GATHER_SECONDS = 0.3  # without a further block, a paste that nothing marks is whole
LARGEST_HELD_BYTES = 1 << 20  # of output, while the menu asks something
READING_SECONDS = 1.5  # a line that is ours, over a full-screen program's
REMIND_SECONDS = 5.0  # between two reminders that typing has no effect

# What a terminal says by itself when a device asks it something. Without control it goes nowhere, silently.
_ANSWER = re.compile(rb"\x1b\[[?>]?[0-9;]*[Rcn]|\x1bP.*?\x1b\\|\x1b\].*?(?:\x07|\x1b\\)", re.DOTALL)
_CHOICES = "123456789abcdefgijklmnoprstuvwxyz"


class Shell:
    """One person at one line."""

    def __init__(
        self, name: str, *, read_only: bool, settings: Settings | None = None, stdin: int = 0, stdout: int = 1
    ) -> None:
        """Prepare; `run` takes the terminal. `settings` are for a line that has others."""
        self._name, self._read_only, self._settings = name, read_only, settings
        self._port = ""
        self._stdin, self._stdout = stdin, stdout
        self.client = Client(self._data, self._event)
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._keys, self._marks = Keys(), Marks()
        self._gathered = Gathered()  # a paste that nothing marks
        self._typed_at = time.monotonic()
        self._whole: asyncio.TimerHandle | None = None  # when it is taken for whole
        self._pasting: Pasting | None = None  # how far the broker is with a paste
        self._output: Output | None = None
        self._attached: Attached | None = None
        self._writer: str | None = None
        self._mine = False
        self._greeted = False  # the greeting has said that we have control
        self._redrawing: asyncio.TimerHandle | None = None
        self._outgoing = Outgoing(self.client, full=self._deafen, empty=self._listen)
        self._tasks: set[asyncio.Task[None]] = set()
        self._echo: Ear | None = None  # while a file is sent
        self._dialogue: Callable[[bytes], None] | None = None  # takes the keys while the menu asks something
        self._held = bytearray()
        self._reminded_at = -REMIND_SECONDS

    async def run(self, port: str) -> int:
        """Hand the terminal to a port until the person leaves; return the exit code. `client` must be connected."""
        self._port = port
        loop = asyncio.get_running_loop()
        with raw(self._stdin):
            self._output = Output(self._stdout, pause=self.client.pause, resume=self.client.resume)
            signals = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
            for number in signals:
                loop.add_signal_handler(number, self._end, 128 + number)
            try:
                await self._begin()
                done, _ = await asyncio.wait((self._ended, self.client.lost), return_when=asyncio.FIRST_COMPLETED)
                if self._ended not in done:
                    raise PibrambleError("the broker has ended", hint="`pibramble serve` starts it again")
                return self._ended.result()
            finally:
                loop.remove_reader(self._stdin)
                for number in signals:
                    loop.remove_signal_handler(number)
                for timer in (self._redrawing, self._whole):
                    if timer is not None:
                        timer.cancel()
                for task in self._tasks:
                    task.cancel()
                self._outgoing.stop()
                self._output.close()
                self.client.close()

    async def _begin(self) -> None:
        if self._output is not None and os.isatty(self._stdin):
            self._output.mark_pastes()
        self._dialogue = lambda _keys: None  # what is said here stands above the restored screen, and does not move it
        attached = await self.client.attach(self._port, self._name, read_only=self._read_only)
        self._attached, status = attached, attached.status
        self._writer, self._greeted = status.writer, status.writer is None and not self._read_only
        state = "" if status.state is State.OPEN else f", {status.reason or status.state}"
        if self._greeted:
            self.client.take_control()
        control = "you have control" if self._greeted else self._control()
        self._tell(
            f"{status.name}: {status.device} {status.settings}{state}; {control}.", "Ctrl-] ? helps, Ctrl-] q leaves."
        )
        if self._settings is not None and str(self._settings) != status.settings:
            if self._greeted:
                self.client.change(str(self._settings))
            else:
                how = (
                    "--read-only changes nothing" if self._read_only else "Ctrl-] t takes control, Ctrl-] s changes it"
                )
                self._tell(f"it stays at {status.settings}, not {self._settings}: {how}")
        self._close_dialogue()
        if os.isatty(self._stdin):
            self._listen()

    def _control(self) -> str:
        if self._read_only:
            return "read-only"
        return f"{self._writer or 'nobody'} has control; Ctrl-] t takes it"

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    # --- From the line to the terminal ---

    def _data(self, data: bytes, fresh: bool) -> None:  # noqa: FBT001 (the client's own order)
        if self._echo is not None and not fresh:
            self._echo.feed(data)
        if fresh:
            if not data:
                return
            rows = os.get_terminal_size(self._stdout).lines if os.isatty(self._stdout) else 0
            # The person's own screen scrolls away instead of being wiped.
            clean = self._output.clean() + b"\n" * rows + b"\x1b[H\x1b[2J" if self._output and rows else b""
            data = clean + data
        if self._dialogue is None or len(self._held) > LARGEST_HELD_BYTES:
            self._write(data)
        else:
            self._held += data

    def _event(self, event: Reply) -> None:  # noqa: C901, PLR0912 (one case for each event)
        match event:
            case WriterChanged():
                self._writer, self._mine = event.writer, event.you
                if not event.you:
                    self._stop_file("somebody else has control")
                if event.you:
                    if not self._greeted:
                        self._tell("you have control")
                    self._greeted = False
                elif not self._read_only:
                    self._tell(f"{event.writer} has taken control" if event.writer else "nobody has control now")
            case StateChanged(state=State.OPEN):
                self._tell("the device is back")
            case StateChanged():
                self._tell(event.reason or str(event.state))
            case SettingsChanged():
                self._tell(f"now {event.settings}")
            case Notice():
                self._tell(event.text)
            case Missed():
                self._tell(f"{event.bytes:,} bytes went by unseen; the log has them")
            case Ask():
                self._ask(event)
            case Pasting():
                self._pasting = event if event.bytes < event.of_bytes else None
                if self._pasting is None and event.of_lines > ASK_LINES:
                    self._tell(f"{event.of_lines:,} lines pasted")
            case Refused():
                self._outgoing.drop()
                self._pasting = None
                self._stop_file(event.message)
                if "\n" in event.hint:
                    self._tell(event.message, *event.hint.splitlines())
                else:
                    self._tell(f"{event.message}{f' ({event.hint})' if event.hint else ''}")

    def _write(self, data: bytes) -> None:
        if self._output is not None:
            self._output.write(data)

    def _tell(self, *lines: str) -> None:
        """Say something on lines of its own, told from the device's by its look.

        A full-screen program knows nothing of them: its screen is drawn anew after a while.
        """
        self._write(b"".join(b"\r\n\x1b[7m " + line.encode() + b" \x1b[27m" for line in lines) + b"\r\n")
        if self._output is not None and self._output.alternate and self._attached is not None:
            if self._redrawing is not None:
                self._redrawing.cancel()
            seconds = READING_SECONDS * len(lines)
            self._redrawing = asyncio.get_running_loop().call_later(seconds, lambda: self._do(self._redraw()))

    # --- From the keyboard to the line ---

    def _typed(self) -> None:
        try:
            data = os.read(self._stdin, 64 << 10)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # the terminal has hung up
            self._end(128 + signal.SIGHUP)
            return
        now = time.monotonic()
        if now - self._typed_at > ENDLESS_SECONDS and (unended := self._marks.give_up()):
            self._paste(unended)
        self._typed_at = now
        for part in self._marks.feed(data):
            if self._dialogue is not None:
                self._dialogue(part.data if isinstance(part, Pasted) else part)
            elif isinstance(part, Pasted):
                self._paste(part)
            else:
                self._take(part)

    def _take(self, data: bytes) -> None:
        for action in self._keys.feed(data):
            match action:
                case Typed() if self._dialogue is not None:  # typed ahead of the menu's question
                    self._dialogue(action.data)
                case Typed() if self._gathered or is_block(action.data):
                    self._gather(action.data)
                case Typed():
                    self._send(action.data)
                case Command():
                    self._command(action)
                case _:
                    self._tell(f"Ctrl-] {action.key.decode(errors='replace')!r} means nothing; Ctrl-] ? helps")

    def _send(self, data: bytes) -> None:
        if not self._mine:
            if not _ANSWER.sub(b"", data) or time.monotonic() - self._reminded_at < REMIND_SECONDS:
                return
            self._reminded_at = time.monotonic()
            self._tell(self._control())
            return
        if data == b"\x03" and self._pasting:  # it would wait behind what it is to stop
            self._do(self._cancel())
            return
        enter = self._attached.enter.encode() if self._attached else b"\r"
        self._outgoing.add(data if enter == b"\r" else data.replace(b"\r", enter))

    def _gather(self, data: bytes) -> None:
        self._gathered.add(data)
        if self._whole is not None:
            self._whole.cancel()
        self._whole = asyncio.get_running_loop().call_later(GATHER_SECONDS, lambda: self._paste(self._gathered.take()))

    def _paste(self, pasted: Pasted) -> None:
        if not pasted.size:
            return
        if not self._mine:
            self._send(b"\r")  # which says why it goes nowhere
        elif pasted.too_large:
            self._tell(
                f"{pasted.size:,} bytes are too many to paste; {LARGEST_PASTE_BYTES:,} are the most",
                "Ctrl-] f sends a file of any size",
            )
        else:
            wanted = self._output is not None and self._output.marks_wanted
            try:
                self._outgoing.add(Paste(pasted.data.decode(), wanted))
            except UnicodeDecodeError:
                self._tell("what was pasted is no text in UTF-8", "Ctrl-] f sends a file as it is")

    def _listen(self) -> None:
        if not self._ended.done():
            asyncio.get_running_loop().add_reader(self._stdin, self._typed)

    def _deafen(self) -> None:
        asyncio.get_running_loop().remove_reader(self._stdin)

    # --- The menu ---

    def _command(self, command: Command) -> None:  # noqa: C901 (one case for each command)
        match command:
            case Command.HELP:
                self._tell(*help_lines())
            case Command.QUIT:
                self._end(Exit.OK)
            case Command.CONTROL:
                self.client.release() if self._mine else self.client.take_control()
            case Command.BREAK:
                self.client.send_break()
            case Command.BUTTONS:
                self._buttons()
            case Command.FILE:
                self._prompt("file", lambda path: self._do(self._send_file(path)))
            case Command.CANCEL:
                self._do(self._cancel())
            case Command.SETTINGS:
                self._prompt("speed and framing, as 115200 8N1", self._change)
            case Command.LOG:
                self._do(self._log())
            case Command.STATUS:
                self._do(self._status())
            case Command.REDRAW:
                self._do(self._redraw())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        async def safely() -> None:
            try:
                await work
            except PibrambleError as error:
                self._tell(*str(error).splitlines())

        task = asyncio.get_running_loop().create_task(safely())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _stop_file(self, why: str) -> None:
        if self._echo is not None:
            self._echo.fail(PibrambleError(f"the rest of the file was not sent: {why}"))

    async def _cancel(self) -> None:
        self._stop_file("it was thrown away")
        waiting = self._outgoing.stop() + self._gathered.take().size
        dropped = waiting + await self.client.cancel()
        self._pasting = None  # now: what the broker said before it heard of it has come
        self._listen()
        self._tell(f"{dropped:,} bytes thrown away")

    async def _log(self) -> None:
        self._tell(await self.client.log_path())

    async def _status(self) -> None:
        for status in await self.client.ports():
            if status.name == self._port:
                self._tell(
                    f"{status.name}: {status.device} {status.settings}, {status.state}",
                    f"watching: {', '.join(status.viewers)}; writing: {status.writer or 'nobody'}",
                )

    async def _redraw(self) -> None:
        self._attached = await self.client.attach(self._port, self._name, read_only=self._read_only)

    async def _send_file(self, path: str) -> None:
        try:
            data = await asyncio.to_thread(lambda: Path(path).expanduser().read_bytes())
        except OSError as error:
            raise PibrambleError(f"{path}: {error.strerror}") from None
        if not self._mine:
            raise PibrambleError("you do not have control", hint="Ctrl-] t takes it")
        assert self._attached is not None  # noqa: S101 (files are sent from the menu, which comes later)
        how = profiles.load(self._attached.status.profile).pacing
        self._echo = echo = Ear()
        try:
            await pacing.send(data, _FileWire(self.client, echo), how, Enter.of(self._attached.enter))
        finally:
            self._echo = None
        self._tell(f"{path}: {len(data):,} bytes sent")

    def _change(self, text: str) -> None:
        try:
            self.client.change(str(Settings.parse(text)))
        except ValueError as error:
            self._tell(str(error))

    def _buttons(self) -> None:
        buttons = self._attached.buttons if self._attached else ()
        if not buttons:
            self._tell("this profile has no hot buttons")
            return
        keyed = dict(zip(_CHOICES, buttons, strict=False))
        self._tell(*(f"{key}  {button.label}" for key, button in keyed.items()), "any other key: none of them")

        def chosen(data: bytes) -> None:
            self._close_dialogue()
            if button := keyed.get(data[:1].decode(errors="replace")):
                self.client.press(button.name)

        self._dialogue = chosen

    def _ask(self, question: Ask) -> None:
        self._tell(f"{question.question} y/n")

        def answered(data: bytes) -> None:
            self._close_dialogue()
            self.client.answer(question.id, yes=data[:1] in {b"y", b"Y"})

        self._dialogue = answered

    def _prompt(self, question: str, then: Callable[[str], None]) -> None:
        prompt = Prompt()
        self._write(f"\r\n\x1b[7m {question}: \x1b[27m ".encode())

        def keys(data: bytes) -> None:
            echo, text, given_up = prompt.feed(data)
            self._write(echo.encode())
            if text is None and not given_up:
                return
            self._write(b"\r\n")
            self._close_dialogue()
            if text:
                then(text)

        self._dialogue = keys

    def _close_dialogue(self) -> None:
        self._dialogue = None
        held, self._held = bytes(self._held), bytearray()
        self._write(held)


class _FileWire:
    """The line as a file is sent on it: what comes back is for the person, and for the comparison."""

    def __init__(self, client: Client, echo: Ear) -> None:
        self._client, self._echo = client, echo

    async def write(self, data: bytes) -> None:
        self._echo.check()
        await self._client.write(data)

    async def read(self) -> bytes:
        return await self._echo.take()
