"""The page on cards does what it says, over real bases."""

from __future__ import annotations

from pathlib import Path

import pytest
import transcripts

from tests.bases.builder import Builder
from tests.bases.test_debian import built  # noqa: F401 (a fixture)
from tests.test_docs import test_the_commands_of_the_page_do_what_it_says as check_page

pytestmark = [pytest.mark.bases, pytest.mark.timeout(600)]


def test_the_commands_of_the_page_do_what_it_says(
    built: Builder,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIBRAMBLE_CACHE", str(built.folder / "cache"))
    page = transcripts.REPO / "docs" / "cards.md"
    assert any(block.mark == "bases" and block.runs for block in transcripts.blocks(page))
    check_page(page, tmp_path)
