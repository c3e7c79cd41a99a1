"""What commands read on their standard input: the same for every node, each at its own pace."""

from __future__ import annotations

import os
import stat
from collections import deque
from functools import partial
from typing import Protocol

import attrs

from pibramble.operate.loop import WRITE, Loop
from pibramble.operate.pace import Pace

_CHUNK = 64 * 1024
_AHEAD = 4  # chunks that the fastest node may be ahead of the slowest


class Source(Protocol):
    """Where standard inputs come from."""

    def descriptor(self, node: str = "") -> int:
        """Return a new descriptor that the node's command can read from its beginning; the caller closes it."""
        ...

    def begin(self) -> None:
        """All commands have started: data may flow."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


def source(stdin: bytes | int | None, loop: Loop, *, all_at_once: bool, pace: Pace | None = None) -> Source:
    """Return the source that fits `stdin`: nothing, some bytes, or a descriptor that is read once.

    A pipe is passed on while it flows when `all_at_once`; else commands that start later must find it whole, so it goes
    through a file first. `pace` says how far a pipe's data may run ahead of their arrival.
    """
    if stdin is None:
        return _File(os.open(os.devnull, os.O_RDONLY))
    if isinstance(stdin, bytes):
        memory = os.memfd_create("stdin")
        with os.fdopen(os.dup(memory), "wb") as stream:
            stream.write(stdin)
        os.lseek(memory, 0, os.SEEK_SET)
        return _File(memory)
    if stat.S_ISREG(os.fstat(stdin).st_mode):
        file = _File(os.dup(stdin))
        if file.can_be_reopened():
            return file
        file.close()
    elif all_at_once:
        return _FanOut(stdin, loop, pace)
    return _File(_spool(stdin))


def _spool(descriptor: int) -> int:
    import tempfile

    with tempfile.TemporaryFile() as file:
        while chunk := os.read(descriptor, _CHUNK):
            file.write(chunk)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        return os.dup(file.fileno())


class _File:
    """A file that every command reads by itself, from where it stands now."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def descriptor(self, node: str = "") -> int:  # noqa: ARG002 (the same for every node)
        # A dup would share the position: one command would read what another misses.
        anew = os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY)
        if stat.S_ISREG(os.fstat(anew).st_mode):
            os.lseek(anew, os.lseek(self._descriptor, 0, os.SEEK_CUR), os.SEEK_SET)
        return anew

    def can_be_reopened(self) -> bool:
        try:
            os.close(self.descriptor())
        except OSError:  # opened with rights that we do not have, as through sudo
            return False
        return True

    def begin(self) -> None:
        pass

    def close(self) -> None:
        os.close(self._descriptor)


@attrs.define(eq=False)
class _Pipe:
    """One node's end of the fan."""

    node: str
    writer: int
    queue: deque[memoryview] = attrs.field(factory=deque)


class _FanOut:
    """A pipe that is read once and written to every command; it is read no faster than the slowest takes it."""

    def __init__(self, descriptor: int, loop: Loop, pace: Pace | None) -> None:
        self._source = os.dup(descriptor)
        self._loop = loop
        self._pace = pace
        self._pipes: dict[str, _Pipe] = {}
        self._begun = False
        self._ended = False
        self._reading = False
        if pace:
            pace.on_room(self._resume)

    def descriptor(self, node: str = "") -> int:
        if node in self._pipes:  # its connection was lost before it began
            self._drop(self._pipes[node])
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._pipes[node] = _Pipe(node, writer)
        return reader

    def begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._balance()

    def close(self) -> None:
        for pipe in list(self._pipes.values()):
            self._drop(pipe)
        self._loop.forget(self._source)
        os.close(self._source)

    def _balance(self) -> None:
        """Read on exactly when someone is left to read for, and nobody is too far behind."""
        wanted = not self._ended and bool(self._pipes) and all(len(p.queue) < _AHEAD for p in self._pipes.values())
        if wanted and not self._reading:
            self._reading = True
            try:
                self._loop.watch(self._source, self._read)
            except PermissionError:  # a device that is always ready, as /dev/zero
                self._loop.after(0, self._read)
        elif self._reading and not wanted:
            self._reading = False
            self._loop.forget(self._source)

    def _read(self) -> None:
        if not self._reading:
            return
        self._loop.forget(self._source)
        self._reading = False
        chunk = memoryview(os.read(self._source, _CHUNK))
        self._ended = not chunk
        for pipe in list(self._pipes.values()):
            if chunk:
                pipe.queue.append(chunk)
            if len(pipe.queue) <= 1:  # else it waits for the pipe or for its pace already
                self._write(pipe)
        self._balance()

    def _resume(self, node: str) -> None:
        if node in self._pipes:
            self._ready(self._pipes[node])

    def _ready(self, pipe: _Pipe) -> None:
        self._write(pipe)
        if self._begun:
            self._balance()

    def _write(self, pipe: _Pipe) -> None:
        """Write what the pipe takes and the pace allows."""
        self._loop.forget(pipe.writer)
        try:
            while pipe.queue:
                room = self._pace.room(pipe.node) if self._pace else _CHUNK
                if room <= 0:
                    return  # arrivals resume it
                written = os.write(pipe.writer, pipe.queue[0][:room])
                if self._pace:
                    self._pace.sent(pipe.node, written)
                pipe.queue[0] = pipe.queue[0][written:]
                if not pipe.queue[0]:
                    pipe.queue.popleft()
        except BlockingIOError:
            self._loop.watch(pipe.writer, partial(self._ready, pipe), WRITE)
            return
        except BrokenPipeError:  # the command reads no more
            self._drop(pipe)
            return
        if self._ended:
            self._drop(pipe)

    def _drop(self, pipe: _Pipe) -> None:
        self._loop.forget(pipe.writer)
        del self._pipes[pipe.node]
        os.close(pipe.writer)
