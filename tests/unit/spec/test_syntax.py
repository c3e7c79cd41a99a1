from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pibramble.spec.syntax import SyntaxFinding, explain, place_of


def explained(text: str) -> SyntaxFinding:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    return explain(text, caught.value)


class Newer(tomllib.TOMLDecodeError):
    """As Python 3.14 raises it: the place in attributes."""

    msg = "Invalid value"
    lineno = 3
    colno = 7


def test_the_place_is_found_in_old_and_new_errors() -> None:
    assert place_of("", Newer("anything (at line 9, column 9)")) == ("Invalid value", 3, 7)
    old = tomllib.TOMLDecodeError("Invalid value (at line 12, column 34)")
    assert place_of("", old) == ("Invalid value", 12, 34)
    end = tomllib.TOMLDecodeError("Unterminated string (at end of document)")
    assert place_of('a = 1\nb = """\n\n', end) == ("Unterminated string", 2, 8)


@pytest.mark.parametrize(
    ("line", "repaired"),
    [
        ("board = pi-zero", 'board = "pi-zero"'),
        ("board = pi-zero # old", 'board = "pi-zero"  # old'),
        ("board: 'pi-zero'", "board = 'pi-zero'"),
        ('board "pi-zero"', 'board = "pi-zero"'),
        ("board pi-zero", 'board = "pi-zero"'),
        ('board = "pi-zero', 'board = "pi-zero"'),
        ('board = pi-zero"', 'board = "pi-zero"'),
        ("board = \u201cpi-zero\u201d", 'board = "pi-zero"'),
        ("address = 192.168.7.2", 'address = "192.168.7.2"'),
        ("nameservers = [9.9.9.9]", 'nameservers = ["9.9.9.9"]'),
        ('nameservers = ["9.9.9.9", 1.1.1.1]', 'nameservers = ["9.9.9.9", "1.1.1.1"]'),
        ("flow_control = True", "flow_control = true"),
        ("flow_control = off", "flow_control = false"),
        ("baud = 921,600", "baud = 921_600"),
        ("[[workers]", "[[workers]]"),
        ("[workers", "[[workers]]"),
        ("[head", "[head]"),
        ("workers:", "[[workers]]"),
    ],
)
def test_a_slip_gets_a_cure_that_is_sound_toml(line: str, repaired: str) -> None:
    found = explained(f"{line}\n")
    assert found.line == 1
    assert found.cure.endswith(repaired)
    tomllib.loads(repaired)


def test_the_line_that_opened_a_list_is_blamed_not_the_one_where_it_was_noticed() -> None:
    found = explained('[cluster]\nntp = ["a"\nname = "x"\n')
    assert (found.line, found.column) == (2, 7)
    assert found.cure == 'write ntp = ["a"]'


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[head]\nname = "a"\nname = "b"\n', 3, "line 2"),
        ('[head]\n[cluster]\nname = "a"\n[head]\n', 4, "line 1"),
        ("[nodes.a]\nbaud = 1\n[nodes.a]\n", 3, "line 1"),
        ('[[workers]]\nname = "a"\n[[workers]]\nname = "b"\nname = "c"\n', 5, "line 4"),
        ("[workers]\n[workers]\n", 2, "[[workers]]"),
        ('a = 1\n"a" = 2\n', 2, "line 1"),
    ],
)
def test_what_stands_there_twice_points_at_the_first(text: str, line: int, said: str) -> None:
    found = explained(text)
    assert found.line == line
    assert said in found.cure


@settings(max_examples=300, deadline=None)
@given(st.text("ab=.:[]{}\"'\\#,\n\r 1", max_size=30))
def test_any_error_has_a_place_in_the_text_and_words(text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = explain(text, error)
        lines = text.split("\n")
        assert 1 <= found.line <= len(lines)
        assert 1 <= found.column <= len(lines[found.line - 1]) + 1
        assert found.width >= 1
        assert found.message
        if repaired := re.fullmatch(r"write (.+)", found.cure):
            assert "\n" not in repaired[1]
