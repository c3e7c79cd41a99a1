"""One command on one node, inside the event loop: its session and the pipes of its output."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path

from pibramble.errors import PibrambleError
from pibramble.operate.loop import Loop
from pibramble.operate.mux import Session

_CHUNK = 64 * 1024  # what a pipe holds


class Stream(StrEnum):
    """Which output a piece came from."""

    STDOUT = "stdout"
    STDERR = "stderr"


class Remote:
    """A command that runs on a node; tells `on_output` what it says, and `on_end` once when all of it is over."""

    def __init__(  # noqa: PLR0913 (what a command is made of)
        self,
        loop: Loop,
        socket: Path,
        command: str,
        *,
        stdin: int,
        on_output: Callable[[Stream, bytes], None],
        on_end: Callable[[int | None, PibrambleError | None], None],
    ) -> None:
        """Start it. Raises mux.NotConnectedError and mux.CommandTooLongError; `on_end` is not called then."""
        self._loop = loop
        self._on_output = on_output
        self._on_end = on_end
        self._exit_code: int | None = None
        self._pipes: dict[int, Stream] = {}
        readers, writers = [], []
        try:
            for _ in Stream:
                reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
                readers.append(reader)
                writers.append(writer)
            self._session = Session.open(socket, command, stdin=stdin, stdout=writers[0], stderr=writers[1])
        except BaseException:
            for reader in readers:
                os.close(reader)
            raise
        finally:
            for writer in writers:
                os.close(writer)
        loop.watch(self._session.fileno(), self._hear)
        for reader, stream in zip(readers, Stream, strict=True):
            self._pipes[reader] = stream
            loop.watch(reader, partial(self._read, reader))

    @property
    def opened(self) -> bool:
        """Say whether the node has taken the command."""
        return self._session.opened

    @property
    def running(self) -> bool:
        """Say whether it is not over yet."""
        return self._session.fileno() >= 0

    @property
    def signalled(self) -> bool:
        """Say whether a signal ended the command."""
        return self._session.signalled

    def close(self) -> None:
        """Let go of session and pipes; `on_end` is not called any more. May be called again."""
        if self._session.fileno() >= 0:
            self._loop.forget(self._session.fileno())
            self._session.close()
        for pipe in list(self._pipes):
            self._close_pipe(pipe)

    def _hear(self) -> None:
        try:
            self._exit_code = self._session.feed()
        except PibrambleError as error:
            for pipe in list(self._pipes):  # what it said before
                while pipe in self._pipes and self._read_once(pipe):
                    pass
            self.close()
            self._on_end(None, error)
            return
        if self._exit_code is not None:
            # Not closed yet: the master would throw away what it has not written into the pipes.
            self._loop.forget(self._session.fileno())
            self._maybe_end()

    def _read(self, pipe: int) -> None:
        self._read_once(pipe)
        self._maybe_end()

    def _read_once(self, pipe: int) -> bool:
        try:
            chunk = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return False
        if chunk:
            self._on_output(self._pipes[pipe], chunk)
        else:
            self._close_pipe(pipe)
        return bool(chunk)

    def _close_pipe(self, pipe: int) -> None:
        self._loop.forget(pipe)
        del self._pipes[pipe]
        os.close(pipe)

    def _maybe_end(self) -> None:
        if self._exit_code is not None and not self._pipes:
            self.close()
            self._on_end(self._exit_code, None)
