"""Each wrong or doubtful file beside the exact text that a person gets for it.

After a wanted change of words: PIBRAMBLE_REGENERATE=1 pytest tests/golden/spec, then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pibramble.spec.findings import ClusterFileError, report
from pibramble.spec.load import parse, read

CASES = sorted(Path(__file__).parent.glob("*.toml"))


def said_about(file: Path) -> str:
    """Return what a person gets to read, as if the file were called cluster.toml."""
    try:
        cluster_file = parse(read(file), Path("cluster.toml"))
    except ClusterFileError as error:
        return f"{error}\n"
    return f"{report(cluster_file.findings)}\n" if cluster_file.findings else ""


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_a_file_gets_exactly_this_message(file: Path) -> None:
    expected = file.with_suffix(".txt")
    said = said_about(file)
    assert said, "a sound file has no place here"
    if os.environ.get("PIBRAMBLE_REGENERATE"):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")


def test_no_expectation_is_left_without_its_file() -> None:
    texts = {path.stem for path in Path(__file__).parent.glob("*.txt")}
    assert texts == {path.stem for path in CASES}
