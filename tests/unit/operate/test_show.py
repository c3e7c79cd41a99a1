from __future__ import annotations

import os

import pytest

from pibramble.operate.execute import Stream
from pibramble.operate.outcome import Fate, Outcome
from pibramble.operate.show import LONG, Live, failures, gathered, wants_colour


class Written:
    """Keeps what would have gone to the terminal."""

    def __init__(self) -> None:
        self.out = b""
        self.err = b""

    def __call__(self, stream: Stream, data: bytes) -> None:
        if stream is Stream.STDOUT:
            self.out += data
        else:
            self.err += data


def outcome(node: str, stdout: bytes = b"", stderr: bytes = b"", code: int | None = 0, **more: object) -> Outcome:
    return Outcome(node, code, stdout, stderr, 0.1, **{"problem": "", **more})  # type: ignore[arg-type]


def test_lines_are_whole_and_named_however_they_arrive() -> None:
    written = Written()
    live = Live(["zero1", "b"], written)
    for node, chunk in [("zero1", b"on"), ("b", b"x\ny\nz"), ("zero1", b"e\ntwo\n\n"), ("zero1", b"three")]:
        live.output(node, Stream.STDOUT, chunk)
    live.output("b", Stream.STDERR, b"oops\n")
    live.finish()
    assert written.out == b"b: x\nb: y\nzero1: one\nzero1: two\nzero1: \nb: z\nzero1: three\n"
    assert written.err == b"b: oops\n"


def test_a_long_line_is_shown_before_its_end_and_keeps_every_byte() -> None:
    written = Written()
    live = Live(["a"], written)
    live.output("a", Stream.STDOUT, b"x" * LONG)
    assert len(written.out) > LONG
    live.output("a", Stream.STDOUT, b"x" * LONG)
    live.output("a", Stream.STDOUT, b"end\nnext\n")
    live.finish()
    assert written.out == b"a: " + b"x" * (2 * LONG) + b"end\na: next\n"


def test_another_node_s_words_do_not_run_into_a_long_line() -> None:
    written = Written()
    live = Live(["a", "b"], written)
    live.output("a", Stream.STDOUT, b"x" * LONG)
    live.output("b", Stream.STDOUT, b"short\n")
    live.output("a", Stream.STDOUT, b"y" * LONG)
    live.finish()
    assert written.out == b"a: " + b"x" * LONG + b"\nb: short\na: " + b"y" * LONG + b"\n"


def test_a_terminal_gets_colours_unless_it_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda _: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert wants_colour(Stream.STDOUT)
    written = Written()
    live = Live(["zero10", "b"], written)
    live.output("b", Stream.STDOUT, b"x\n")
    assert written.out == b"\x1b[33m     b:\x1b[0m x\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(Stream.STDOUT)


def test_same_answers_stand_together() -> None:
    written = Written()
    answers = {
        "zero1": outcome("zero1", b"same\n"),
        "odd": outcome("odd", b"other", b"oops\n"),
        "zero2": outcome("zero2", b"same\n"),
        "silent": outcome("silent"),
    }
    gathered(answers, written)
    rule = b"-" * 15
    assert written.out == b"%s\nzero[1-2] (2)\n%s\nsame\n%s\nodd\n%s\nother\n" % (rule, rule, rule, rule)
    assert written.err == b"%s\nodd\n%s\noops\n" % (rule, rule)


def test_same_troubles_stand_together() -> None:
    said = failures(
        [
            outcome("zero1", code=3),
            outcome("zero2", code=None, problem="unreachable: off", hint="switch it on", fate=Fate.UNREACHABLE),
            outcome("zero3", code=3),
            outcome("zero4"),
            outcome("aplus", code=255, fate=Fate.SIGNALLED),
        ]
    )
    assert said == ["zero[1,3]: exit code 3", "zero2: unreachable: off\n  switch it on", "aplus: ended by a signal"]
