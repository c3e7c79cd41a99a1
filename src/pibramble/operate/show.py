"""How the answers of many nodes are shown: live, each line with its node's name, or gathered, like ones together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from pibramble.operate.execute import Stream
from pibramble.operate.nodeset import fold
from pibramble.operate.outcome import Fate, Outcome

LONG = 64 * 1024  # a line that is longer is shown in pieces, so that it cannot fill the memory
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)  # ANSI foregrounds that can be read on light and on dark
_DESCRIPTORS = {Stream.STDOUT: 1, Stream.STDERR: 2}

Write = Callable[[Stream, bytes], None]


def write_through(stream: Stream, data: bytes) -> None:
    """Write to our own standard output or error, at once and all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(_DESCRIPTORS[stream], view) :]


def wants_colour(stream: Stream) -> bool:
    """Say whether a person looks at this stream and likes colours (https://no-color.org)."""
    return os.isatty(_DESCRIPTORS[stream]) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Live:
    """Shows output as it comes, whole lines only, so that the nodes' words do not run into each other.

    Works on chunks, not on lines: a node may say 100 MB.
    """

    def __init__(self, nodes: Sequence[str], write: Write = write_through) -> None:
        """Show what these nodes will say."""
        self._write = write
        self._prefixes = {stream: _prefixes(nodes, colour=wants_colour(stream)) for stream in Stream}
        self._parts: dict[tuple[str, Stream], list[bytes]] = {}
        self._sizes: dict[tuple[str, Stream], int] = {}
        self._unended: dict[Stream, str] = {}  # whose line stands there without its end, for it is a long one

    def output(self, node: str, stream: Stream, chunk: bytes) -> None:
        """Take one piece of output."""
        key = node, stream
        whole, newline, rest = chunk.rpartition(b"\n")
        if newline:
            self._print(node, stream, b"".join([*self._parts.pop(key, ()), whole]), ended=True)
            self._sizes[key] = 0
        if rest:
            self._parts.setdefault(key, []).append(rest)
            self._sizes[key] = self._sizes.get(key, 0) + len(rest)
            if self._sizes[key] >= LONG:
                self._print(node, stream, b"".join(self._parts.pop(key)), ended=False)
                self._sizes[key] = 0

    def finish(self) -> None:
        """Show the last lines that had no newline, and end them."""
        for (node, stream), parts in self._parts.items():
            self._print(node, stream, b"".join(parts), ended=True)
        for stream in self._unended:
            self._write(stream, b"\n")
        self._parts.clear()
        self._unended.clear()

    def _print(self, node: str, stream: Stream, lines: bytes, *, ended: bool) -> None:
        prefix = self._prefixes[stream][node]
        before = self._unended.pop(stream, None)
        start = prefix if before is None else b"" if before == node else b"\n" + prefix
        self._write(stream, start + lines.replace(b"\n", b"\n" + prefix) + (b"\n" if ended else b""))
        if not ended:
            self._unended[stream] = node


def _prefixes(nodes: Sequence[str], *, colour: bool) -> dict[str, bytes]:
    if not colour:
        return {node: f"{node}: ".encode() for node in nodes}
    width = max(map(len, nodes))
    return {
        node: f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{node:>{width}}:\x1b[0m ".encode()
        for number, node in enumerate(nodes)
    }


def gathered(outcomes: Mapping[str, Outcome], write: Write = write_through) -> None:
    """Show every different answer once, below the nodes that gave it, as clubak and dshbak do."""
    for stream in Stream:
        answers: dict[bytes, list[str]] = {}
        for node, outcome in outcomes.items():
            said = outcome.stdout if stream is Stream.STDOUT else outcome.stderr
            if said:
                answers.setdefault(said, []).append(node)
        rule = "-" * 15
        for said, nodes in answers.items():
            count = f" ({len(nodes)})" if len(nodes) > 1 else ""
            title = f"{rule}\n{fold(nodes)}{count}\n{rule}\n"
            write(stream, title.encode() + said + (b"" if said.endswith(b"\n") else b"\n"))


def failures(outcomes: Iterable[Outcome]) -> list[str]:
    """Return what did not go well in words, nodes with the same trouble together."""
    alike: dict[str, list[str]] = {}
    for outcome in outcomes:
        if trouble := _trouble(outcome):
            alike.setdefault(trouble, []).append(outcome.node)
    return [f"{fold(nodes)}: {trouble}" for trouble, nodes in alike.items()]


def _trouble(outcome: Outcome) -> str:
    if outcome.problem:
        return f"{outcome.problem}\n  {outcome.hint}" if outcome.hint else outcome.problem
    if outcome.fate is Fate.SIGNALLED:
        return "ended by a signal"
    return f"exit code {outcome.exit_code}" if outcome.exit_code else ""
