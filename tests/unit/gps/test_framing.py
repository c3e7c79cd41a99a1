"""Sentences come out of any stream of bytes, however it is cut, and nothing else does."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.gps.framing import LONGEST, Framer, checked, checksum, sentence

GLL = "GPGLL,4916.45,N,12311.12,W,225444,A,A"


def found(*blocks: bytes) -> list[bytes]:
    framer = Framer()
    return [content for block in blocks for content in framer.feed(block)]


def test_a_sentence_ends_with_cr_lf_or_lf_or_the_next_dollar() -> None:
    whole = sentence(GLL)
    for data in (whole, whole.replace(b"\r", b""), whole.replace(b"\r", b"\r\r"), whole.rstrip() + whole):
        assert found(data)[0] == GLL.encode()


def test_checksums_are_taken_in_small_letters_too() -> None:
    assert checked(GLL.encode() + b"*5c") == GLL.encode()


@pytest.mark.parametrize("said", [b"", b"*", b"*5", b"*5D", b"*G1", b"*+C", b"*5 "])
def test_what_has_no_right_checksum_is_no_sentence(said: bytes) -> None:
    framer = Framer()
    assert not list(framer.feed(b"$" + GLL.encode() + said + b"\r\n"))
    assert (framer.sentences, framer.wrong) == (0, 1)


def test_two_sentences_that_ran_into_each_other_are_none() -> None:
    text = "GPGGA," + "1" * LONGEST
    assert not found(sentence(text))


def test_a_cut_sentence_does_not_take_the_next_one_with_it() -> None:
    framer = Framer()
    assert list(framer.feed(b"$GPGGA,1235" + sentence(GLL))) == [GLL.encode()]
    assert framer.wrong == 1


def test_remarks_of_recorded_logs_are_passed_over_though_they_quote_sentences() -> None:
    log = b"# Name: a log\n# as " + sentence(GLL) + sentence("GPGSV,1,1,00") + b"# over\n"
    assert found(log) == [b"GPGSV,1,1,00"]


def test_noise_is_counted() -> None:
    framer = Framer()
    assert list(framer.feed(b"\x00\xff\xb5\x62" + sentence(GLL) + b"abc\r\n")) == [GLL.encode()]
    assert framer.foreign == 7


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=40))
def test_how_the_bytes_are_cut_into_blocks_makes_no_difference(noise: bytes, sizes: list[int]) -> None:
    data = sentence(GLL) + noise.replace(b"#", b"") + b"\r\n" + sentence(GLL)
    blocks, at = [], 0
    for size in sizes:
        blocks.append(data[at : at + size])
        at += size
    assert found(*blocks, data[at:]) == found(data)


@given(st.binary(min_size=1, max_size=200))
def test_the_checksum_is_all_bytes_xored(data: bytes) -> None:
    total = 0
    for byte in data:
        total ^= byte
    assert checksum(data) == total


@pytest.mark.parametrize("block", [b"x" * 65_536, b"$" + b"x" * 65_535, b"#" * 65_536], ids=["noise", "dollar", "hash"])
def test_two_megabytes_without_an_end_of_line_take_no_memory(block: bytes) -> None:
    framer = Framer()
    tracemalloc.start()
    try:
        for _ in range(32):
            assert not list(framer.feed(block))
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10_000
    assert peak < 4 * len(block)
    assert framer.foreign > 2_000_000
    assert list(framer.feed(b"\r\n" + sentence(GLL))) == [GLL.encode()]
