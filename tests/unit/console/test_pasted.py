"""What is pasted is told from what is typed, however the terminal's input is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.console.messages import LARGEST_PASTE_BYTES
from pibramble.console.pasted import ASK_FOR_MARKS, BEGIN_MARK, END_MARK, Gathered, Marks, Mode, Pasted, is_block

PIECES = st.lists(
    st.sampled_from([b"a", b"\r", b"\x1b", b"\x1b[A", b"\x1b[20", b"[201", "é".encode()]), max_size=8
).map(b"".join)


def fed(marks: Marks, data: bytes, cuts: list[int]) -> list[bytes | Pasted]:
    """Feed data in pieces that end at `cuts`; return what came, with adjoining typed bytes as one."""
    ends = [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    came: list[bytes | Pasted] = []
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        for part in marks.feed(data[begin:end]):
            if isinstance(part, bytes) and came and isinstance(came[-1], bytes):
                came[-1] += part
            else:
                came.append(part)
    return came


@given(PIECES, PIECES, PIECES, st.lists(st.integers(min_value=0), max_size=6))
def test_a_paste_is_found_whole_however_it_is_cut(before: bytes, text: bytes, after: bytes, cuts: list[int]) -> None:
    """Only the mark before it must come in one piece: else the Esc key would have to wait."""
    begun = before + BEGIN_MARK
    whole = begun + text + END_MARK + after
    marks = Marks()
    came = fed(marks, begun, []) + fed(marks, whole[len(begun) :], cuts)
    typed = b"".join(part for part in came if isinstance(part, bytes))
    assert typed == before + after
    assert [part for part in came if isinstance(part, Pasted)] == [Pasted(text, len(text))]


@given(PIECES)
def test_what_is_typed_waits_for_nothing(data: bytes) -> None:
    assert b"".join(part for part in Marks().feed(data) if isinstance(part, bytes)) == data


def test_a_paste_whose_end_is_lost_is_given_up() -> None:
    marks = Marks()
    assert list(marks.feed(BEGIN_MARK + b"text\x1b[2")) == []
    assert marks.give_up() == Pasted(b"text", 4)
    assert marks.give_up() is None
    assert list(marks.feed(b"q")) == [b"q"]


def test_of_a_paste_that_is_too_large_only_the_size_is_kept() -> None:
    gathered = Gathered()
    for _ in range(200):
        gathered.add(b"x" * (64 << 10))
    assert gathered.take() == Pasted(b"", 200 * (64 << 10))
    assert not gathered
    gathered.add(b"y" * LARGEST_PASTE_BYTES)
    pasted = gathered.take()
    assert not pasted.too_large
    assert len(pasted.data) == LARGEST_PASTE_BYTES


@pytest.mark.parametrize(
    ("data", "block"),
    [
        (b"enable\rsecret\r", False),  # typed ahead, and delivered at once by a slow network
        (b"x" * 1000, False),
        (b"x" * 999 + b"\r", False),
        (b"x" * 998 + b"\ry", True),
        (b"line\n" * 100, True),
    ],
)
def test_a_block_is_a_paste_if_no_hand_can_type_it(data: bytes, *, block: bool) -> None:
    assert is_block(data) is block


def test_the_terminal_goes_on_marking_whatever_the_device_says() -> None:
    mode = Mode()
    assert mode.kept(b"plain") == b"plain"
    assert not mode.wanted
    assert mode.kept(b"\x1b[?2004hsw1$ ") == b"\x1b[?2004hsw1$ "
    assert mode.wanted
    assert mode.kept(b"\r\x1b[?2004l\rout") == b"\r\x1b[?2004l" + ASK_FOR_MARKS + b"\rout"
    assert not mode.wanted
    for reset in (b"\x1bc", b"\x1b[!p"):
        assert mode.kept(b"\x1b[?2004h") == b"\x1b[?2004h"
        assert mode.kept(reset + b"x") == reset + ASK_FOR_MARKS + b"x"
        assert not mode.wanted
