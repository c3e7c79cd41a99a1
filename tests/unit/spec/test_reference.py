from __future__ import annotations

import re
import tomllib
from pathlib import Path

import attrs

from pibramble.spec.load import parse
from pibramble.spec.reference import page
from pibramble.spec.structure import SECTIONS

PAGE = Path(__file__).parents[3] / "docs" / "cluster-file.md"


def test_the_page_in_docs_is_the_one_that_the_types_make() -> None:
    """When this fails: python -m pibramble.spec.reference > docs/cluster-file.md."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_key_has_its_row() -> None:
    for cls in SECTIONS.values():
        for field in attrs.fields(cls):
            assert f"| `{field.name}` |" in page()


def test_its_examples_are_sound() -> None:
    examples = re.findall(r"```toml\n(.*?)```", page(), flags=re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        if example.startswith("[catalog"):  # a part of a file
            example = f'[[workers]]\nname = "zero1"\n{example}'  # noqa: PLW2901 (made whole)
        assert tomllib.loads(example)
        assert parse(example, Path("c.toml")).findings == ()
