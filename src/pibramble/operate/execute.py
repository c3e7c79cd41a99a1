"""The same command on many nodes at once: one loop for all of them, no process and no thread a node."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from pibramble.errors import PibrambleError, UnreachableError
from pibramble.operate import ending, mux
from pibramble.operate.lines import LineSplitter
from pibramble.operate.loop import Loop
from pibramble.operate.outcome import Fate, Outcome
from pibramble.operate.pace import Pace
from pibramble.operate.remote import Remote, Stream
from pibramble.operate.source import Source, source
from pibramble.targets.base import Connections

__all__ = ["Interrupted", "Stop", "Stream", "execute"]

OnLine = Callable[[str, Stream, bytes], None]
OnOutput = Callable[[str, Stream, bytes], None]

_OPEN_TIMEOUT_S = 30.0  # as long as a dead connection takes to be noticed (ServerAlive 5 s x 2), and some
_END_TIMEOUT_S = 20.0  # END_SCRIPT takes at most 9 s, and a slow board as long again to look through /proc
_QUIET_S = 5.0  # a node that has said something in this time is there, and its answer is on its way
_DRAIN_TIMEOUT_S = 1.0  # for the last words of a command that was ended
_DESCRIPTORS_A_NODE = 8  # a control socket and three pipes, and the same again while the command is being ended


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; the commands were ended on the nodes. `outcomes` says how far they came."""

    def __init__(self, outcomes: dict[str, Outcome]) -> None:
        """Keep the outcomes."""
        super().__init__("interrupted")
        self.outcomes = outcomes


class Stop(Exception):  # noqa: N818 (an order, not an error)
    """Raised by a listener: end the command of this node, the others go on. Its text becomes the problem."""


def execute(  # noqa: PLR0913 (each is a choice of the caller)
    connections: Connections,
    nodes: Sequence[str],
    command: str,
    *,
    stdin: bytes | int | None = None,
    timeout_s: float | None = None,
    on_line: OnLine | None = None,
    keep_output: bool = True,
    limit: int | None = None,
    on_output: OnOutput | None = None,
    pace: Pace | None = None,
) -> dict[str, Outcome]:
    """Run `command` by the login shell of every node; return node -> outcome, in the order of `nodes`.

    `stdin` goes to every node: bytes, or a descriptor that is read once (None: nothing to read).
    After `timeout_s` a node's command is ended, with all that it started.
    `on_line` is called for every line as it comes, without its newline; a line of more than 64 KiB comes in pieces.
    `on_output` is called for every piece of output as it comes, whatever is in it; it is the cheaper of the two.
    Either may raise Stop. `pace` holds a pipe's data back that have not arrived.
    `keep_output=False` leaves the outcomes' stdout and stderr empty, so that memory stays bounded.
    `limit`: so many nodes at a time. Connections that are not open are opened first.

    A node that fails raises nothing: its outcome says it. Raises Interrupted at Ctrl-C, after the commands were ended
    on the nodes (a second Ctrl-C raises KeyboardInterrupt at once), and UsageError for an impossible command.
    """
    run = _Run(connections, tuple(dict.fromkeys(nodes)), command, timeout_s=timeout_s, keep_output=keep_output)
    run.listen(on_line, on_output)
    try:
        at_once = _room_for(len(run.nodes), limit)
        run.go(stdin, at_once, pace)
    except KeyboardInterrupt:
        run.interrupt()
        raise Interrupted(run.outcomes()) from None
    except BaseException:  # a listener failed, as when nobody reads our output any more
        run.listeners.clear()
        run.interrupt()
        raise
    finally:
        run.close()
    return run.outcomes()


class _Command:
    """A node's command while it runs."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.began = time.monotonic()
        self.ended = self.began
        self.remote: Remote | None = None
        self.ender: Remote | None = None
        self.output: dict[Stream, list[bytes]] = {Stream.STDOUT: [], Stream.STDERR: []}
        self.fate: Fate | None = None  # decided while it still runs: timed out, interrupted
        self.problem = ""
        self.hint = ""
        self.exit_code: int | None = None
        self.heard = self.began  # when it last said something while it was being ended
        self.over = False
        self.reopened = False


class _Run:
    def __init__(
        self,
        connections: Connections,
        nodes: tuple[str, ...],
        command: str,
        *,
        timeout_s: float | None,
        keep_output: bool,
    ) -> None:
        self.nodes = nodes
        self.listeners: list[OnOutput] = []
        self._connections = connections
        self._label = ending.new_label()
        self._command = ending.labelled(command, self._label)
        self._timeout_s = timeout_s
        self._keep_output = keep_output
        self._loop = Loop()
        self._source: Source | None = None
        self._commands = {node: _Command(node) for node in nodes}
        self._waiting: deque[str] = deque()
        self._lost: list[str] = []  # their connection turned out to be dead before the command started
        self._at_end: list[Callable[[str], None]] = []
        self._active = 0
        self._stdin_flows = False

    def listen(self, on_line: OnLine | None, on_output: OnOutput | None) -> None:
        if on_output:
            self.listeners.append(on_output)
        if on_line:
            splitters: dict[tuple[str, Stream], LineSplitter] = {}

            def split(node: str, stream: Stream, chunk: bytes) -> None:
                splitter = splitters.get((node, stream))
                if splitter is None:
                    splitter = splitters[node, stream] = LineSplitter()
                for line in splitter.feed(chunk):
                    on_line(node, stream, line)

            def last(node: str) -> None:
                for stream in Stream:
                    if splitter := splitters.pop((node, stream), None):
                        for line in splitter.rest():
                            on_line(node, stream, line)

            self.listeners.append(split)
            self._at_end.append(last)

    def go(self, stdin: bytes | int | None, at_once: int, pace: Pace | None) -> None:
        self._open([n for n in self.nodes if not os.path.lexists(self._connections.socket(n))])
        self._source = source(stdin, self._loop, all_at_once=at_once >= len(self.nodes), pace=pace)
        self._waiting.extend(node for node in self.nodes if not self._commands[node].over)
        while self._waiting or self._lost or self._active:
            while self._waiting and self._active < at_once:
                self._start(self._commands[self._waiting.popleft()])
            if self._lost:
                self._reopen()
            elif self._active:
                self._let_stdin_flow()
                self._loop.turn()

    def interrupt(self) -> None:
        """End what runs on the nodes, for as long as that may take."""
        self._waiting.clear()
        self._lost.clear()
        for command in self._commands.values():
            if command.over:
                continue
            if command.remote is None:
                command.fate, command.problem = Fate.INTERRUPTED, "interrupted before it started"
                self._conclude(command)
            else:
                self._end(command, Fate.INTERRUPTED, "interrupted")
        while any(not command.over for command in self._commands.values()):
            self._loop.turn()

    def close(self) -> None:
        for command in self._commands.values():
            for remote in (command.remote, command.ender):
                if remote is not None:
                    remote.close()
        if self._source is not None:
            self._source.close()
        self._loop.close()

    def outcomes(self) -> dict[str, Outcome]:
        return {
            c.node: Outcome(
                node=c.node,
                exit_code=c.exit_code,
                stdout=b"".join(c.output[Stream.STDOUT]),
                stderr=b"".join(c.output[Stream.STDERR]),
                seconds=c.ended - c.began,
                problem=c.problem,
                hint=c.hint,
                fate=c.fate or Fate.INTERRUPTED,
            )
            for c in self._commands.values()
        }

    # Starting

    def _open(self, nodes: Iterable[str]) -> None:
        if missing := list(nodes):
            for node, reason in self._connections.open(missing).items():
                self._give_up(self._commands[node], UnreachableError(reason))

    def _reopen(self) -> None:
        lost, self._lost = self._lost, []
        for node in lost:
            self._commands[node].reopened = True
        self._open(lost)
        self._waiting.extendleft(node for node in reversed(lost) if not self._commands[node].over)

    def _start(self, command: _Command) -> None:
        assert self._source is not None  # noqa: S101 (go made it)
        command.began = time.monotonic()
        stdin = self._source.descriptor(command.node)
        try:
            command.remote = Remote(
                self._loop,
                self._connections.socket(command.node),
                self._command,
                stdin=stdin,
                on_output=partial(self._arrived, command),
                on_end=partial(self._finished, command),
            )
        except mux.NotConnectedError as error:
            self._not_connected(command, error)
            return
        finally:
            os.close(stdin)
        self._active += 1
        self._loop.after(_OPEN_TIMEOUT_S, partial(self._open_time_over, command, command.remote))
        if self._timeout_s is not None:
            self._loop.after(self._timeout_s, partial(self._time_over, command, command.remote))

    def _not_connected(self, command: _Command, error: mux.NotConnectedError) -> None:
        """Open the connection once more: nothing was started."""
        if command.reopened or command.fate is not None:
            self._give_up(command, error)
        else:
            self._lost.append(command.node)

    def _let_stdin_flow(self) -> None:
        """Let it flow once nobody needs to start over."""
        if self._stdin_flows or self._waiting or self._lost or self._source is None:
            return
        if all(c.over or (c.remote is not None and c.remote.opened) for c in self._commands.values()):
            self._stdin_flows = True
            self._source.begin()

    # While it runs

    def _arrived(self, command: _Command, stream: Stream, chunk: bytes) -> None:
        if self._keep_output:
            command.output[stream].append(chunk)
        if command.fate is not None:
            command.heard = time.monotonic()
        if command.fate is Fate.STOPPED:
            return  # nobody wants to hear more
        try:
            for listener in self.listeners:
                listener(command.node, stream, chunk)
        except Stop as stop:
            if command.fate is None:
                self._end(command, Fate.STOPPED, str(stop))

    def _finished(self, command: _Command, exit_code: int | None, error: PibrambleError | None) -> None:
        assert command.remote is not None  # noqa: S101 (it is what has finished)
        if isinstance(error, mux.NotConnectedError):
            command.remote = None
            self._active -= 1
            self._not_connected(command, error)
        elif error is not None:
            self._give_up(command, error)
        else:
            if command.fate is None:
                command.exit_code = exit_code
                command.fate = Fate.SIGNALLED if command.remote.signalled else Fate.EXITED
            if command.ender is None or not command.ender.running:  # else what the command has left is still to end
                self._conclude(command)

    def _give_up(self, command: _Command, error: PibrambleError) -> None:
        if command.fate is None:  # else it was being ended already, and that is what people want to read
            command.fate = Fate.UNREACHABLE
            command.problem, command.hint = f"unreachable: {error.message}", error.hint
        self._conclude(command)

    def _conclude(self, command: _Command) -> None:
        if command.over:
            return
        command.ended = time.monotonic()
        command.over = True
        if command.remote is not None:
            self._active -= 1
            command.remote.close()
        for last in self._at_end:
            last(command.node)

    # Ending it before its time

    def _open_time_over(self, command: _Command, remote: Remote) -> None:
        if command.remote is remote and not command.over and not remote.opened:
            self._give_up(command, UnreachableError(f"no answer within {_OPEN_TIMEOUT_S:g} s"))

    def _time_over(self, command: _Command, remote: Remote) -> None:
        if command.remote is remote and not command.over and command.fate is None:
            self._end(command, Fate.TIMED_OUT, f"timed out after {self._timeout_s:g} s")

    def _end(self, command: _Command, fate: Fate, problem: str) -> None:
        command.fate, command.problem = fate, problem
        self._loop.after(_END_TIMEOUT_S, partial(self._end_time_over, command))
        self._send_ender(command)

    def _send_ender(self, command: _Command) -> None:
        if command.over or command.remote is None:
            return
        if not command.remote.opened:
            # OpenSSH's master dies when a session is closed half-opened (mux_session_confirm), so wait for it.
            self._loop.after(0.05, partial(self._send_ender, command))
            return
        orders = source(ending.order(self._label), self._loop, all_at_once=True)
        stdin = orders.descriptor(command.node)
        try:
            command.ender = Remote(
                self._loop,
                self._connections.socket(command.node),
                ending.END_SCRIPT,
                stdin=stdin,
                on_output=lambda *_: None,
                on_end=partial(self._ender_finished, command),
            )
        except mux.NotConnectedError as error:
            self._end_failed(command, error.message)
        finally:
            os.close(stdin)
            orders.close()

    def _ender_finished(self, command: _Command, exit_code: int | None, error: PibrambleError | None) -> None:
        if error is not None or exit_code != 0:
            self._end_failed(command, error.message if error else "it would not end")
        elif command.remote is None or not command.remote.running:
            self._conclude(command)
        else:
            # Normally its own end comes now; a stranger that holds its pipes open must not keep us.
            self._loop.after(_DRAIN_TIMEOUT_S, partial(self._conclude, command))

    def _end_time_over(self, command: _Command) -> None:
        quiet_s = time.monotonic() - command.heard
        if quiet_s < _QUIET_S and not command.over:  # its output stands in a queue before the answer: a serial wire's
            self._loop.after(_QUIET_S - quiet_s, partial(self._end_time_over, command))  # holds half a minute
        else:
            self._end_failed(command, "the node does not answer")

    def _end_failed(self, command: _Command, reason: str) -> None:
        if not command.over:
            command.problem += f"; it may still run on the node: {reason}"
            self._conclude(command)


def _room_for(nodes: int, limit: int | None) -> int:
    """Return how many commands can run at once: `limit`, and what the kernel grants of descriptors."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS_A_NODE * min(nodes, limit or nodes) + 64
    if soft < wanted and soft < hard:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(limit or nodes, (soft - 64) // _DESCRIPTORS_A_NODE))
