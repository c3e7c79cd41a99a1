from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pibramble.spec.locate import Lines, Path, locate

EVERYTHING = '''
top = 1 # a comment with [brackets] and "quotes"
"quoted \\u00e9 key" = 'x # no comment'
a.b . c = 0x1F
a."b".d = true
dates = [1979-05-27T07:32:00Z, 1979-05-27 07:32:00, 07:32:00]
text = """
one "two" \\"""three\\\\ # not a comment
[not.a.table]
"""""
raw = \'\'\'
'quoted' \\
\'\'\'\'\'
nested = [ [1, 2], # first
  ["a,b]", "}"], {x = 1, y.z = [{}, { q = "]" }]},
]
inline = { p = { q = 1.5e3 }, "r s" = [] }

[table.sub]
key = -inf
[table]
other = +nan
[[people]]
name = "a"
[people.address]
town = "x"
[[people.pets]]
kind = "cat"
[[people.pets]]
kind = "dog"
[[people]]
[people.address]
town = "y"
[ spaced . out ]
'''


def paths(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Walk all that tomllib found."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*path, index))


def check_against_tomllib(text: str) -> None:
    places = locate(text)
    found = dict(paths(tomllib.loads(text)))
    assert set(places) == set(found)
    for path, place in places.items():
        if place.key is not None and isinstance(path[-1], str):
            key = text[place.key.start : place.key.end]
            assert tomllib.loads(f"{key} = 1") == {path[-1]: 1}
        if place.value is not None:
            value = text[place.value.start : place.value.end]
            assert repr(tomllib.loads(f"x = {value}")["x"]) == repr(found[path])  # repr: nan is not equal to itself


def test_every_kind_of_toml_is_found_where_it_stands() -> None:
    check_against_tomllib(EVERYTHING)
    check_against_tomllib(EVERYTHING.replace("\n", "\r\n"))


@pytest.mark.parametrize(
    "template", sorted(FilePath("src/pibramble/spec/templates").glob("*.toml")), ids=lambda p: p.name
)
def test_templates_are_found_where_they_stand(template: FilePath) -> None:
    check_against_tomllib(template.read_text(encoding="utf-8"))


def test_a_place_is_what_a_person_would_point_at() -> None:
    text = '[head]\nboard = "pi-1b"\n\n[[workers]]\n[[workers]]\n  name = "b"  # second\n'
    places = locate(text)

    def place(*path: str | int) -> tuple[tuple[int, int], str]:
        span = places[path].span
        return Lines(text).place(span.start), text[span.start : span.end]

    assert place("head") == ((1, 2), "head")
    assert place("head", "board") == ((2, 9), '"pi-1b"')
    assert place("workers") == ((4, 3), "workers")
    assert place("workers", 1) == ((5, 3), "workers")
    assert place("workers", 1, "name") == ((6, 10), '"b"')


@given(st.text("a\r\n\u2028", max_size=20))
def test_lines_end_where_tomls_do_and_nowhere_else(text: str) -> None:
    lines = Lines(text)
    for number, content in enumerate(text.split("\n"), start=1):
        assert lines.content(number) == content.removesuffix("\r")
    for offset in range(len(text) + 1):
        before = text[:offset].split("\n")
        assert lines.place(offset) == (len(before), len(before[-1]) + 1)
    assert lines.content(0) == lines.content(text.count("\n") + 2) == ""


# --- TOML of any shape, written by a generator that knows nothing of the scanner ---

space = st.sampled_from(["", " ", "\t "])
blank = st.sampled_from(["", " ", "\n", "\r\n", ' # ] } , = "\n', "\n\n\t"])
bare = st.text("abz019_-", min_size=1, max_size=3)
characters = st.characters(exclude_categories=["Cs", "Cc"])
basic = st.text(characters, max_size=6).map(lambda s: '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"')
literal = st.text(characters, max_size=6).map(lambda s: "'" + s.replace("'", "") + "'")
multi = st.text("ab \n#]=,'\"", max_size=8).map(lambda s: '"""' + s.replace('"""', '""') + ' """')
raw = st.tuples(st.text('ab \n#]=,"\\', max_size=8), st.sampled_from(["", "'", "''"])).map(
    lambda parts: "'''" + parts[0] + parts[1] + "'''"
)
scalar = st.one_of(
    basic,
    literal,
    multi,
    raw,
    st.integers(-(2**40), 2**40).map(str),
    st.sampled_from(["true", "1e9", "-nan", "07:32:00"]),
)


def _array(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    element = st.builds("".join, st.tuples(blank, items, blank))
    return st.lists(element, max_size=3).flatmap(
        lambda parts: st.sampled_from([f"[{','.join(parts)}]", f"[{','.join([*parts, ' '])}]" if parts else "[ \n ]"])
    )


def _inline(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(space, st.one_of(bare, basic, literal), space, items, space).map(
        "{0[0]}{0[1]}{0[2]}={0[0]}{0[3]}{0[4]}".format
    )
    return st.lists(pair, max_size=3).map(lambda parts: "{" + ",".join(parts) + "}")


value = st.recursive(scalar, lambda items: st.one_of(_array(items), _inline(items)), max_leaves=6)
key = st.lists(st.one_of(bare, basic, literal), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([".".join(parts), " . ".join(parts)])
)
pair_line = st.tuples(space, key, space, value, space).map("{0[0]}{0[1]}{0[2]}={0[2]}{0[3]}{0[4]}".format)
header_line = st.tuples(key, st.booleans()).map(lambda parts: f"[[ {parts[0]}]]" if parts[1] else f"[{parts[0]} ]")
document = st.lists(st.one_of(pair_line, pair_line, header_line, st.just("# [x]")), max_size=8).flatmap(
    lambda lines: st.sampled_from(["\n".join(lines), "\r\n".join(lines) + "\r\n"])
)


def accepted(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


@given(document)
def test_any_text_that_tomllib_accepts_is_found_key_by_key(text: str) -> None:
    if accepted(text) is not None:
        check_against_tomllib(text)


@given(st.text("ab=.[]{}\"'\\#,\n\r 1", max_size=40))
def test_random_text_that_tomllib_accepts_is_found_key_by_key(text: str) -> None:
    if accepted(text) is not None:
        check_against_tomllib(text)
