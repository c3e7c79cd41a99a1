"""A job while it runs: mpiexec on the head, hydra's proxies on the nodes, and whatever may end it early."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import attrs

from pibramble.errors import Exit, PibrambleError
from pibramble.operate import ending
from pibramble.operate.loop import Loop
from pibramble.operate.mpi import Launch, ManualLauncher
from pibramble.operate.nodeset import fold
from pibramble.operate.remote import Remote, Stream
from pibramble.operate.source import Source, source
from pibramble.operate.verdict import TAIL_BYTES, Verdict, judge
from pibramble.targets.base import Connections

OnOutput = Callable[[Stream, bytes], None]
_OnEnd = Callable[[int | None, PibrambleError | None], None]
Gone = Callable[[Sequence[str]], Mapping[str, str]]  # of these nodes those that have died, and why

_WATCH_S = 1.0  # how often the nodes are looked at; nothing is sent to them for it
_GRACE_S = 3.0  # for a program that tidies up when it is interrupted
_PROXY_GRACE_S = 3.0  # for mpiexec to notice by itself that a proxy has failed
_DRAIN_S = 1.0  # for the last words of what was ended
_END_TIMEOUT_S = 10.0

# Interrupts the leader of every session that carries the label: on the head that is mpiexec, which passes it on.
INTERRUPT_SCRIPT = ending.with_label(r"""
for file in $(printf '%s\n' "$label" | grep -lasF -f - /proc/[0-9]*/environ); do
  pid=${file#/proc/} pid=${pid%%/*}
  { read -r stat < /proc/$pid/stat; } 2>/dev/null || continue
  set -- ${stat##*) }
  [ "$4" = "$pid" ] && kill -INT "$pid"
done 2>/dev/null
exit 0
""")

# Brings standard input to rank 0; says a word when rank 0 can open the FIFO.
_FEED_SCRIPT = r"""
mkdir -p "${fifo%/*}" && mkfifo -m 600 "$fifo" || exit 1
trap 'rm -f "$fifo"' EXIT
trap 'exit 1' HUP INT TERM
echo ready
cat >"$fifo"
exit 0
"""
_HYDRAS_LINES = re.compile(rb"^\[(?:proxy:\d+|mpiexec)@[^\n]*\n", re.MULTILINE)


def label(job: str) -> str:
    """Return what every process of a job carries in its environment."""
    return f"PIBRAMBLE_JOB={job}"


def _fifo(job: str) -> str:
    """Return where rank 0 reads its standard input, as a word for the node's shell."""
    return f'"$HOME/.cache/pibramble/stdin-{job}"'


@attrs.frozen
class Surroundings:
    """Where a job runs, and how far it may go."""

    connections: Connections
    head: str
    gone: Gone
    timeout_s: float | None = None
    interrupted_code: Callable[[], int] = lambda: Exit.INTERRUPTED  # after a KeyboardInterrupt: which signal it was
    say: Callable[[str], None] = lambda _: None  # for people, on standard error


class RunningJob:
    """Starts a job and stays with it to its end."""

    def __init__(self, job: str, launch: Launch, surroundings: Surroundings, on_output: OnOutput) -> None:
        """Prepare; `run` starts it. `on_output` gets every piece of output as it comes."""
        self._job = job
        self._launch = launch
        self._around = surroundings
        self._on_output = on_output
        self._loop = Loop()
        self._launcher = ManualLauncher()
        self._mpiexec: Remote | None = None
        self._proxies: dict[str, Remote] = {}
        self._proxies_words = b""
        self._stdin: Source | None = None
        self._feeder: Remote | None = None  # brings standard input to rank 0's node
        self._fed = False  # it is ready there
        self._tails = dict.fromkeys(Stream, b"")
        self._exit_code: int | None = None
        self._mpiexec_over = False
        self._forced: Verdict | None = None  # why it has to end before its time
        self._lost: set[str] = set()

    def run(self, stdin: int | None) -> Verdict:
        """Run the job to its end and return what became of it. `stdin` is passed on to rank 0.

        Whatever ends it early (Ctrl-C, the time limit, a node that dies, nobody who reads the output), nothing of it
        is left on any node that can be reached. Raises PibrambleError if it could not be started.
        """
        try:
            try:
                self._feed(stdin)
                self._start()
                while not self._mpiexec_over and self._forced is None:
                    self._loop.turn()
            except KeyboardInterrupt:
                self._interrupt()
            except BrokenPipeError:
                self._on_output = _nowhere
                self._forced = Verdict(_SIGPIPE_CODE, "nobody reads its output any more")
            return self._finish()
        finally:
            self._stop_feeding()
            for remote in (self._mpiexec, self._feeder, *self._proxies.values()):
                if remote:
                    remote.close()
            self._loop.close()

    # -- starting ---------------------------------------------------------------------------------------------------

    def _feed(self, stdin: int | None) -> None:
        """Have rank 0's standard input brought to its node, at the pace at which it is read."""
        if stdin is None:
            return
        self._stdin = source(stdin, self._loop, all_at_once=True)
        node = self._launch.shares[0].node.name
        descriptor = self._stdin.descriptor(node)
        try:
            self._feeder = self._remote(
                node, f"fifo={_fifo(self._job)}\n{_FEED_SCRIPT}", descriptor, self._from_feeder, self._feeder_ended
            )
        finally:
            os.close(descriptor)

    def _start(self) -> None:
        head = self._around.head
        command = self._launch.command(_fifo(self._job) if self._feeder else None)
        with _nothing() as stdin:
            self._mpiexec = self._remote(head, command, stdin, self._from_mpiexec, self._mpiexec_ended)
        if self._around.timeout_s is not None:
            self._loop.after(self._around.timeout_s, self._timed_out)
        self._loop.after(_WATCH_S, self._watch)

    def _from_mpiexec(self, stream: Stream, chunk: bytes) -> None:
        if stream is Stream.STDERR or self._launcher.complete:
            self._pass_on(stream, chunk)
            return
        rest = self._launcher.feed(chunk)
        self._maybe_start_proxies()
        if rest:
            self._pass_on(stream, rest)

    def _from_feeder(self, stream: Stream, chunk: bytes) -> None:
        if stream is Stream.STDERR:
            self._pass_on(stream, chunk)
        elif self._stdin and not self._fed:
            self._fed = True
            self._stdin.begin()
            self._maybe_start_proxies()

    def _maybe_start_proxies(self) -> None:
        if self._launcher.complete and not self._proxies and (self._fed or not self._feeder):
            self._start_proxies()

    def _start_proxies(self) -> None:
        """Start on every node what hydra asks for; its own ssh launcher would start an ssh a node for that."""
        nodes = [share.node.name for share in self._launch.shares]
        if len(self._launcher.commands) != len(nodes):
            reason = f"mpiexec wants to start {len(self._launcher.commands)} proxies on {len(nodes)} nodes"
            self._forced = Verdict(Exit.FAILED, reason)
            return
        with _nothing() as stdin:
            try:
                for node, command in zip(nodes, self._launcher.commands, strict=True):
                    self._proxies[node] = self._remote(
                        node, f"exec {command}", stdin, self._from_proxy, partial(self._proxy_ended, node)
                    )
            except PibrambleError as error:
                self._lose(node, error.message)

    def _remote(self, node: str, command: str, stdin: int, on_output: OnOutput, on_end: _OnEnd) -> Remote:
        return Remote(
            self._loop,
            self._around.connections.socket(node),
            ending.labelled(command, label(self._job)),
            stdin=stdin,
            on_output=on_output,
            on_end=on_end,
        )

    # -- while it runs ----------------------------------------------------------------------------------------------

    def _from_proxy(self, _stream: Stream, chunk: bytes) -> None:
        """Keep what a proxy says of its own; the ranks' output comes through mpiexec.

        When a job ends badly every proxy complains in its source's words, so it is shown only if nobody knows better.
        """
        self._proxies_words = (self._proxies_words + chunk)[-TAIL_BYTES:]

    def _pass_on(self, stream: Stream, chunk: bytes) -> None:
        if self._forced and stream is Stream.STDERR:
            chunk = _HYDRAS_LINES.sub(b"", chunk)  # we ended it: that hydra is astonished is no news
        self._tails[stream] = (self._tails[stream] + chunk)[-TAIL_BYTES:]
        self._on_output(stream, chunk)

    def _proxy_ended(self, node: str, code: int | None, error: PibrambleError | None) -> None:
        if error:
            self._lose(node, error.message)
        elif code:
            reason = f"hydra's proxy on {node} ended with exit code {code}"
            self._loop.after(_PROXY_GRACE_S, partial(self._force, Verdict(Exit.FAILED, reason)))

    def _feeder_ended(self, code: int | None, error: PibrambleError | None) -> None:
        node = self._launch.shares[0].node.name
        if error:
            self._lose(node, error.message)
        elif not self._fed:
            reason = f"standard input could not be brought to {node}"
            self._force(Verdict(code or Exit.FAILED, reason))

    def _mpiexec_ended(self, code: int | None, error: PibrambleError | None) -> None:
        if error:
            self._lose(self._around.head, error.message)
        self._exit_code = code
        self._mpiexec_over = True

    def _watch(self) -> None:
        """Look for nodes that have died. Nothing is sent: a job's nodes are to compute, not to answer."""
        for node, reason in self._dead().items():
            self._lose(node, reason)
        self._loop.after(_WATCH_S, self._watch)

    def _dead(self) -> Mapping[str, str]:
        nodes = self._nodes()
        socket = self._around.connections.socket
        # The master takes its socket away when the node has not answered for 15 s (ServerAliveInterval).
        without = {node: "it does not answer any more" for node in nodes if not os.path.lexists(socket(node))}
        return {**without, **self._around.gone(nodes)}

    def _nodes(self) -> list[str]:
        return list(dict.fromkeys([self._around.head, *(share.node.name for share in self._launch.shares)]))

    def _lose(self, node: str, reason: str) -> None:
        self._lost.add(node)
        self._force(_lost({node: reason}))

    def _timed_out(self) -> None:
        self._force(Verdict(Exit.TIMEOUT, f"the time limit of {self._around.timeout_s:g} s was over"))

    def _force(self, verdict: Verdict) -> None:
        if self._forced is None and not self._mpiexec_over:
            self._forced = verdict

    # -- ending -----------------------------------------------------------------------------------------------------

    def _interrupt(self) -> None:
        """Pass Ctrl-C on to mpiexec, which passes it on to the ranks; a second one makes short work of it."""
        self._forced = Verdict(self._around.interrupted_code(), "it was interrupted")
        with contextlib.suppress(KeyboardInterrupt):
            self._around.say("interrupted: ending the job on every node")
            self._order([self._around.head], INTERRUPT_SCRIPT)
            self._pump(_GRACE_S)

    def _finish(self) -> Verdict:
        self._stop_feeding()
        if self._forced is None:
            self._pump(_DRAIN_S, self._anything_lives)
            verdict = self._judge()
            if self._proxies_words and not verdict.explained:
                self._pass_on(Stream.STDERR, self._proxies_words)
            if verdict.exit_code == 0:
                return verdict
        else:
            verdict = self._forced
        lost = self._lost | set(self._dead())
        nodes = dict.fromkeys([*self._proxies, self._around.head])
        left = self._order([node for node in nodes if node not in lost], ending.END_SCRIPT)
        self._pump(_DRAIN_S, self._anything_lives)
        held = self._launcher.rest()
        if held:
            self._pass_on(Stream.STDOUT, held)
        gone = self._gone_by_now() if verdict.exit_code == Exit.UNREACHABLE else {}
        if self._around.head not in gone:  # else every way led through it, and none can be asked
            for node, problem in left.items():
                self._around.say(f"{node}: what is left of the job could not be ended: {problem}")
        return _lost(gone) if gone else verdict

    def _gone_by_now(self) -> Mapping[str, str]:
        """Ask the target who has died: a connection breaks first, and when it is the head's, all do."""
        self._pump(_DRAIN_S, lambda: not self._around.gone(self._nodes()))
        return self._around.gone(self._nodes())

    def _order(self, nodes: Sequence[str], script: str) -> dict[str, str]:
        """Have a script run that gets the job's label; return node -> problem where it failed.

        In the job's own loop: a job whose output nobody takes any more could not end.
        """
        running: dict[str, Remote] = {}
        problems: dict[str, str] = {}

        def ended(node: str, code: int | None, error: PibrambleError | None) -> None:
            if code != 0:
                problems[node] = error.message if error else "some processes do not end"
            running.pop(node, None)

        for node in nodes:
            reader, writer = os.pipe2(os.O_CLOEXEC)
            os.write(writer, ending.order(label(self._job)))
            os.close(writer)
            socket = self._around.connections.socket(node)
            try:
                running[node] = Remote(
                    self._loop, socket, script, stdin=reader, on_output=_nowhere, on_end=partial(ended, node)
                )
            except PibrambleError as error:
                problems[node] = error.message
            finally:
                os.close(reader)
        self._pump(_END_TIMEOUT_S, lambda: bool(running))
        for node, remote in running.items():
            remote.close()
            problems[node] = f"no answer within {_END_TIMEOUT_S:g} s"
        return problems

    def _judge(self) -> Verdict:
        stderr = self._tails[Stream.STDERR] + self._proxies_words
        verdict = judge(self._exit_code or 0, self._tails[Stream.STDOUT], stderr, self._launch.shares)
        dead = self._dead() if verdict.exit_code else {}
        if dead:  # mpiexec saw it before we did
            self._lost |= set(dead)
            return _lost(dead)
        return verdict

    def _pump(self, seconds: float, wanted: Callable[[], bool] | None = None) -> None:
        """Let what still comes come: while it is `wanted` (None: until mpiexec has ended), at most for so long."""
        deadline = time.monotonic() + seconds
        while (wanted() if wanted else not self._mpiexec_over) and (left := deadline - time.monotonic()) > 0:
            try:
                self._loop.turn(left)
            except BrokenPipeError:
                self._on_output = _nowhere

    def _anything_lives(self) -> bool:
        others = [(self._launch.shares[0].node.name, self._feeder), *self._proxies.items()]
        alive = any(remote.running for node, remote in others if remote and node not in self._lost)
        return alive or not self._mpiexec_over

    def _stop_feeding(self) -> None:
        if self._stdin:
            self._stdin.close()
            self._stdin = None


def _lost(nodes: Mapping[str, str]) -> Verdict:
    """Return the verdict on a job that has lost these nodes; their values say why."""
    reasons = ", ".join(sorted(set(nodes.values())))
    return Verdict(Exit.UNREACHABLE, f"{fold(nodes)} was lost: {reasons}", "`pibramble status` shows what is left")


_SIGPIPE_CODE = 141  # 128 + SIGPIPE, as sh(1) says it


@contextlib.contextmanager
def _nothing() -> Iterator[int]:
    """Yield a descriptor that has nothing to read."""
    descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _nowhere(_stream: Stream, _chunk: bytes) -> None:
    pass
