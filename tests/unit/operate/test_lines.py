from __future__ import annotations

import random
import time

from pibramble.operate.lines import LONG, LineSplitter


def test_any_way_to_cut_the_bytes_gives_the_same_lines() -> None:
    text = b"one\n\ntwo\r\n\n\nlast without end"
    chance = random.Random(7)  # noqa: S311 (a test repeats itself)
    for _ in range(200):
        splitter = LineSplitter()
        lines: list[bytes] = []
        rest = text
        while rest:
            cut = chance.randint(1, 9)
            lines += splitter.feed(rest[:cut])
            rest = rest[cut:]
        lines += splitter.rest()
        assert lines == text.split(b"\n")


def test_nothing_is_no_line() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"end\n") == [b"end"]
    assert splitter.rest() == []


def test_a_line_without_end_comes_in_pieces() -> None:
    splitter = LineSplitter()
    pieces = [piece for _ in range(40) for piece in splitter.feed(b"x" * 10_000)]
    pieces += splitter.rest()
    assert b"".join(pieces) == b"x" * 400_000
    assert max(map(len, pieces)) < LONG + 10_000


def test_single_bytes_cost_no_more_the_longer_the_line_is() -> None:
    began = time.process_time()
    splitter = LineSplitter()
    for _ in range(500_000):
        splitter.feed(b"x")
    assert time.process_time() - began < 5
