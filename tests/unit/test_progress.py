"""What long work says of itself where there is no terminal."""

from __future__ import annotations

import re

import pytest

from pibramble.progress import PlainProgress


@pytest.mark.parametrize(
    ("total", "unit", "said"), [(5, "nodes", " (5 nodes)"), (1, "nodes", " (1 node)"), (9, "B", "")]
)
def test_a_step_is_one_line_with_its_count_and_time(
    capsys: pytest.CaptureFixture[str], total: int, unit: str, said: str
) -> None:
    with PlainProgress().step("Making", total, unit) as step:
        step.advance()
        assert capsys.readouterr().err == ""
    assert re.fullmatch(rf"Making{re.escape(said)}: \d+\.\d\d s\n", capsys.readouterr().err)
